# Everything starts here; `make` alone lists what there is. Needs python3 (3.11 to 3.13) and nothing else.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv up restart down status logs deliver manage test test-fast coverage mutants check docs bench drill lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## The Python environment in .venv, as requirements.lock has it

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "Python %d.%d is too old or too new: 3.11 to 3.13 are supported. Run: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" % v)'
	@echo "Creating the environment in $(VENV): about a minute, 2.2 GB, once"
	@started=$$(date +%s); set -e; \
	  test -x $(PY) || $(PYTHON) -m venv $(VENV); \
	  test -x $(UV) || $(PY) -m pip --disable-pip-version-check install --quiet uv; \
	  $(UV) pip install --python $(PY) --quiet --require-hashes -r requirements.lock; \
	  $(UV) pip install --python $(PY) --no-deps --quiet -e .; \
	  touch $@; echo "Environment ready in $$(($$(date +%s) - started)) s"

up: $(STAMP) ## Start everything; the first time also load, train, promote and score
	@$(PY) -m stack up $(if $(FORGET),--forget)

restart: $(STAMP) ## Restart services, so that they read changed code and settings; SERVICE=django for one
	@$(PY) -m stack restart $(SERVICE)

down: $(STAMP) ## Stop everything; the data stays
	@$(PY) -m stack down

status: $(STAMP) ## What runs, where, and its memory
	@$(PY) -m stack status

logs: $(STAMP) ## Follow the logs; SERVICE=django for one
	@$(PY) -m stack logs $(SERVICE)

deliver: $(STAMP) ## Land one day's files and wait until they are scored: DAY=2013-11-02
	@$(PY) -m stack deliver $(or $(DAY),$(error Which day? make deliver DAY=2013-11-02))

manage: $(STAMP) ## Django's manage.py with this stack's settings: CMD="makecontracts"
	@$(PY) -m stack manage $(or $(CMD),$(error Which command? make manage CMD=migrate))

test: $(STAMP) ## Every test; a stack may be running meanwhile; ARGS="tests/serving -x" goes to pytest
	@$(PY) -m pytest -m "not drill" $(ARGS)

test-fast: $(STAMP) ## The tests that need no server, in about a minute
	@$(PY) -m pytest -m fast -q $(ARGS)

coverage: $(STAMP) ## Every test, then what no test reached; ARGS="-m fast" for a part
	@rm -rf var/coverage && mkdir -p var/coverage
	@$(PY) -m coverage run -m pytest -m "not drill" $(ARGS)
	@$(PY) -m coverage combine --quiet && $(PY) -m coverage report

mutants: $(STAMP) ## Mutation tests: change the code a little and expect tests to fail, 20 minutes; MODULES="hotclub.contract_files serving.served_model"
	@$(PY) -m tests.mutants $(MODULES)

check: $(STAMP) ## Lint, format, types, imports between packages; migrations, contracts, signatures of checks and pages up to date
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports
	@$(PY) -W ignore::RuntimeWarning -m django_app.manage makemigrations --check --dry-run
	@$(PY) -m django_app.manage makecontracts --check
	@$(PY) -m data_checks signatures --check
	@$(PY) docs/reference/generate.py --check

docs: $(STAMP) ## Write the generated pages in docs/reference
	@$(PY) docs/reference/generate.py

bench: $(STAMP) ## Measure quality and speed, compared with baselines, peers and the limit; PARTS="quality engines http laptop"
	@$(PY) -m tests.bench $(PARTS)

drill: $(STAMP) ## Tests that kill processes and load the services, and the tutorial's pages, on stacks of their own
	@$(PY) -m pytest tests/drill tests/tutorial/test_tutorial.py -s $(ARGS)

lock: $(STAMP) ## Write requirements.lock again from pyproject.toml
	@$(UV) pip compile pyproject.toml --extra all --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command "make lock" --quiet --output-file requirements.lock

clean: ## Remove the environment and caches; the data in var/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build *.egg-info
