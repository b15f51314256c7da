"""The pages of the tutorial, done as their reader would do them; `make drill` runs them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.tutorial.reader import Reader, reader

pytestmark = [pytest.mark.drill, pytest.mark.timeout(1800)]
PAGES = ROOT / "docs" / "tutorial"


@pytest.fixture
def beginner(services: None) -> Iterator[Reader]:
    """Somebody with a fresh clone."""
    # Not in pytest's folder: PostgreSQL started by root runs as another user, who may not pass there.
    with tempfile.TemporaryDirectory(prefix="hotclub-tutorial-") as folder, reader(Path(folder)) as made:
        yield made


def test_first_model_and_without_time(beginner: Reader) -> None:
    """The second page goes on where the first one ends."""
    beginner.run(PAGES / "first-model.md")
    beginner.run(PAGES / "without-time.md")


def test_tenants_and_your_settings(beginner: Reader) -> None:
    """This page stands for itself."""
    beginner.run(PAGES / "tenants-and-your-settings.md")
