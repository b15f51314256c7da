"""Settings: the database's URL, refusals, the Celery app."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from django_app.config.environment import Environment
from hotclub import names
from tests.conftest import ROOT


def _environment(url: str) -> Environment:
    return Environment(database_url=url)


def test_a_socket_url_becomes_djangos_entry() -> None:
    """Host from the query, password unquoted, nothing left over."""
    entry = _environment("postgresql://hotclub_app:p%40ss@/hotclub?host=/run/pg").database()
    assert {key: entry[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")} == {
        "NAME": "hotclub", "USER": "hotclub_app", "PASSWORD": "p@ss", "HOST": "/run/pg", "PORT": "", "OPTIONS": {},
    }  # fmt: skip


def test_the_migrator_acts_as_the_owner() -> None:
    """Tables belong to one role, whoever migrates; other parameters stay options."""
    url = f"postgresql://{names.ROLE_MIGRATOR}:x@db.example:6432/hotclub?sslmode=require"
    entry = _environment(url).database()
    assert (entry["HOST"], entry["PORT"]) == ("db.example", "6432")
    assert entry["OPTIONS"] == {"sslmode": "require", "assume_role": names.ROLE_OWNER}


def _check(module: str, **changes: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HOTCLUB_", "DJANGO_"))}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "django_app.manage", "check", "--deploy", "--fail-level", "ERROR"],
        env={**env, "PYTHONPATH": str(ROOT), "HOTCLUB_SETTINGS": module, **changes},
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("module", ["staging", "production"])
def test_deployments_refuse_to_start_without_a_secret(module: str) -> None:
    """The message names the variable; with a secret the checks pass."""
    refused = _check(module)
    assert refused.returncode != 0
    assert "HOTCLUB_SECRET_KEY" in refused.stderr
    assert _check(module, HOTCLUB_SECRET_KEY="s3cret-" * 10).returncode == 0


@pytest.mark.usefixtures("services")
def test_nothing_but_defaults_is_needed_locally() -> None:
    """A command that needs no database runs without any variable set."""
    assert _check("local").returncode == 0


def test_the_celery_app() -> None:
    """JSON only, late acknowledgement, one message at a time, and a beat for every sweep in a known queue."""
    from django_app.config.celery import app

    assert app.conf.accept_content == ["json"]
    assert (app.conf.task_acks_late, app.conf.task_reject_on_worker_lost) == (True, True)
    assert app.conf.worker_prefetch_multiplier == 1
    assert {queue.name for queue in app.conf.task_queues} == set(names.QUEUES)
    app.loader.import_default_modules()
    for entry in app.conf.beat_schedule.values():
        assert entry["task"] in app.tasks
        assert entry["options"]["queue"] in names.QUEUES


def test_tasks_are_sent_by_names_that_exist() -> None:
    """Services send tasks by name; each name is a task."""
    from django_app.config.celery import app
    from django_app.ingest.services import deliveries
    from django_app.scoring.services import batches, requests

    app.loader.import_default_modules()
    assert {deliveries.LOAD, batches.CHUNK_SCORE, requests.REQUEST_SCORE} <= set(app.tasks)
