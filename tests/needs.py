"""A pytest plugin: tells fast tests from those that need services, by what they ask for, and holds the rule.

A test needs services when the fixture `services` is among its fixtures, directly or through others, or
when it uses Django's database. Every other test gets the mark `fast`. While a fast test runs, starting a
process, listening on a socket and connecting to PostgreSQL fail, and so does the test, even where the code
under test swallows the error.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from typing import Any, Final

import psycopg
import pytest

_PROCESSES: Final = frozenset(
    {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec"}
)
#: What Python's own `platform` module runs when a library asks it for the machine.
_HARMLESS: Final = frozenset({"uname", "file"})
_FIX: Final = (
    "ask for the fixture `services` (a fixture of yours may, for all that use it): then it is not fast"
)


class ServiceNeededError(AssertionError):
    """A fast test did what only a test that asks for `services` may do."""


class Guard:
    """What happened in a fast test that must not; off between fast tests."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []

    def refuse(self, what: str) -> None:
        """Note an act and fail it, when a fast test runs."""
        if self.on:
            self.seen.append(what)
            raise ServiceNeededError(f"a fast test {what}; {_FIX}")

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python's audit hook: processes are noticed here; it can never be taken away again."""
        if self.on and event in _PROCESSES and not (arguments and arguments[0] in _HARMLESS):
            self.refuse(f"starts a process ({event}: {arguments[0] if arguments else None})")


GUARD: Final = Guard()
_listen = socket.socket.listen
_connect = psycopg.generators.connect


def _guarded_listen(self: socket.socket, *backlog: int) -> None:
    GUARD.refuse(f"listens on {self.getsockname()}")
    _listen(self, *backlog)


def _guarded_connect(conninfo: str, **more: Any) -> Any:
    GUARD.refuse("connects to PostgreSQL")
    return _connect(conninfo, **more)


def pytest_configure(config: pytest.Config) -> None:
    """Put the guard in place, once per process."""
    if socket.socket.listen is not _guarded_listen:
        sys.addaudithook(GUARD.audit)
        socket.socket.listen = _guarded_listen  # type: ignore[method-assign]
        # libpq opens its sockets in C, where no audit event is raised; every psycopg connection comes by here.
        psycopg.generators.connect = _guarded_connect


@pytest.fixture(scope="session")
def services() -> None:
    """The right to start processes, to listen and to connect; whoever asks for it is not fast."""


def needs_services(item: pytest.Item) -> bool:
    """Return whether a test uses services, by its fixtures."""
    return "services" in getattr(item, "fixturenames", ()) or item.get_closest_marker("django_db") is not None


def _rank(item: pytest.Item) -> int:
    """Fast tests come first, and those with a whole stack last, so that it is up for its own tests alone."""
    names = getattr(item, "fixturenames", ())
    dear = [item.get_closest_marker("deploy") is not None, "mlflow_url" in names, needs_services(item), True]
    return 4 if "live" in names else 3 - dear.index(True)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark what is fast before ``-m`` selects; sort after the order was shuffled."""
    for item in items:
        item.add_marker(pytest.mark.integration if needs_services(item) else pytest.mark.fast)
    yield
    items.sort(key=_rank)


def _held(item: pytest.Item) -> Iterator[None]:
    # Tests of this plugin run pytest inside a test: the outer one's state comes back.
    before = GUARD.on, GUARD.seen
    GUARD.on, GUARD.seen = not needs_services(item), (seen := [])
    try:
        yield
    finally:
        GUARD.on, GUARD.seen = before
    if seen:
        raise ServiceNeededError(f"this test is fast and {'; '.join(seen)}; {_FIX}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Hold the fixtures of a fast test to the rule."""
    yield from _held(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Hold a fast test to the rule."""
    yield from _held(item)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say how to repeat the order: with -q no header does."""
    seed = config.getoption("randomly_seed", None)
    if isinstance(seed, int):
        terminalreporter.write_line(f"Random order; to repeat it: ARGS=--randomly-seed={seed}")
