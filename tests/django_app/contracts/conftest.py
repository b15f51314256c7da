"""A stranger's project on a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Database
from tests.django_app.declaration_tables import tables_restored
from tests.django_app.foreign import ForeignProject, make_foreign_project


@pytest.fixture
def own_database(tmp_path: Path, provision: Callable[[str], Database]) -> Iterator[Database]:
    """A provisioned database that goes with the test."""
    database = provision(f"foreign_{abs(hash(tmp_path)) % 10**8}")
    yield database
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {database.name} WITH (FORCE)")


@pytest.fixture
def declared_for_a_moment() -> Iterator[None]:
    """Take the test's declarations out of the tables again."""
    with tables_restored():
        yield


@pytest.fixture
def project(tmp_path: Path, own_database: Database) -> ForeignProject:
    """A foreign project, neither compiled nor migrated, whose MLflow does not answer."""
    return make_foreign_project(tmp_path, own_database)


@pytest.fixture
def migrated(project: ForeignProject) -> ForeignProject:
    """The project with its first contract and its view."""
    project.must("makecontracts")
    project.must("migrate")
    return project
