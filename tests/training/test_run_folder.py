"""One fit at a time on a machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from training.run_folder import fit_lock

#: Takes the lock if nobody has it, and says which.
_TRY = """
import fcntl, sys
with open(sys.argv[1], "a") as lock:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print("free")
    except BlockingIOError:
        print("taken")
"""


def _asked(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _TRY, str(folder / ".fit.lock")],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return done.stdout.strip()


@pytest.mark.usefixtures("services")
def test_another_process_waits_while_one_fits(tmp_path: Path) -> None:
    """The lock is taken from entering to leaving, whichever process asks, and free afterwards."""
    folder = tmp_path / "not" / "there" / "yet"
    with fit_lock(folder):
        assert _asked(folder) == "taken"
    assert _asked(folder) == "free"
