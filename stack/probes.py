"""Probes: whether a service answers, not merely whether its process lives. None of them raises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from stack import postgres, redis
from stack.sockets import answers

#: Returns whether the service is healthy.
Probe = Callable[[], bool]
_TIMEOUT_SECONDS = 5.0


def http(url: str) -> Probe:
    """Return a probe that wants a success from ``url``."""

    def probe() -> bool:
        answer = _get(url)
        return answer is not None and answer.is_success

    return probe


def airflow(url: str, component: str) -> Probe:
    """Return a probe of what Airflow's api-server at ``url`` says of ``component``."""

    def probe() -> bool:
        answer = _get(f"{url}/api/v2/monitor/health")
        if answer is None or not answer.is_success:
            return False
        health: Any = answer.json().get(component) or {}
        return bool(health.get("status") == "healthy")

    return probe


def postgres_login(url: str) -> Probe:
    """Return a probe that logs in."""
    return lambda: postgres.is_ready(url)


def redis_ping(path: Path) -> Probe:
    """Return a probe that pings the unix socket ``path``."""
    return lambda: redis.is_ready(path)


def listens(path: Path) -> Probe:
    """Return a probe that connects to the unix socket ``path``."""
    return lambda: answers(path)


def celery_consumes(broker_url: str) -> Probe:
    """Return a probe that finds a client blocked on a queue of the broker: a worker that waits for tasks.

    Only a unix socket's broker is ours alone; of another one nothing is known, and the probe holds.
    """
    parts = urlsplit(broker_url)
    if parts.scheme != "redis+socket":
        return running
    return lambda: "brpop" in redis.last_commands(Path(parts.path))


def running() -> bool:
    """Hold for services that listen nowhere: the supervisor watches their process."""
    return True


def _get(url: str) -> httpx.Response | None:
    try:
        # Not through a proxy: what we ask is on this machine.
        with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            return client.get(url)
    except httpx.HTTPError:
        return None
