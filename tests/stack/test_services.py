"""The services as data: complete, private, and each with its own login only."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from hotclub import names
from stack import environment, services
from stack.environment import Stack
from stack.errors import StackError
from stack.services import Job, Service
from stack.settings import Settings

LOGINS = {
    "django": {names.ROLE_APP},
    "worker": {names.ROLE_APP},
    "beat": {names.ROLE_APP},
    "accounts": {names.ROLE_APP},
    "django-migrate": {names.ROLE_MIGRATOR},
    "serving": {names.ROLE_SERVING},
    "airflow-scheduler": {names.ROLE_READER, names.ROLE_STAGER, "airflow"},
    "airflow-api": {"airflow"},
    "airflow-dag-processor": {"airflow"},
    "airflow-triggerer": {"airflow"},
    "airflow-migrate": {"airflow"},
    "mlflow": {"mlflow"},
    "mlflow-migrate": {"mlflow"},
    "postgres": set(),
    "redis": set(),
    "provision": set(),
}


def test_everything_that_a_node_comes_after_is_defined(stack: Stack) -> None:
    """No service waits for something that nobody starts."""
    nodes = services.definitions(stack)
    known = {node.name for node in nodes}
    assert {need for node in nodes for need in node.after} <= known


def test_each_service_has_the_passwords_of_its_own_logins_only(stack: Stack) -> None:
    """Looked for in every environment: no service has another's password."""
    found = {
        node.name: {
            role
            for role, password in stack.secrets.role_passwords.items()
            if any(password in value for value in node.env.values())
        }
        for node in services.definitions(stack)
    }
    assert found == LOGINS


def test_no_password_is_on_a_command_line(stack: Stack) -> None:
    """`ps` shows command lines to every user of the machine."""
    secret = [*stack.secrets.role_passwords.values(), stack.secrets.postgres_superuser]
    for node in services.definitions(stack):
        assert not [word for word in node.command if any(value in word for value in secret)]


def test_the_superuser_is_the_launchers_own(stack: Stack) -> None:
    """No service can log in as the superuser."""
    for node in services.definitions(stack):
        assert not [v for v in node.env.values() if stack.secrets.postgres_superuser in v]


def test_every_process_is_marked(stack: Stack) -> None:
    """By the mark, leftovers are found that left their session; supervisord hands its own on."""
    for node in services.definitions(stack):
        assert node.env.get(environment.MARK, stack.home.id) == stack.home.id
    assert stack.common()[environment.MARK] == stack.home.id


def test_external_servers_replace_the_embedded_ones(settings: Settings) -> None:
    """They are not started, nothing waits for them, and their address is what services get."""
    from stack import lifecycle

    external = settings.model_copy(
        update={
            "postgres_url": SecretStr("postgresql://root:pw@db.example:5433/postgres?sslmode=require"),
            "redis_url": SecretStr("redis://broker.example:6379/1"),
        }
    )
    stack = lifecycle.open_stack(external)
    nodes = {node.name: node for node in services.definitions(stack)}

    assert not {"postgres", "redis"} & set(nodes)
    assert nodes["django"].env["HOTCLUB_BROKER_URL"] == "redis://broker.example:6379/1"
    assert "@db.example:5433/hotclub?sslmode=require" in nodes["django"].env["HOTCLUB_DATABASE_URL"]
    assert nodes["provision"].env["HOTCLUB_POSTGRES_URL"].startswith("postgresql://root:pw@db.example")


def test_selecting_brings_what_is_needed_and_nothing_else(stack: Stack) -> None:
    """`--only mlflow` starts PostgreSQL and makes the database too."""
    chosen = services.select(services.definitions(stack), ["mlflow"])
    assert {node.name for node in chosen} == {"postgres", "provision", "mlflow-migrate", "mlflow"}


def test_selecting_something_unknown_lists_what_there_is(stack: Stack) -> None:
    """A typing error is answered with the names."""
    with pytest.raises(StackError, match="No such service: nginx") as caught:
        services.select(services.definitions(stack), ["nginx"])
    assert "mlflow" in caught.value.fix


def test_a_worker_serves_every_queue(stack: Stack) -> None:
    """A queue that nobody serves would swallow its tasks."""
    worker = next(node for node in services.definitions(stack) if node.name == "worker")
    queues = worker.command[worker.command.index("--queues") + 1]
    assert set(queues.split(",")) == set(names.QUEUES)


def test_addresses_are_this_machines_only(stack: Stack) -> None:
    """Every service with a page for people has it on 127.0.0.1."""
    urls = [node.url for node in services.definitions(stack) if isinstance(node, Service) and node.url]
    assert len(urls) == 4
    assert all(url.startswith("http://127.0.0.1:") for url in urls)


def test_jobs_have_environments(stack: Stack) -> None:
    """A job runs with what it is given; nothing of the caller's shell."""
    jobs = [node for node in services.definitions(stack) if isinstance(node, Job)]
    assert jobs
    assert all(job.env["HOME"] for job in jobs)
