"""Fixtures that more than one part uses."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stack import postgres, roles
from tests.factories import make_contract, make_package
from tests.services import mlflow_server

ROOT = Path(__file__).resolve().parents[1]


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
        return roles.role_url(self.admin_url, role, self.passwords[role], self.name)


@pytest.fixture(scope="session")
def postgres_admin_url() -> Iterator[str]:
    """The superuser's URL on a private PostgreSQL that lives as long as the test session."""
    # Not in pytest's own folder: each pytest that starts makes it 0700, and a server started by root,
    # which runs as another user, would lose its data folder in the middle of a run.
    with (
        tempfile.TemporaryDirectory(prefix="hotclub-test-") as folder,
        postgres.temporary_server(Path(folder)) as url,
    ):
        yield url


@pytest.fixture(scope="session")
def provision(postgres_admin_url: str) -> Callable[[str], Database]:
    """Make a database with all roles and grants on the private server, by name."""
    # Roles belong to the server: every database of this session has the same passwords.
    every = (*roles.LOGIN_ROLES, *roles.DATABASE_ROLES)
    passwords = {role: secrets.token_urlsafe(12) for role in every}

    def make(name: str) -> Database:
        roles.provision(postgres_admin_url, passwords, name)
        return Database(postgres_admin_url, name, passwords)

    return make


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow that lives as long as the test session; tests use model names of their own."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url
