"""Up and down: the launcher starts the stack, and stops it until no process of it is left."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import psycopg

from stack import (
    autoreload,
    database_roles,
    leftovers,
    postgres,
    preflight,
    redis,
    secrets,
    service_definitions,
    started_with,
    startup,
)
from stack.errors import StackError
from stack.home import Home
from stack.ports import Ports
from stack.progress import Progress
from stack.service_definitions import Service
from stack.service_environments import Stack
from stack.settings import Settings
from stack.supervisor import Supervisor, configure

#: What the others need to end cleanly: stopped after them.
DATA_SERVICES = ("postgres", "redis")
_REDIS_SCHEMES = ("redis", "rediss", "redis+socket")
_WRONG_ADDRESS = "Correct the address, or remove the variable to run the embedded server."


def open_stack(settings: Settings, variables: Mapping[str, str] | None = None) -> Stack:
    """Make the folders and secrets of ``settings.home`` where they are missing, and return the stack.

    Args:
        settings: of the launcher.
        variables: the HOTCLUB variables that it is started with; none but ``settings`` by default.

    Raises:
        StackError: the folder cannot be written.
    """
    home = Home(settings.home)
    home.make()
    ports = Ports.shifted(settings.port_shift)
    return Stack(settings, home, ports, secrets.ensure(home), variables or {})


def running_in(home: Home) -> bool:
    """Return whether a launched supervisord answers in ``home``."""
    return Supervisor(home, secrets.ensure(home).supervisor_password).alive()


def up(stack: Stack, only: Iterable[str], progress: Progress) -> list[str]:
    """Start what does not run, in order of health. The caller holds the launcher's lock.

    Returns:
        Warnings of jobs, for a person to read at the end.

    Raises:
        StackError: something that must hold does not, or a service did not come up.
    """
    nodes = service_definitions.select(service_definitions.definitions(stack), only)
    supervisor = Supervisor(stack.home, stack.secrets.supervisor_password)
    if supervisor.alive():
        progress.line(
            "Already running: what is up keeps the code that it started with; `make restart` gives it that of now."
        )
    else:
        _prepare(stack, progress)
        # Not earlier: what could not be started is not worth remembering. Not later: once something runs,
        # every command must know with what.
        started_with.write(stack.home, stack.variables)
        supervisor.launch(stack.common())
    return startup.run(stack.home, nodes, supervisor, progress)


def down(home: Home, password: str, progress: Progress) -> None:
    """Stop everything, cleanly where it answers, and then by session and mark; no process is left."""
    supervisor = Supervisor(home, password)
    if supervisor.alive():
        running = {name for name, state in supervisor.states().items() if state.pid}
        with progress.timed("services stopped"):
            supervisor.stop(running.difference(DATA_SERVICES))
        with progress.timed("data services stopped"):
            supervisor.stop(running.intersection(DATA_SERVICES))
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
    autoreload.forget(home)
    write_configuration(stack)


def write_configuration(stack: Stack) -> None:
    """Write what supervisord and its services read when they start, and the passwords that people need for them."""
    programs = [node for node in service_definitions.definitions(stack) if isinstance(node, Service)]
    configure(stack.home, programs, stack.secrets.supervisor_password)
    stack.write_command_secrets()
    secrets.write_for_people(stack.home, stack.secrets, demo=stack.settings.demo)


def _require_reachable(settings: Settings) -> None:
    """Refuse to start without the external servers that were asked for."""
    if settings.postgres_url is not None:
        try:
            psycopg.connect(settings.postgres_url.get_secret_value(), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            raise StackError(
                f"The PostgreSQL of HOTCLUB_POSTGRES_URL refuses the login: {error}", _WRONG_ADDRESS
            ) from error
        except psycopg.ProgrammingError as error:
            # Its own message may repeat the password.
            raise StackError(
                "HOTCLUB_POSTGRES_URL is no address of a PostgreSQL, such as postgresql://admin:password@host:5432/postgres",
                _WRONG_ADDRESS,
            ) from error
    if settings.redis_url is not None:
        _require_redis(settings.redis_url.get_secret_value())


def _require_redis(url: str) -> None:
    try:
        parts = urlsplit(url)
        place = (parts.hostname or "127.0.0.1", parts.port or 6379)
    except ValueError:
        parts, place = urlsplit(""), ("", 0)
    if parts.scheme not in _REDIS_SCHEMES:
        raise StackError(
            f"HOTCLUB_REDIS_URL is no address of a Redis: it begins with {', '.join(f'{s}://' for s in _REDIS_SCHEMES)}, "
            "such as redis://:password@host:6379/0",
            _WRONG_ADDRESS,
        )
    if parts.scheme == _REDIS_SCHEMES[-1]:
        return  # a socket of this machine: Celery finds it or says that it is missing
    try:
        socket.create_connection(place, 5).close()
    except OSError as error:
        raise StackError(
            f"The Redis of HOTCLUB_REDIS_URL does not answer: {error}", _WRONG_ADDRESS
        ) from error
