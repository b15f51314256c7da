"""Fixtures of the launcher's tests."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack import leftovers, lifecycle
from stack.home import Home
from stack.service_environments import Stack
from stack.settings import Settings


@pytest.fixture
def home() -> Iterator[Home]:
    """A state folder of its own; whatever still runs from it is ended afterwards."""
    # Not in pytest's own folder: each pytest that starts makes it 0700, and a server started by root could
    # no longer reach its data.
    with tempfile.TemporaryDirectory(prefix="hotclub-test-") as folder:
        made = Home(Path(folder) / "var")
        made.make()
        yield made
        leftovers.end(made)


@pytest.fixture
def settings(home: Home, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that nothing on this machine influences."""
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    return Settings(home=home.root, port_shift=4000)


@pytest.fixture
def stack(settings: Settings) -> Stack:
    """A stack whose folders and secrets are made and of which nothing runs."""
    return lifecycle.open_stack(settings)


@pytest.fixture
def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
