"""Real services for tests, each in a folder and on a port of its own, ended with everything they started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(
    arguments: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a session of its own; at the end its whole process group is ended."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            arguments,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    try:
        yield started
    finally:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(started.pid, sign)
            with suppress(subprocess.TimeoutExpired):
                started.wait(15)
                if sign == signal.SIGTERM:
                    time.sleep(0.3)


def wait_for_http(url: str, started: subprocess.Popen[bytes], log: Path, seconds: float = 90) -> None:
    """Wait until a URL answers 200.

    Raises:
        AssertionError: the process ended or the time is over; with the end of its log.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2).status_code == httpx.codes.OK:
                return
        if started.poll() is not None:
            break
        time.sleep(0.2)
    raise AssertionError(f"{url} does not answer:\n{log.read_text()[-3000:]}")


def tool(name: str) -> str:
    """Return a program of this environment."""
    return str(Path(sys.executable).parent / name)


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Run MLflow with its data in a folder and yield its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{(port := free_port())}"
    arguments = [
        tool("mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts",
    ]  # fmt: skip
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    log = folder / "mlflow.log"
    with process(arguments, log=log, environment=environment, cwd=folder) as started:
        wait_for_http(f"{url}/health", started, log)
        yield url
