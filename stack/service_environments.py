"""The environment of each service: what it needs and no more, its own login above all."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from hotclub import names
from stack import airflow_config, database_roles, postgres, redis, settings
from stack.home import Home
from stack.ports import Ports
from stack.secrets import AIRFLOW_SERVICE_USERNAME, Secrets, write_private
from stack.settings import ROOT, Settings
from stack.sockets import socket_folder

#: Marks every process of a stack with the id of its home.
MARK = names.VARIABLE_STACK
_COMMAND_LOGINS = {
    names.VARIABLE_READER_URL: names.ROLE_READER,
    names.VARIABLE_STAGER_URL: names.ROLE_STAGER,
}


@dataclass(frozen=True, slots=True)
class Stack:
    """Everything that one stack is made of.

    Attributes:
        variables: the HOTCLUB variables that it is started with, those of single services among them.
    """

    settings: Settings
    home: Home
    ports: Ports
    secrets: Secrets
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def reloads(self) -> bool:
        """Whether services restart when the code of HOTCLUB_APPS changes: with local settings only."""
        local = self.variables.get("HOTCLUB_SETTINGS", "local") == "local"
        return local and bool(self.settings.app_names())

    @property
    def admin_url(self) -> str:
        """PostgreSQL as an administrator: the embedded server's, or the one that was set."""
        external = self.settings.postgres_url
        if external is not None:
            return external.get_secret_value()
        return postgres.admin_url(self.home.root, self.secrets.postgres_superuser)

    @property
    def broker_url(self) -> str:
        """Redis as Celery wants it."""
        external = self.settings.redis_url
        return redis.url(self.home.root) if external is None else external.get_secret_value()

    def role_url(self, role: str, database: str = database_roles.DATABASE) -> str:
        """Return the URL of one of our roles."""
        return database_roles.role_url(self.admin_url, role, self.secrets.role_passwords[role], database)

    def sqlalchemy_url(self, role: str) -> str:
        """Return the URL of a role that has a database of its own, as SQLAlchemy wants it."""
        return self.role_url(role, role).replace("postgresql://", "postgresql+psycopg://", 1)

    def common(self) -> dict[str, str]:
        """Return what every process gets. Nothing of the shell's environment: no proxies, no surprises."""
        path = os.pathsep.join((str(Path(sys.executable).parent), os.defpath.lstrip(":"), "/usr/local/bin"))
        return {
            **settings.passed_on(self.variables),
            "PATH": path,
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "DO_NOT_TRACK": "1",
            "HOTCLUB_HOME": str(self.home.root),
            names.VARIABLE_CONTRACTS: self.settings.contract_folders(),
            MARK: self.home.id,
        }

    def django_bare(self) -> dict[str, str]:
        """Return what Django's settings need to be loaded, without a login anywhere."""
        return {
            **self.common(),
            "HOTCLUB_DEMO": "1" if self.settings.demo else "0",
            "HOTCLUB_APPS": self.settings.apps,
            "HOTCLUB_SECRET_KEY": self.secrets.django_secret_key,
            "HOTCLUB_LANDING": str(self.home.landing),
            "HOTCLUB_ARCHIVE": str(self.home.archive),
            "HOTCLUB_CACHE": str(self.home.cache),
            "HOTCLUB_MLFLOW_URL": self.ports.url("mlflow"),
            "HOTCLUB_AIRFLOW_URL": self.ports.url("airflow"),
            "HOTCLUB_AIRFLOW_USERNAME": AIRFLOW_SERVICE_USERNAME,
            "HOTCLUB_DJANGO_URL": self.ports.url("django"),
        }

    def django_database(self, role: str) -> dict[str, str]:
        """Return the environment of a command that works on the database alone, logged in as ``role``."""
        return {**self.django_bare(), "HOTCLUB_DATABASE_URL": self.role_url(role)}

    def django(self, role: str = names.ROLE_APP) -> dict[str, str]:
        """Return the environment of Django and its commands, logged in as ``role``."""
        return {**self.django_database(role), "HOTCLUB_BROKER_URL": self.broker_url}

    def worker(self) -> dict[str, str]:
        """Return the environment of the Celery worker, which also starts runs in Airflow."""
        return {**self.django(), "HOTCLUB_AIRFLOW_PASSWORD": self.secrets.airflow_service_password}

    def beat(self) -> dict[str, str]:
        """Return the environment of Celery's clock, which sends messages and nothing else."""
        return {**self.django_bare(), "HOTCLUB_BROKER_URL": self.broker_url}

    def serving(self) -> dict[str, str]:
        """Return the environment of the inference service."""
        return {
            **self.common(),
            "HOTCLUB_SERVING_DATABASE_URL": self.role_url(names.ROLE_SERVING),
            "HOTCLUB_MLFLOW_URL": self.ports.url("mlflow"),
            "HOTCLUB_CACHE": str(self.home.cache),
        }

    def mlflow(self) -> dict[str, str]:
        """Return the environment of the MLflow server; what is the same everywhere is in ``mlflow/server.env``."""
        fixed = dotenv_values(ROOT / "mlflow" / "server.env")
        return {
            **self.common(),
            **{name: value for name, value in fixed.items() if value},
            "MLFLOW_BACKEND_STORE_URI": self.sqlalchemy_url(database_roles.ROLE_MLFLOW),
            "MLFLOW_ARTIFACTS_DESTINATION": str(self.home.mlflow / "artifacts"),
        }

    def airflow(self, component: str) -> dict[str, str]:
        """Return the environment of a component of Airflow: one of `airflow_config.KEYS`."""
        return {
            **self.common(),
            **airflow_config.environment(
                component,
                self.home,
                self.ports,
                self.secrets,
                self.sqlalchemy_url(database_roles.ROLE_AIRFLOW),
            ),
        }

    def airflow_triggerer(self, component: str = "airflow-triggerer") -> dict[str, str]:
        """Return the environment of what asks Django's API."""
        connection = {
            "conn_type": "http",
            "host": self.ports.url("django"),
            "password": self.secrets.service_token,
        }
        return {
            **self.airflow(component),
            f"AIRFLOW_CONN_{names.CONNECTION_DJANGO.upper()}": json.dumps(connection),
        }

    def airflow_tasks(self) -> dict[str, str]:
        """Return the environment of the scheduler and its tasks, which start data_checks and training.

        The logins of these two are in files: a task that starts neither has neither.
        """
        return {
            # Threads of a fit that wait leave the cores to others; only one fit runs at a time (training.run_folder.fit_lock).
            "OMP_WAIT_POLICY": "passive",
            **self.airflow_triggerer("airflow-scheduler"),
            names.VARIABLE_COMMAND_SECRETS: str(self.command_secrets),
            "HOTCLUB_MLFLOW_URL": self.ports.url("mlflow"),
            "HOTCLUB_SNAPSHOTS": str(self.home.snapshots),
            "HOTCLUB_CACHE": str(self.home.cache),
            names.VARIABLE_CHECKS_SOCKET: str(self.checks_socket),
        }

    @property
    def checks_socket(self) -> Path:
        """The socket of the process in whose forks data_checks runs."""
        return socket_folder(self.home.root) / "checks.sock"

    @property
    def command_secrets(self) -> Path:
        """The folder of the files that hold what single commands of tasks need."""
        return self.home.secrets / "commands"

    def write_command_secrets(self) -> None:
        """Write these files, each named after its variable and readable by their owner alone."""
        self.command_secrets.mkdir(mode=0o700, exist_ok=True)
        for variable, role in _COMMAND_LOGINS.items():
            write_private(self.command_secrets / variable, self.role_url(role))
