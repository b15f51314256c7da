"""One stack for all end-to-end tests, in any order and each file alone.

A test asks for the state that it needs (`first_day`, `promoted`) and gets it whichever test ran before;
what a test changes beyond the champion, it puts back.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.browser import Browser, missing, open_browser, required
from tests.live import LiveStack, live_stack

MODEL = "arrival_delay"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give whichever test comes first the time that the stack takes to come up."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(1200))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to start where tests of pages are required and cannot run: at the end of a long run is too late."""
    if required() and missing() and any("browser" in i.fixturenames for i in session.items):  # type: ignore[attr-defined]
        raise pytest.UsageError(
            f"HOTCLUB_TEST_BROWSER=1, and {missing()}. "
            "HOTCLUB_TEST_BROWSER=0 leaves them out, and the summary names each."
        )


@pytest.fixture(scope="session")
def live(services: None) -> Iterator[LiveStack]:
    """A stack after its first `up`, on a part of the history."""
    with live_stack() as stack:
        yield stack


@pytest.fixture
def first_day(live: LiveStack) -> LiveStack:
    """The stack with the first `up`'s own version as champion."""
    live.promote(MODEL, "1")
    return live


@pytest.fixture(scope="session")
def second(live: LiveStack) -> str:
    """A second version, trained through the DAG on what was delivered since."""
    version = live.train(MODEL, "second")
    assert version != "1"
    return version


@pytest.fixture
def promoted(live: LiveStack, second: str) -> str:
    """The second version, which is champion."""
    live.promote(MODEL, second)
    return second


@pytest.fixture
def browser(services: None) -> Iterator[Browser]:
    """A real browser; its pictures stay in var/screenshots for people to look at."""
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with open_browser(ROOT / "var" / "screenshots") as opened:
        yield opened
