"""Fixtures that more than one part uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.factories import make_contract, make_package

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def small_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of a small fitted model; copy it before changing it."""
    folder = tmp_path_factory.mktemp("small") / "package"
    make_package(folder, make_contract())
    return folder
