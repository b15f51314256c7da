"""The part of the history in Django's test database: two weeks of flights, through the real commands."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from hotclub import names

ROOT = Path(__file__).resolve().parents[1]
FIRST, LAST = dt.date(2013, 10, 15), dt.date(2013, 10, 28)


def fill(url: Callable[[str], str]) -> None:
    """Migrate a provisioned database as the migrator and load that part as the app.

    Args:
        url: from a role to its URL.
    """
    _manage(url(names.ROLE_MIGRATOR), "migrate", "--no-input", "-v0")
    _manage(url(names.ROLE_APP), "load_history", "--from", FIRST.isoformat(), "--until", LAST.isoformat())


def _manage(url: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "django_app.manage", *arguments],
        env={**os.environ, "HOTCLUB_DATABASE_URL": url, "HOTCLUB_SETTINGS": "test", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
