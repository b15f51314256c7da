"""Processes of an earlier run that no supervisor manages any more: find them, end them.

Not by name: Airflow's workers rename themselves, and another stack may run on the same machine. What counts:

- the session that supervisord was started in, which every process below it keeps, whatever process
  group it made for itself;
- the mark in the environment of every process that we start;
- PostgreSQL's own record of its first process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from stack.errors import StackError
from stack.home import Home
from stack.service_environments import MARK
from stack.sockets import remove_socket_folder

_RECORD = "session.json"


def record_session(home: Home, pid: int) -> None:
    """Remember the session that process ``pid`` leads."""
    values = {"session": pid, "started_at": psutil.Process(pid).create_time(), "boot": _boot()}
    path = home.run / _RECORD
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(values))
    fresh.replace(path)


def find(home: Home) -> list[psutil.Process]:
    """Return the processes of ``home``'s stack, this process and its parents aside."""
    session = _recorded_session(home)
    mark = home.id
    spared = {os.getpid(), *(p.pid for p in psutil.Process().parents())}
    found = {p.pid: p for p in _postgres(home)}
    for process in psutil.process_iter():
        if process.pid not in spared and _belongs(process, session, mark):
            found[process.pid] = process
    return list(found.values())


def end(home: Home, grace_seconds: float = 8) -> int:
    """End every process of ``home``'s stack and remove what they left; return how many there were.

    PostgreSQL goes last, by its own fast shutdown, so that nothing has to be recovered at the next start.
    """
    ended: set[int] = set()
    for _ in range(5):  # a process may have started others meanwhile
        found = find(home)
        if not found:
            break
        ended.update(p.pid for p in found)
        servers = _postgres(home)
        server_pids = {p.pid for p in servers}
        others = [p for p in found if p.pid not in server_pids]
        _kill_supervisor(home, others)
        _stop(others, signal.SIGTERM, grace_seconds)
        _stop(servers[:1], signal.SIGINT, 20)
        _stop(servers, signal.SIGTERM, 2)
    _clean(home)
    return len(ended)


def _belongs(process: psutil.Process, session: int | None, mark: str) -> bool:
    with contextlib.suppress(OSError):
        if session is not None and os.getsid(process.pid) == session:
            return bool(process.status() != psutil.STATUS_ZOMBIE)
    try:
        return bool(process.environ().get(MARK) == mark)
    except (psutil.Error, OSError):
        return False


def _recorded_session(home: Home) -> int | None:
    """Return the recorded session, or None when its number means something else by now."""
    try:
        record = json.loads((home.run / _RECORD).read_text())
    except (OSError, ValueError):
        return None
    if record["boot"] != _boot():
        return None
    session = int(record["session"])
    try:
        leader = psutil.Process(session)
    except psutil.NoSuchProcess:
        # The system gives no new process the number of a session that still has members.
        return session
    # One second: the clock may have been set since.
    return session if abs(leader.create_time() - record["started_at"]) < 1 else None


def _postgres(home: Home) -> list[psutil.Process]:
    """Return PostgreSQL's first process and then its children, by its own record in the data folder."""
    data = home.postgres / "data"
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        first = psutil.Process(pid)
        # The number may belong to someone else by now; a server works in its data folder.
        return [first, *first.children(recursive=True)] if first.cwd() == str(data.resolve()) else []
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess, psutil.ZombieProcess):
        return []
    except psutil.AccessDenied as error:
        raise StackError(
            f"Process {error.pid}, which may be the PostgreSQL of {home.root}, belongs to another user",
            "Run as the user who started it, or end it.",
        ) from error


def _kill_supervisor(home: Home, processes: Iterable[psutil.Process]) -> None:
    """Kill supervisord first, so that it does not start again what is about to end."""
    session = _recorded_session(home)
    for process in processes:
        if process.pid == session:
            with contextlib.suppress(psutil.Error):
                process.kill()


def _stop(processes: list[psutil.Process], signal_number: signal.Signals, grace_seconds: float) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal_number)
    _, alive = psutil.wait_procs(processes, timeout=grace_seconds)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=5)


def _clean(home: Home) -> None:
    """Remove pid files and sockets that would stop the next start, if no process uses them."""
    for name in (_RECORD, "supervisord.pid"):
        (home.run / name).unlink(missing_ok=True)
    for group in home.run.glob("*.group"):
        group.unlink(missing_ok=True)
    remove_socket_folder(home.root)
    if not _postgres(home):
        # PostgreSQL would refuse to start while any process has the number in it, its own or not.
        with contextlib.suppress(OSError):
            (home.postgres / "data" / "postmaster.pid").unlink()


def _boot() -> str:
    """Return what identifies this boot of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return time.strftime("%Y-%m-%dT%H:%M", time.gmtime(psutil.boot_time()))
