"""Every service as data: its command, its environment, its probe, and what must be there before it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hotclub import names
from stack import postgres, probes, redis
from stack.errors import StackError
from stack.ports import HOST
from stack.probes import Probe
from stack.service_environments import Stack
from stack.settings import ROOT

_PYTHON = sys.executable


@dataclass(frozen=True, slots=True)
class Service:
    """A process that the supervisor keeps running.

    Attributes:
        after: services and jobs that must be healthy or done first.
        deadline_seconds: how long it may take to become healthy.
        stop_seconds: how long it may take to stop before it is killed.
        stop_signal: what asks it to stop.
        stop_group: whether all its processes are asked, not the first one alone.
        user: the system user it runs as; ours when None.
        url: where a person finds it.
    """

    name: str
    command: tuple[str, ...]
    probe: Probe
    env: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    deadline_seconds: float = 120
    stop_seconds: int = 15
    stop_signal: str = "TERM"
    stop_group: bool = True
    user: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A command that must have succeeded before services that name it in ``after`` start."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    after: tuple[str, ...] = ()
    deadline_seconds: float = 300


Node = Service | Job


def manage(*arguments: str) -> tuple[str, ...]:
    """Return the command line of a Django management command."""
    return (_PYTHON, "-m", "django_app.manage", *arguments)


def definitions(stack: Stack) -> list[Node]:
    """Return all services and jobs; every name in ``after`` is defined."""
    return [
        *_data(stack),
        *_jobs(stack),
        *_mlflow(stack),
        *_checks(stack),
        *_airflow(stack),
        *_django(stack),
        *_serving(stack),
        *_autoreload(stack),
    ]


def select(nodes: Iterable[Node], only: Iterable[str]) -> list[Node]:
    """Return the nodes named in ``only`` and everything they come after; all of them for no name.

    Raises:
        StackError: a name is not defined.
    """
    known = {node.name: node for node in nodes}
    wanted = list(only) or list(known)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise StackError(f"No such service: {', '.join(unknown)}", f"There are: {', '.join(known)}")
    found: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted.extend(known[name].after)
    return [node for node in known.values() if node.name in found]


def _script(name: str) -> str:
    """Return a console script of the environment that runs us."""
    return str(Path(_PYTHON).parent / name)


def _data(stack: Stack) -> list[Node]:
    nodes: list[Node] = []
    if stack.settings.postgres_url is None:
        home = stack.home
        nodes.append(
            Service(
                "postgres",
                tuple(postgres.command(home.postgres / "data")),
                probes.postgres_login(stack.admin_url),
                stop_signal="INT",  # "fast": ends sessions instead of waiting for them
                stop_group=False,
                stop_seconds=60,
                user=postgres.system_user(),
            )
        )
    if stack.settings.redis_url is None:
        probe = probes.redis_ping(redis.socket_path(stack.home.root))
        nodes.append(Service("redis", tuple(redis.command_line(stack.home.redis)), probe))
    return nodes


def _jobs(stack: Stack) -> list[Node]:
    database = ("postgres",) if stack.settings.postgres_url is None else ()
    return [
        Job("provision", (_PYTHON, "-m", "stack", "provision"), _launcher_environment(stack), database),
        Job(
            "airflow-migrate",
            (_PYTHON, "-m", "stack.migrations", "airflow"),
            stack.airflow("airflow-migrate"),
            ("provision",),
        ),
        Job("mlflow-migrate", (_PYTHON, "-m", "stack.migrations", "mlflow"), stack.mlflow(), ("provision",)),
        Job(
            "django-migrate",
            manage("migrate", "--no-input"),
            stack.django_database(names.ROLE_MIGRATOR),
            # It asks the model registry which contract versions are in use; when that is down, the mirror counts.
            ("provision", "mlflow"),
        ),
        Job(
            "accounts",
            manage("ensure_accounts"),
            {
                **stack.django_database(names.ROLE_APP),
                "HOTCLUB_SERVICE_TOKEN": stack.secrets.service_token,
                "HOTCLUB_ADMIN_PASSWORD": stack.secrets.admin_password,
            },
            ("django-migrate",),
        ),
    ]


def _launcher_environment(stack: Stack) -> dict[str, str]:
    """Return the environment of the launcher's own command, servers that were set from outside included."""
    env = stack.common()
    for name in ("postgres_url", "redis_url"):
        value = getattr(stack.settings, name)
        if value is not None:
            env[f"HOTCLUB_{name.upper()}"] = value.get_secret_value()
    return env


