"""A command ends with the process that started it."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from hotclub import names
from training import parent_watch


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What this process was killed with, instead."""
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: found.append((pid, number)))
    return found


def test_the_end_of_the_pipe_ends_the_process(killed: list[tuple[int, int]]) -> None:
    """Not before, and whatever was written to it."""
    read, write = os.pipe()
    thread = threading.Thread(target=parent_watch._wait, args=(read,))
    thread.start()
    os.write(write, b"anything")
    thread.join(0.2)
    assert thread.is_alive()
    assert killed == []
    os.close(write)
    thread.join(10)
    os.close(read)
    assert killed == [(os.getpid(), signal.SIGTERM)]


def test_a_person_may_close_the_standard_input(
    monkeypatch: pytest.MonkeyPatch, killed: list[tuple[int, int]]
) -> None:
    """In a DAG it is closed from the first: only a caller that says so is watched."""
    monkeypatch.delenv(names.VARIABLE_PARENT_PIPE, raising=False)
    before = threading.active_count()
    parent_watch.begin()
    assert threading.active_count() == before
    assert killed == []
