"""One stack for all end-to-end tests, which build on one another's state as a day at work does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.browser import Browser, open_browser
from tests.live import LiveStack, live_stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give whichever test comes first the time that the stack takes to come up."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(1200))


@pytest.fixture(scope="session")
def live(services: None) -> Iterator[LiveStack]:
    """A stack after its first `up`, on a slice of history."""
    with live_stack() as stack:
        yield stack


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A real browser; its pictures stay in var/screenshots for people to look at."""
    with open_browser(ROOT / "var" / "screenshots") as opened:
        yield opened
