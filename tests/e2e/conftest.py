"""One stack for all end-to-end tests, which build on one another's state as a day at work does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.e2e.browser import Browser, open_browser
from tests.live import LiveStack, live_stack


@pytest.fixture(scope="session")
def live() -> Iterator[LiveStack]:
    """A stack after its first `up`, on a slice of history."""
    with live_stack() as stack:
        yield stack


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A real browser; its pictures stay in var/screenshots for people to look at."""
    with open_browser(ROOT / "var" / "screenshots") as opened:
        yield opened
