"""Runs ``python -m <module>`` in its own process group and passes its output on, line by line."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Final

_GRACE_SECONDS: Final = 10.0
_MAX_ERROR_LINES: Final = 30

Say = Callable[[str], None]


class Command:
    """A running command. Its output is drained by a thread per pipe, so that neither can fill up.

    Args:
        arguments: program and arguments.
        say: called with each line of output.
        environment: all of its environment; None for this process's own.

    Attributes:
        last_output: the last line of stdout that is not empty.
        errors: the last lines of stderr.
    """

    def __init__(
        self, arguments: Sequence[str], say: Say, environment: Mapping[str, str] | None = None
    ) -> None:
        self._say = say
        self.last_output = ""
        self.errors: deque[str] = deque(maxlen=_MAX_ERROR_LINES)
        # A group of its own, so that what the command starts dies with it. It stays in the session of
        # the service, by which the launcher finds leftovers after a kill.
        self._process = subprocess.Popen(
            list(arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0,
            env={**(os.environ if environment is None else environment), "PYTHONUNBUFFERED": "1"},
        )

    @property
    def pid(self) -> int:
        """The process id, and its group's."""
        return self._process.pid

    def wait(self) -> int:
        """Pass the output on until the command ends, and return its exit code."""
        readers = [
            threading.Thread(target=self._drain, args=(self._process.stdout, self._on_output), daemon=True),
            threading.Thread(target=self._drain, args=(self._process.stderr, self._on_error), daemon=True),
        ]
        for reader in readers:
            reader.start()
        code = self._process.wait()
        for reader in readers:
            # A grandchild may hold a pipe open for ever; what it says after the end is not ours.
            reader.join(_GRACE_SECONDS)
        return code

    def stop(self) -> None:
        """End the whole process group: SIGTERM, then after 10 s SIGKILL."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _drain(self, pipe: IO[str] | None, handle: Say) -> None:
        if pipe is None:
            return
        with pipe:
            for line in pipe:
                if stripped := line.rstrip():
                    handle(stripped)
                    self._say(stripped)

    def _on_output(self, line: str) -> None:
        self.last_output = line

    def _on_error(self, line: str) -> None:
        self.errors.append(line)
