"""A PostgreSQL that many test processes share: started once, its address in a file that an environment variable names.

A process makes databases of its own there; Django's, with a slice of history in it, is a copy of a template, which
takes a tenth of a second instead of twenty.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from stack import database_roles, postgres
from tests import history

#: The file that `running` wrote.
VARIABLE: Final = "HOTCLUB_TEST_SERVERS"
TEMPLATE: Final = "hotclub_template"


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the shared server is.

    Attributes:
        passwords: of PostgreSQL's logins, by role.
    """

    admin_url: str
    passwords: dict[str, str]


def shared() -> Servers | None:
    """Return the server that was started for this process, or None: then it starts its own."""
    path = os.environ.get(VARIABLE)
    return Servers(**json.loads(Path(path).read_text())) if path else None


def make_passwords() -> dict[str, str]:
    """Return a fresh password for each role that logs in."""
    return {
        role: secrets.token_urlsafe(12)
        for role in (*database_roles.LOGIN_ROLES, *database_roles.DATABASE_ROLES)
    }


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a private PostgreSQL and yield the superuser's URL."""
    # Not in pytest's own folder: each pytest that starts makes it 0700, and a server started by root,
    # which runs as another user, would lose its data folder in the middle of a run.
    with (
        tempfile.TemporaryDirectory(prefix="hotclub-test-") as folder,
        postgres.temporary_server(Path(folder)) as url,
    ):
        yield url


@contextmanager
def running(folder: Path) -> Iterator[Path]:
    """Run PostgreSQL with the template in it; yield the file for `VARIABLE`."""
    folder.mkdir(parents=True, exist_ok=True)
    with postgres_server() as admin_url:
        made = Servers(admin_url, make_passwords())
        database_roles.provision(admin_url, made.passwords, TEMPLATE)
        history.fill(lambda role: database_roles.role_url(admin_url, role, made.passwords[role], TEMPLATE))
        file = folder / "servers.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(asdict(made)))
        yield file


def drop(admin_url: str, name: str) -> None:
    """Drop a database of this process: a shared server outlives it, and thousands of processes come by."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def copy_template(servers: Servers, name: str) -> None:
    """Make the database `name` a copy of the template, with the rights and settings that copies lose."""
    with psycopg.connect(servers.admin_url, autocommit=True) as connection:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
    database_roles.provision(servers.admin_url, servers.passwords, name)
