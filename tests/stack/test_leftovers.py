"""Processes that an earlier run left behind are found and ended, and no others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from stack import leftovers
from stack.home import Home
from stack.service_environments import MARK

#: A session leader with a child in its group, one in a group of its own, one of another name, and one
#: that ignores SIGTERM. It writes their ids, then sleeps.
LEADER = """
import os, signal, subprocess, sys, time
children = [
    subprocess.Popen(["sleep", "300"]),
    subprocess.Popen(["sleep", "300"], process_group=0),
    subprocess.Popen(["renamed", "300"], executable="/bin/sleep", process_group=0),
    subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"]),
]
print(*[c.pid for c in children], flush=True)
time.sleep(300)
"""


@pytest.fixture
def bystander(services: None) -> Iterator[psutil.Process]:
    """A process that is none of the stack's business."""
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as process:
        yield psutil.Process(process.pid)
        process.kill()


@pytest.fixture
def leader(services: None) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A session of its own and the processes below its leader."""
    # No mark in the environment: only the session tells whose these are.
    env = {name: value for name, value in os.environ.items() if name != MARK}
    with subprocess.Popen(
        [sys.executable, "-c", LEADER], stdout=subprocess.PIPE, text=True, start_new_session=True, env=env
    ) as process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        children = [psutil.Process(pid) for pid in pids]
        yield process, children
        for left in (*children, psutil.Process(process.pid) if process.poll() is None else None):
            if left is not None and left.is_running():
                left.kill()


def gone(process: psutil.Process) -> bool:
    """Return whether a process ended, reaped or not."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_the_whole_session_is_ended(
    home: Home, leader: tuple[subprocess.Popen[str], list[psutil.Process]], bystander: psutil.Process
) -> None:
    """Other process groups, other names, and what ignores SIGTERM."""
    process, children = leader
    leftovers.record_session(home, process.pid)

    assert {p.pid for p in leftovers.find(home)} >= {process.pid, *(c.pid for c in children)}
    leftovers.end(home, grace_seconds=1)

    assert all(gone(child) for child in children)
    assert leftovers.find(home) == []
    assert bystander.is_running()


def test_a_session_whose_leader_was_killed_is_found(
    home: Home, leader: tuple[subprocess.Popen[str], list[psutil.Process]]
) -> None:
    """As after `kill -9` of supervisord."""
    process, children = leader
    leftovers.record_session(home, process.pid)
    process.kill()
    process.wait()

    leftovers.end(home, grace_seconds=1)

    assert all(gone(child) for child in children)


@pytest.mark.parametrize("change", [{"started_at": 1.0}, {"boot": "another"}])
def test_a_number_that_means_another_process_by_now_is_left_alone(
    home: Home,
    leader: tuple[subprocess.Popen[str], list[psutil.Process]],
    change: dict[str, object],
) -> None:
    """A process started at another time, or a record from before the machine's restart."""
    process, children = leader
    leftovers.record_session(home, process.pid)
    record = home.run / "session.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), **change}))

    assert leftovers.find(home) == []
    assert leftovers.end(home) == 0
    assert all(child.is_running() for child in children)


@pytest.mark.usefixtures("services")
def test_a_marked_process_in_a_session_of_its_own_is_ended(home: Home) -> None:
    """A command that the launcher had started when it was killed."""
    env = {**os.environ, MARK: home.id}
    with subprocess.Popen(["sleep", "300"], env=env, start_new_session=True) as process:
        # Until exec is done the new process still has our environment.
        while process.pid not in {p.pid for p in leftovers.find(home)}:
            time.sleep(0.01)
        assert leftovers.end(home) == 1


@pytest.mark.usefixtures("services")
def test_another_stacks_mark_is_not_ours(home: Home, tmp_path: Path) -> None:
    """Two stacks stand side by side."""
    other = Home(tmp_path / "other")
    with subprocess.Popen(["sleep", "300"], env={MARK: other.id, "PATH": os.environ["PATH"]}) as process:
        while process.pid not in {p.pid for p in leftovers.find(other)}:
            time.sleep(0.01)
        assert leftovers.end(home) == 0
        assert process.poll() is None
        process.kill()
