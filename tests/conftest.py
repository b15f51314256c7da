"""Fixtures that more than one part uses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stack import database_roles
from tests import servers
from tests.factories import make_contract, make_package
from tests.services import mlflow_server

pytest_plugins = ("tests.needs",)
ROOT = Path(__file__).resolve().parents[1]
#: Servers that outlive this process, where somebody started them for many (see `make mutants`).
SHARED = servers.shared()


@pytest.fixture(scope="session")
def small_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of a small fitted model; copy it before changing it."""
    folder = tmp_path_factory.mktemp("small") / "package"
    make_package(folder, make_contract())
    return folder


@dataclass(frozen=True)
class Database:
    """A provisioned database on the session's private server."""

    admin_url: str
    name: str
    passwords: dict[str, str]

    def url(self, role: str) -> str:
        """Return the URL of one of Hotclub's logins."""
        return database_roles.role_url(self.admin_url, role, self.passwords[role], self.name)


@pytest.fixture(scope="session")
def postgres_admin_url(services: None) -> Iterator[str]:
    """The superuser's URL on a private PostgreSQL that lives as long as the test session."""
    if SHARED:
        yield SHARED.admin_url
        return
    with servers.postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def provision(postgres_admin_url: str) -> Iterator[Callable[[str], Database]]:
    """Make a database with all roles and grants on the private server, by name."""
    # Roles belong to the server: every database on it has the same passwords.
    passwords = SHARED.passwords if SHARED else servers.make_passwords()

    made: list[str] = []

    def make(name: str) -> Database:
        # A server that is shared outlives this process, and others are on it now.
        own = f"{name}_{os.getpid()}" if SHARED else name
        made.append(own)
        database_roles.provision(postgres_admin_url, passwords, own)
        return Database(postgres_admin_url, own, passwords)

    yield make
    if SHARED:
        for name in made:
            servers.drop(postgres_admin_url, name)


@pytest.fixture(scope="session")
def mlflow_url(services: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow that lives as long as the test session; tests use model names of their own."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url
