"""The pages take minutes and a stack of their own: they run when their file is named, as `make drill` does."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the pages out unless their file was named."""
    pages = Path(__file__).with_name("test_tutorial.py")
    named = ((config.invocation_params.dir / str(arg).partition("::")[0]).resolve() for arg in config.args)
    return True if collection_path == pages and pages not in named else None
