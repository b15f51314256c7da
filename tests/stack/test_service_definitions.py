"""The services as data: complete, private, and each with its own login only."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from hotclub import names
from stack import service_definitions, service_environments, started_with
from stack.errors import StackError
from stack.service_definitions import Job, Node, Service
from stack.service_environments import Stack
from stack.settings import Settings

#: Every secret, with the services and jobs that need it. An addition is a decision: why does it need that?
ALLOWED: dict[str, set[str]] = {
    "postgres_superuser": set(),  # the launcher's own
    "supervisor_password": set(),  # the launcher's own
    "admin_password": {"accounts"},
    "engineer_password": set(),  # the demo's step has it
    "owner_password": set(),  # the demo's step has it
    "django_secret_key": {"django", "worker", "beat", "accounts", "django-migrate"},
    "service_token": {"accounts", "airflow-scheduler", "airflow-triggerer"},
    "airflow_service_password": {"worker"},
    "airflow_fernet_key": {
        "airflow-migrate", "airflow-api", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer",
    },
    "airflow_jwt_secret": {"airflow-api", "airflow-scheduler"},
    "airflow_api_secret_key": {"airflow-api"},
    names.ROLE_APP: {"django", "worker", "accounts"},
    names.ROLE_MIGRATOR: {"django-migrate"},
    names.ROLE_SERVING: {"serving"},
    names.ROLE_READER: set(),  # in a file, for the commands of training
    names.ROLE_STAGER: set(),  # in a file, for the commands of data_checks
    "airflow": {
        "airflow-migrate", "airflow-api", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer",
    },
    "mlflow": {"mlflow", "mlflow-migrate"},
}  # fmt: skip


def every_secret(stack: Stack) -> dict[str, str]:
    """Return each secret's value by name; a role's password by the role's."""
    values = {name: getattr(stack.secrets, name) for name in stack.secrets.__slots__}
    passwords = values.pop("role_passwords")
    return {**values, **passwords}


def test_everything_that_a_node_comes_after_is_defined(stack: Stack) -> None:
    """No service waits for something that nobody starts."""
    nodes = service_definitions.definitions(stack)
    known = {node.name for node in nodes}
    assert {need for node in nodes for need in node.after} <= known


def test_each_service_has_the_secrets_that_it_needs_and_no_other(stack: Stack) -> None:
    """Every secret is looked for in every environment."""
    nodes = service_definitions.definitions(stack)
    found = {
        name: {node.name for node in nodes if any(secret in value for value in node.env.values())}
        for name, secret in every_secret(stack).items()
    }
    assert found == ALLOWED


def test_no_secret_is_on_a_command_line(stack: Stack) -> None:
    """`ps` shows command lines to every user of the machine."""
    for node in service_definitions.definitions(stack):
        assert not [word for word in node.command if any(s in word for s in every_secret(stack).values())]


def test_what_every_process_has_is_no_secret(stack: Stack) -> None:
    """Supervisord hands its own environment on to all of its children."""
    text = json.dumps(stack.common())
    assert not [name for name, secret in every_secret(stack).items() if secret in text]


def test_a_secret_of_the_shell_is_not_passed_on(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody exported for one part does not reach the others."""
    for name in ("DATABASE_URL", "STAGER_DATABASE_URL", "BROKER_URL", "ADMIN_PASSWORD", "SERVICE_TOKEN", "SECRET_KEY",
                 "POSTGRES_URL"):  # fmt: skip
        monkeypatch.setenv(f"HOTCLUB_{name}", "from-the-shell")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", "from-the-shell")
    monkeypatch.setenv("HOTCLUB_SERVING_THREADS", "3")
    resolved = started_with.resolve(stack.home, os.environ)
    stack = dataclasses.replace(stack, variables=resolved.variables)
    assert stack.serving()["HOTCLUB_SERVING_THREADS"] == "3"
    for node in service_definitions.definitions(stack):
        assert not [name for name, value in node.env.items() if "from-the-shell" in value], node.name


def test_the_logins_of_commands_are_in_files_of_their_own(stack: Stack) -> None:
    """Each named after its variable, for its owner alone; the scheduler knows the folder."""
    stack.write_command_secrets()
    folder = Path(services_by_name(stack)["airflow-scheduler"].env[names.VARIABLE_COMMAND_SECRETS])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        names.VARIABLE_READER_URL: 0o600,
        names.VARIABLE_STAGER_URL: 0o600,
    }
    passwords = stack.secrets.role_passwords
    assert passwords[names.ROLE_READER] in (folder / names.VARIABLE_READER_URL).read_text()
    assert passwords[names.ROLE_STAGER] in (folder / names.VARIABLE_STAGER_URL).read_text()


def services_by_name(stack: Stack) -> dict[str, Node]:
    """Return every service and job by its name."""
    return {node.name: node for node in service_definitions.definitions(stack)}


def test_every_process_is_marked(stack: Stack) -> None:
    """By the mark, leftovers are found that left their session; supervisord hands its own on."""
    for node in service_definitions.definitions(stack):
        assert node.env.get(service_environments.MARK, stack.home.id) == stack.home.id
    assert stack.common()[service_environments.MARK] == stack.home.id


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
    nodes = {node.name: node for node in service_definitions.definitions(stack)}

    assert not {"postgres", "redis"} & set(nodes)
    assert nodes["django"].env["HOTCLUB_BROKER_URL"] == "redis://broker.example:6379/1"
    assert "@db.example:5433/hotclub?sslmode=require" in nodes["django"].env["HOTCLUB_DATABASE_URL"]
    assert nodes["provision"].env["HOTCLUB_POSTGRES_URL"].startswith("postgresql://root:pw@db.example")


def test_selecting_brings_what_is_needed_and_nothing_else(stack: Stack) -> None:
    """`--only mlflow` starts PostgreSQL and makes the database too."""
    chosen = service_definitions.select(service_definitions.definitions(stack), ["mlflow"])
    assert {node.name for node in chosen} == {"postgres", "provision", "mlflow-migrate", "mlflow"}


def test_selecting_something_unknown_lists_what_there_is(stack: Stack) -> None:
    """A typing error is answered with the names."""
    with pytest.raises(StackError, match="No such service: nginx") as caught:
        service_definitions.select(service_definitions.definitions(stack), ["nginx"])
    assert "mlflow" in caught.value.fix


def test_a_worker_serves_every_queue(stack: Stack) -> None:
    """A queue that nobody serves would swallow its tasks."""
    worker = next(node for node in service_definitions.definitions(stack) if node.name == "worker")
    queues = worker.command[worker.command.index("--queues") + 1]
    assert set(queues.split(",")) == set(names.QUEUES)


def test_addresses_are_this_machines_only(stack: Stack) -> None:
    """Every service with a page for people has it on 127.0.0.1."""
    urls = [
        node.url for node in service_definitions.definitions(stack) if isinstance(node, Service) and node.url
    ]
    assert len(urls) == 4
    assert all(url.startswith("http://127.0.0.1:") for url in urls)


def test_jobs_have_environments(stack: Stack) -> None:
    """A job runs with what it is given; nothing of the caller's shell."""
    jobs = [node for node in service_definitions.definitions(stack) if isinstance(node, Job)]
    assert jobs
    assert all(job.env["HOME"] for job in jobs)
