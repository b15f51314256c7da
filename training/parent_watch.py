"""Ends this process when the one that started it is gone, however that ended.

A command that is killed cannot end what it started. It holds one end of a pipe, which the system closes with it; this
process reads the other, as its standard input.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from hotclub import names


def begin() -> None:
    """Watch the standard input, where the environment says that it is a parent's pipe."""
    if os.environ.pop(names.VARIABLE_PARENT_PIPE, None):
        threading.Thread(target=_wait, args=(sys.stdin.fileno(),), name="parent-watch", daemon=True).start()


def _wait(descriptor: int) -> None:
    while os.read(descriptor, 1024):
        pass
    # Not an exception of the main thread: that may be in XGBoost or libpq, and not back in Python for minutes.
    os.kill(os.getpid(), signal.SIGTERM)
