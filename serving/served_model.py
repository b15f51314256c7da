"""What is live: one `ServedModel` per model, swapped atomically, the old one drained.

Everything here runs on the event loop's thread, so plain counters are enough: nothing awaits between
reading the live version and counting its lease.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hotclub.contract import ModelContract
from hotclub.model_registry import RegisteredVersion
from hotclub.predictor import Predictor


@dataclass(eq=False)
class LoadedVersion:
    """A verified version in memory, with the number of requests that it is answering.

    Attributes:
        in_flight: requests that hold a lease; a replaced version goes when it reaches zero.
    """

    registered: RegisteredVersion
    predictor: Predictor
    loaded_at: dt.datetime
    in_flight: int = 0
    _idle: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def __post_init__(self) -> None:
        self._idle.set()

    @property
    def model_name(self) -> str:
        """The registered model's name."""
        return self.registered.model_name

    @property
    def version(self) -> str:
        """The version's number, as text."""
        return self.registered.version

    @property
    def identity(self) -> tuple[str, str | None]:
        """The number and the package's digest: what distinguishes this version from every other."""
        return self.registered.version, self.registered.digest

    @property
    def contract(self) -> ModelContract:
        """The package's own contract: what this version was trained under."""
        return self.predictor.contract

    @contextmanager
    def lease(self) -> Iterator[LoadedVersion]:
        """Count a request in, and out however it ends."""
        self.in_flight += 1
        self._idle.clear()
        try:
            yield self
        finally:
            self.in_flight -= 1
            if self.in_flight == 0:
                self._idle.set()

    async def drained(self) -> None:
        """Wait until no request holds a lease."""
        await self._idle.wait()


@dataclass
class ServedModel:
    """A registered model as it is served: the live version, and what became of the version that the alias points to.

    Attributes:
        live: what answers, or None before the first load.
        champion: the version that the alias points to, None when it points nowhere.
        failure: why `champion` is not `live`, or why the registry was not followed; None without a failure.
        failed_at: when that was found.
        draining: replaced versions that still answer.
    """

    model_name: str
    live: LoadedVersion | None = None
    champion: str | None = None
    failure: str | None = None
    failed_at: dt.datetime | None = None
    draining: list[LoadedVersion] = field(default_factory=list)

    def swap(self, loaded: LoadedVersion) -> LoadedVersion | None:
        """Make a version live for every request from now on; return the one it replaced."""
        replaced, self.live = self.live, loaded
        self.clear()
        if replaced is not None and replaced.in_flight:
            self.draining.append(replaced)
        return replaced

    def fail(self, reason: str, at: dt.datetime) -> None:
        """Note why the alias was not followed; what is live stays."""
        if reason != self.failure:
            self.failure, self.failed_at = reason, at

    def clear(self) -> None:
        """Forget the failure."""
        self.failure = self.failed_at = None
