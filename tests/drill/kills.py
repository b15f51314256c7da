"""``kill -9``, of everything or of one process, and whether it is back."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable
from contextlib import suppress

import httpx
import psutil

from stack import leftovers, service_definitions
from stack.service_definitions import Service
from stack.supervisor import Supervisor
from tests.live import LiveStack, wait_until

#: What Airflow's api-server knows of the other components, by service. "healthy" alone is half a minute old news.
_HEARTBEATS = {"airflow-scheduler": "scheduler", "airflow-dag-processor": "dag_processor", "airflow-triggerer": "triggerer"}  # fmt: skip


def definitions(live: LiveStack) -> list[Service]:
    """Return the stack's services."""
    return [node for node in service_definitions.definitions(live.stack) if isinstance(node, Service)]


def pids(live: LiveStack) -> dict[str, int]:
    """Return the first process of each service; 0 where there is none."""
    supervisor = Supervisor(live.stack.home, live.stack.secrets.supervisor_password)
    return {name: state.pid for name, state in supervisor.states().items()}


def members(live: LiveStack) -> list[psutil.Process]:
    """Return every process of the stack, PostgreSQL's children and supervisord included."""
    return [process for process in leftovers.find(live.stack.home) if alive(process)]


def alive(process: psutil.Process) -> bool:
    """Return whether a process runs: neither ended nor a zombie, nor another one with its number."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def kill(processes: Iterable[psutil.Process]) -> int:
    """Send SIGKILL to each; return to how many."""
    count = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
            count += 1
    return count


def kill_everything(live: LiveStack) -> int:
    """Send SIGKILL to every process of the stack until there is none; return how many there were."""
    killed = 0
    deadline = time.monotonic() + 20
    while found := members(live):
        assert time.monotonic() < deadline, found
        killed += kill(found)
        time.sleep(0.05)
    return killed


def healthy(live: LiveStack, service: Service, since: dt.datetime | None = None) -> bool:
    """Return whether a service answers; for Airflow's components, with a heartbeat after `since`."""
    if not service.probe():
        return False
    component = _HEARTBEATS.get(service.name)
    if component is None or since is None:
        return True
    told = httpx.get(f"{live.url('airflow')}/api/v2/monitor/health", timeout=5, trust_env=False).json()
    beat = told[component][f"latest_{component}_heartbeat"]
    return beat is not None and dt.datetime.fromisoformat(beat) > since


def wait_until_all_healthy(live: LiveStack, seconds: float = 60, since: dt.datetime | None = None) -> None:
    """Wait until every service runs and answers."""
    every = definitions(live)

    def whole() -> bool:
        running = pids(live)
        return all(running.get(service.name) and healthy(live, service, since) for service in every)

    wait_until("every service", whole, seconds, every=0.5)
