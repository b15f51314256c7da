"""Writes the generated pages of docs/reference: ``python docs/reference/generate.py`` (``make docs``).

With ``--check`` it writes nothing and exits with 1 when a page differs from the code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent
# The code beside this page, whichever is installed; and the modules of the pages.
sys.path[:0] = [str(FOLDER.parents[1]), str(FOLDER)]

from generator import (  # noqa: E402 - the path first
    api_page,
    checks_page,
    commands_page,
    declarations_page,
    metrics_page,
    modules_page,
    parameters_page,
    settings_page,
    source_code,
)

_ABOUT: Final = {
    "declarations.md": "every attribute of `MLModel`, `Source`, the features and `Check`",
    "checks.md": "the expectations that a source's checks may name, with their arguments",
    "metrics.md": "metrics and gates by task",
    "parameters.md": "parameters and objectives of XGBoost",
    "commands.md": "`make`, `manage.py` and the packages' own commands",
    "api.md": "the paths of Django and of the inference service",
    "settings.md": "every environment variable",
    "modules.md": "every module and what it is for",
}


def index_page() -> str:
    """Return the list of the pages."""
    lines = [f"- [{name.removesuffix('.md')}]({name}): {text}" for name, text in _ABOUT.items()]
    return source_code.page(
        "# Reference\n", "Written from the code, and compared with it by `make check`.\n", *lines
    )


PAGES: Final[dict[str, Callable[[], str]]] = {
    "README.md": index_page,
    "api.md": api_page.api_page,
    "checks.md": checks_page.checks_page,
    "commands.md": commands_page.commands_page,
    "declarations.md": declarations_page.declarations_page,
    "metrics.md": metrics_page.metrics_page,
    "modules.md": modules_page.modules_page,
    "parameters.md": parameters_page.parameters_page,
    "settings.md": settings_page.settings_page,
}


def differences() -> list[str]:
    """Return the names of the pages that are not as the code has it."""
    return [
        name
        for name, page in PAGES.items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != page()
    ]


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` compare them; return the exit code."""
    if arguments == ["--check"]:
        differ = differences()
        for name in differ:
            sys.stderr.write(f"docs/reference/{name} is not up to date: run `make docs` and commit it\n")
        return 1 if differ else 0
    if arguments:
        sys.stderr.write("usage: generate.py [--check]\n")
        return 2
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    # Pages do not depend on what a shell has set.
    for variable in [name for name in os.environ if name.startswith("HOTCLUB_")]:
        del os.environ[variable]
    sys.exit(main(sys.argv[1:]))
