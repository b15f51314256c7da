"""Start services and run jobs in the order of their needs, independent ones side by side."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hotclub import names
from stack.errors import StackError
from stack.home import Home
from stack.progress import Progress
from stack.service_definitions import WORKING_DIRECTORY, Job, Node, Service
from stack.supervisor import ProcessState, Supervisor

_POLL_SECONDS = 0.2
#: A service that died this often while it was starting will not come up by itself.
_MAX_DEATHS = 3
_LOG_LINES = 25


@dataclass(slots=True)
class _Started:
    """What was started, and not yet healthy or done."""

    node: Node
    at: float
    process: subprocess.Popen[bytes] | None = None
    pids: set[int] = field(default_factory=set)


def run(home: Home, nodes: Iterable[Node], supervisor: Supervisor, progress: Progress) -> list[str]:
    """Start all ``nodes``; what is healthy already is left alone.

    Returns:
        What jobs that are done warned of (`names.WARNING`).

    Raises:
        StackError: a job failed, or a service did not become healthy; with the end of its log.
    """
    waiting = {node.name: node for node in nodes}
    started: dict[str, _Started] = {}
    ready: set[str] = set()
    warned: list[str] = []
    try:
        while waiting or started:
            for node in [n for n in waiting.values() if ready.issuperset(n.after)]:
                started[node.name] = _start(home, waiting.pop(node.name), supervisor)
            states = supervisor.states()
            for item in list(started.values()):
                if _is_ready(home, item, states, supervisor):
                    del started[item.node.name]
                    ready.add(item.node.name)
                    found = warnings(log_path(home, item.node.name)) if isinstance(item.node, Job) else []
                    warned += found
                    word = "healthy" if isinstance(item.node, Service) else "done"
                    also = ", with a warning, which is repeated at the end" if found else ""
                    progress.step(item.node.name, f"{word} in {time.monotonic() - item.at:.1f} s{also}")
            if started:
                progress.waiting(", ".join(started))
                time.sleep(_POLL_SECONDS)
    finally:
        for item in started.values():
            if item.process is not None:
                item.process.terminate()
                item.process.wait()
    return warned


def warnings(path: Path) -> list[str]:
    """Return the warnings in a job's log: a line that begins with `names.WARNING`, and indented ones that follow it."""
    found: list[str] = []
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []
    inside = False
    for line in lines:
        if line.startswith(names.WARNING):
            found.append(line)
        elif inside and line.startswith("  "):
            found[-1] += f"\n{line}"
        inside = line.startswith(names.WARNING) or (inside and line.startswith("  "))
    return found


def tail(path: Path, lines: int = _LOG_LINES) -> str:
    """Return the last lines of a log, or a note that it is empty or missing."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - 64_000, 0))
            found = "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
            return found if found.strip() else "(the log is empty)"
    except OSError:
        return "(no log was written)"


def log_path(home: Home, name: str) -> Path:
    """Return the log file of a service or job."""
    return home.logs / f"{name}.log"


def _start(home: Home, node: Node, supervisor: Supervisor) -> _Started:
    if isinstance(node, Service):
        supervisor.start(node.name)
        return _Started(node, time.monotonic())
    with log_path(home, node.name).open("wb") as log:
        process = subprocess.Popen(
            node.command,
            env=dict(node.env),
            cwd=WORKING_DIRECTORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    return _Started(node, time.monotonic(), process)


def _is_ready(home: Home, item: _Started, states: dict[str, ProcessState], supervisor: Supervisor) -> bool:
    node = item.node
    late = time.monotonic() - item.at > node.deadline_seconds
    if item.process is not None:
        code = item.process.poll()
        if code or (late and code is None):
            raise _failure(home, node.name, "took too long" if code is None else f"failed (exit code {code})")
        return code is not None
    state = states[node.name]
    if state.pid:
        item.pids.add(state.pid)
    if state.state == "FATAL" or len(item.pids) > _MAX_DEATHS:
        # supervisord has words for it in some states only.
        why = supervisor.last_exit(node.name) or state.detail or "no exit status is known"
        raise _failure(home, node.name, f"keeps ending ({why})")
    if isinstance(node, Service) and state.pid and node.probe():
        return True
    if late:
        raise _failure(
            home, node.name, f"was not healthy after {node.deadline_seconds:.0f} s ({state.state})"
        )
    return False


def _failure(home: Home, name: str, what: str) -> StackError:
    path = log_path(home, name)
    return StackError(
        f"{name} {what}. The end of {path}:\n\n{tail(path)}\n",
        "When that is fixed: `make up` goes on from here. `make down` stops what runs.",
    )
