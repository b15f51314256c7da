"""What must hold before anything starts; each failure says what to do."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.errors import StackError
from stack.home import Home

SUPPORTED_PYTHON = ((3, 11), (3, 13))
MIN_FREE_BYTES = 3 * 1024**3


def check_python(version: tuple[int, int] | None = None) -> None:
    """Refuse a Python that the dependencies do not support."""
    found = version or (sys.version_info.major, sys.version_info.minor)
    oldest, newest = SUPPORTED_PYTHON
    if not oldest <= found <= newest:
        raise StackError(
            f"Python {found[0]}.{found[1]} is not supported: 3.{oldest[1]} to 3.{newest[1]} are",
            "Run `make up PYTHON=python3.11`, with the path of a Python in that range.",
        )


def check_disk(folder: Path, minimum_bytes: int = MIN_FREE_BYTES) -> None:
    """Refuse a file system that would be full soon."""
    free = shutil.disk_usage(folder).free
    if free < minimum_bytes:
        raise StackError(
            f"{folder} has {free / 1024**3:.1f} GiB free; {minimum_bytes / 1024**3:.0f} GiB are needed",
            "Free some disk space, or set HOTCLUB_HOME to a folder on a larger disk.",
        )


@contextmanager
def only_launcher(home: Home) -> Iterator[None]:
    """Hold the launcher's lock of ``home``; the system releases it even when this process is killed.

    Raises:
        StackError: another launcher holds it, with its process id.
    """
    with _lock_file(home).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise StackError(
                f"Another launcher is running on {home.root} (process {file.read().strip() or 'unknown'})",
                "Wait for it, or end it; or give this one another folder: HOTCLUB_HOME=var2.",
            ) from None
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def launcher_runs(home: Home) -> bool:
    """Return whether a launcher holds the lock of ``home``."""
    with _lock_file(home).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _lock_file(home: Home) -> Path:
    return home.run / "launcher.lock"
