"""Up and down: the launcher starts the stack, and stops it until no process of it is left."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

import psycopg

from stack import database_roles, leftovers, postgres, preflight, redis, secrets, service_definitions, startup
from stack.errors import StackError
from stack.home import Home
from stack.ports import Ports
from stack.progress import Progress
from stack.service_definitions import Service
from stack.service_environments import Stack
from stack.settings import Settings
from stack.supervisor import Supervisor, configure

#: What the others need to end cleanly: stopped after them.
_DATA_SERVICES = ("postgres", "redis")


def open_stack(settings: Settings) -> Stack:
    """Make the folders and secrets of ``settings.home`` where they are missing, and return the stack.

    Raises:
        StackError: the folder cannot be written.
    """
    home = Home(settings.home)
    home.make()
    return Stack(settings, home, Ports.shifted(settings.port_shift), secrets.ensure(home))


def up(stack: Stack, only: Iterable[str], progress: Progress) -> list[str]:
    """Start what does not run, in order of health. The caller holds the launcher's lock.

    Returns:
        Warnings of jobs, for a person to read at the end.

    Raises:
        StackError: something that must hold does not, or a service did not come up.
    """
    nodes = service_definitions.select(service_definitions.definitions(stack), only)
    stack.write_command_secrets()
    supervisor = Supervisor(stack.home, stack.secrets.supervisor_password)
    if supervisor.alive():
        progress.line("Already running: what is up keeps the code and settings that it started with.")
    else:
        _prepare(stack, progress)
        supervisor.launch(stack.common())
    return startup.run(stack.home, nodes, supervisor, progress)


def down(home: Home, password: str, progress: Progress) -> None:
    """Stop everything, cleanly where it answers, and then by session and mark; no process is left."""
    supervisor = Supervisor(home, password)
    if supervisor.alive():
        running = {name for name, state in supervisor.states().items() if state.pid}
        with progress.timed("services stopped"):
            supervisor.stop(running.difference(_DATA_SERVICES))
        with progress.timed("data services stopped"):
            supervisor.stop(running.intersection(_DATA_SERVICES))
        supervisor.shutdown()
        progress.waiting("supervisord to end")
    ended = leftovers.end(home)
    # A moment after its shutdown supervisord itself may still be there to be found: that is no leftover.
    if ended > 1:
        progress.step("leftovers ended", f"{ended} processes")


def provision(stack: Stack, *, reset_passwords: bool = False) -> None:
    """Make roles, databases, schemas and grants on the stack's PostgreSQL, which must be running.

    Args:
        stack: the stack.
        reset_passwords: on a server of somebody else's too, give the roles the passwords of secrets.json;
            on the embedded one they always have them.
    """
    ours = stack.settings.postgres_url is None
    database_roles.provision(
        stack.admin_url, stack.secrets.role_passwords, reset_passwords=ours or reset_passwords
    )
    if ours:
        database_roles.close_maintenance_databases(stack.admin_url)


def _prepare(stack: Stack, progress: Progress) -> None:
    preflight.check_python()
    preflight.check_disk(stack.home.root)
    ended = leftovers.end(stack.home)
    if ended:
        progress.step("leftovers ended", f"{ended} processes of an earlier run")
    stack.ports.require_free()
    _require_reachable(stack.settings)
    home = stack.home
    if stack.settings.postgres_url is None:
        with progress.timed("postgres prepared"):
            postgres.prepare(home.postgres / "data", home.root, stack.secrets.postgres_superuser)
    if stack.settings.redis_url is None:
        redis.prepare(home.redis, home.root)
    programs = [node for node in service_definitions.definitions(stack) if isinstance(node, Service)]
    configure(home, programs, stack.secrets.supervisor_password)


def _require_reachable(settings: Settings) -> None:
    """Refuse to start without the external servers that were asked for."""
    if settings.postgres_url is not None:
        try:
            psycopg.connect(settings.postgres_url.get_secret_value(), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            raise StackError(
                f"The PostgreSQL of HOTCLUB_POSTGRES_URL refuses the login: {error}",
                "Correct the address, or remove the variable to run the embedded server.",
            ) from error
    if settings.redis_url is not None:
        parts = urlsplit(settings.redis_url.get_secret_value())
        if parts.scheme in {"redis", "rediss"}:
            try:
                socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), 5).close()
            except OSError as error:
                raise StackError(
                    f"The Redis of HOTCLUB_REDIS_URL does not answer: {error}",
                    "Correct the address, or remove the variable to run the embedded server.",
                ) from error
