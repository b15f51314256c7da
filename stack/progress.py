"""What the person at the keyboard sees: one line per step, each with the seconds since the start."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

_REMIND_SECONDS = 10.0


class Progress:
    """Writes steps to a stream. On a terminal the last line shows what is being waited for."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stdout
        self._clock = clock
        self._started_at = clock()
        self._reminded_at = self._started_at
        self._open_line = False

    def line(self, text: str = "") -> None:
        """Write a line without a time."""
        self._clear()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def step(self, name: str, outcome: str) -> None:
        """Write that a step came to its outcome."""
        self.line(f"{self._elapsed():7.1f} s  {name:<24} {outcome}")
        self._reminded_at = self._clock()

    def waiting(self, what: str) -> None:
        """Show what is being waited for; may be called often."""
        if self._stream.isatty():
            self._clear()
            self._stream.write(f"{self._elapsed():7.1f} s  waiting for {what}"[:110])
            self._stream.flush()
            self._open_line = True
        elif self._clock() - self._reminded_at >= _REMIND_SECONDS:
            self.step("", f"waiting for {what}")

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Write how long the block took; nothing when it raises."""
        before = self._clock()
        yield
        self.step(name, f"done in {self._clock() - before:.1f} s")

    def _elapsed(self) -> float:
        return self._clock() - self._started_at

    def _clear(self) -> None:
        if self._open_line:
            self._stream.write("\r\x1b[K")
            self._open_line = False
