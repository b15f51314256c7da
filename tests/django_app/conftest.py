"""Real PostgreSQL for Django's tests: migrated as the migrator, used as the app, each test in a transaction.

A slice of the flights (two weeks of October 2013) is loaded once and shared.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import connections
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from hotclub import names
from tests import history, servers
from tests.conftest import SHARED, Database


@pytest.fixture(scope="session")
def database(provision: Callable[[str], Database]) -> Iterator[Database]:
    """A migrated database with two weeks of flights in it."""
    if SHARED:
        name = f"hotclub_django_{os.getpid()}"
        servers.copy_template(SHARED, name)
        yield Database(SHARED.admin_url, name, SHARED.passwords)
        servers.drop(SHARED.admin_url, name)
        return
    made = provision("hotclub_django_tests")
    history.fill(made.url)
    yield made


@pytest.fixture(scope="session")
def django_db_setup(database: Database, django_db_blocker: Any) -> Iterator[None]:
    """Connect Django to that database as hotclub_app; pytest-django's own test database is not made."""
    parts = conninfo_to_dict(database.url(names.ROLE_APP))
    changed = {
        "NAME": parts["dbname"],
        "USER": parts["user"],
        "PASSWORD": parts["password"],
        "HOST": parts["host"],
        "PORT": str(parts.get("port") or ""),
    }
    django_settings.DATABASES["default"].update(changed)
    connections["default"].settings_dict.update(changed)
    yield
    with django_db_blocker.unblock():
        connections.close_all()


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, settings: Any) -> None:
    """Folders of the test's own for whatever is written to disk."""
    settings.HOTCLUB_LANDING = tmp_path / "landing"
    settings.HOTCLUB_ARCHIVE = tmp_path / "archive"
    settings.HOTCLUB_CACHE = tmp_path / "cache"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Any, ...]]]:
    """What would have gone to the broker: (task name, arguments), in order."""
    from celery import Celery

    messages: list[tuple[str, tuple[Any, ...]]] = []

    def record(app: Any, name: str, args: tuple[Any, ...], queue: str) -> None:
        assert queue in names.QUEUES
        messages.append((name.removeprefix("django_app."), tuple(args)))

    monkeypatch.setattr(Celery, "send_task", record)
    return messages


@pytest.fixture
def stage(database: Database) -> Callable[[str, list[dict[str, Any]]], None]:
    """Stage rows of text for a delivery as data_checks does, by its own login.

    The tables stay until the server goes: dropping them would wait for the test's own transaction.
    """
    url = database.url(names.ROLE_STAGER)

    def make(delivery_id: str, rows: list[dict[str, Any]]) -> None:
        table = names.staging_table(delivery_id)
        columns = list(rows[0])
        with psycopg.connect(url, autocommit=True) as connection:
            place = sql.Identifier(names.SCHEMA_STAGING, table)
            definition = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(c)) for c in columns)
            connection.execute(sql.SQL("CREATE TABLE {} (_row bigint, {})").format(place, definition))
            places = sql.SQL(", ").join([sql.Placeholder()] * (len(columns) + 1))
            insert = sql.SQL("INSERT INTO {} VALUES ({})").format(place, places)
            for number, row in enumerate(rows, start=1):
                values = [None if row[c] is None else str(row[c]) for c in columns]
                connection.execute(insert, [number, *values])

    return make


@pytest.fixture
def users(db: None) -> dict[str, Any]:
    """Users by name: root, service, and one data owner and one viewer of EWR, one engineer of JFK."""
    from django.contrib.auth.models import User

    from django_app.tenants.models import Membership, Tenant
    from django_app.tenants.services import membership_ensure, service_account_ensure

    made: dict[str, Any] = {
        "root": User.objects.create_superuser("test-root", password="x"),
        "service": service_account_ensure(username="test-service", key="k" * 40),
    }
    for name, tenant, role in (
        ("owner", "EWR", Membership.Role.DATA_OWNER),
        ("viewer", "EWR", Membership.Role.VIEWER),
        ("engineer", "JFK", Membership.Role.ML_ENGINEER),
    ):
        user = User.objects.create_user(f"test-{name}", password="x", is_staff=True)
        membership_ensure(user=user, tenant=Tenant.objects.get(pk=tenant), role=role)
        made[name] = user
    return made


@pytest.fixture
def api(users: dict[str, Any]) -> Callable[[str], Any]:
    """Return an API client of a user by name."""
    from rest_framework.test import APIClient

    def client(name: str) -> Any:
        made = APIClient()
        made.force_authenticate(users[name])
        return made

    return client