def _mlflow(stack: Stack) -> list[Node]:
    command = (
        *(_script("mlflow"), "server", "--host", HOST, "--port", str(stack.ports.mlflow)),
        *("--workers", "1"),
    )
    url = stack.ports.url("mlflow")
    probe = probes.http(f"{url}/health")
    return [Service("mlflow", command, probe, stack.mlflow(), ("mlflow-migrate",), url=url)]


def _checks(stack: Stack) -> list[Node]:
    # It has no secret of its own: each call comes with its caller's.
    command = (_PYTHON, "-m", "data_checks", "serve", "--socket", str(stack.checks_socket))
    return [Service("checks", command, probes.listens(stack.checks_socket), stack.common())]


def _airflow(stack: Stack) -> list[Node]:
    url = stack.ports.url("airflow")
    airflow = _script("airflow")
    after = ("airflow-migrate",)
    return [
        Service(
            "airflow-api",
            (airflow, "api-server"),
            probes.http(f"{url}/api/v2/version"),
            stack.airflow("airflow-api"),
            after,
            url=url,
        ),
        Service(
            "airflow-scheduler",
            (airflow, "scheduler", "--skip-serve-logs"),
            probes.airflow(url, "scheduler"),
            stack.airflow_tasks(),
            after,
            stop_seconds=10,  # it would wait for running tasks, which the next start runs again anyway
            stop_group=False,  # it ends its workers itself, and waits in vain for those that got the signal too
        ),
        Service(
            "airflow-dag-processor",
            (airflow, "dag-processor"),
            probes.airflow(url, "dag_processor"),
            stack.airflow("airflow-dag-processor"),
            after,
        ),
        Service(
            "airflow-triggerer",
            (airflow, "triggerer", "--skip-serve-logs"),
            probes.airflow(url, "triggerer"),
            stack.airflow_triggerer(),
            after,
        ),
    ]


def _django(stack: Stack) -> list[Node]:
    broker = ("redis",) if stack.settings.redis_url is None else ()
    after = ("django-migrate", *broker)
    celery = (_PYTHON, "-m", "celery", "-A", "django_app.config.celery:app")
    url = stack.ports.url("django")
    return [
        Service(
            "django",
            (
                *(_PYTHON, "-m", "gunicorn", "django_app.config.wsgi:application"),
                *("--bind", f"{HOST}:{stack.ports.django}"),
                *("--worker-class", "gthread", "--workers", "1", "--threads", "8"),
            ),
            probes.http(f"{url}/health/ready"),
            stack.django(),
            (*after, "accounts"),
            url=f"{url}/admin/",
        ),
        Service(
            "worker",
            (
                *(*celery, "worker", "--queues", ",".join(names.QUEUES)),
                *("--concurrency", str(stack.settings.worker_concurrency)),
                *("--loglevel", "INFO", "--without-gossip", "--without-mingle"),
            ),
            probes.celery_consumes(stack.broker_url),
            stack.worker(),
            after,
        ),
        Service(
            "beat",
            (*celery, "beat", "--schedule", str(stack.home.run / "beat-schedule"), "--pidfile="),
            probes.running,
            stack.beat(),
            after,
        ),
    ]


def _serving(stack: Stack) -> list[Node]:
    url = stack.ports.url("serving")
    command = (
        *(_PYTHON, "-m", "uvicorn", "serving.app:create_app", "--factory"),
        *("--host", HOST, "--port", str(stack.ports.serving)),
        *("--no-access-log", "--timeout-graceful-shutdown", "10"),
    )
    return [
        Service(
            "serving",
            command,
            probes.http(f"{url}/v2/health/live"),
            stack.serving(),
            ("mlflow", "django-migrate"),
            url=f"{url}/docs",
        )
    ]


def _autoreload(stack: Stack) -> list[Node]:
    """Return what reloads changed code: on a developer's machine, and where there is code of the developer's."""
    if not stack.reloads:
        return []
    command = (_PYTHON, "-m", "stack.autoreload", *stack.settings.app_names())
    # It tries the code with Django's settings and no login, before services get it.
    return [Service("autoreload", command, probes.running, stack.django_bare(), ("django-migrate",))]


#: The directory that services run in.
WORKING_DIRECTORY = ROOT
