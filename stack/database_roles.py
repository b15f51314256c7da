"""Logins, databases, schemas and grants of PostgreSQL: who may do what.

`provision` may run any number of times on a server of ours or of someone else's. It makes what is
missing and restores the grants that Hotclub needs. What an administrator granted beyond them
stays: PUBLIC loses its rights once, when a database or schema becomes ours, and nothing is dropped.
Passwords of roles that are there are set on a server of ours alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from hotclub import names
from stack.errors import StackError

ROLE_AIRFLOW: Final = "airflow"
ROLE_MLFLOW: Final = "mlflow"
DATABASE: Final = "hotclub"
#: Roles that own things and cannot log in.
OWNING_ROLES: Final = (names.ROLE_OWNER, names.ROLE_VIEWS)
#: Hotclub's own logins; each part has one.
LOGIN_ROLES: Final = (
    names.ROLE_MIGRATOR,
    names.ROLE_APP,
    names.ROLE_READER,
    names.ROLE_STAGER,
    names.ROLE_SERVING,
)
#: Services with a database of their own, named like their role.
DATABASE_ROLES: Final = (ROLE_AIRFLOW, ROLE_MLFLOW)
#: Any number: it keeps two provisioning runs on one server apart.
_LOCK: Final = 0x686F74636C7562

_DATABASE_RIGHTS: Final[dict[str, str]] = {
    names.ROLE_OWNER: "CONNECT, TEMPORARY, CREATE",
    names.ROLE_VIEWS: "CONNECT",
    names.ROLE_MIGRATOR: "CONNECT, TEMPORARY",
    names.ROLE_APP: "CONNECT, TEMPORARY",
    names.ROLE_READER: "CONNECT",
    names.ROLE_STAGER: "CONNECT, TEMPORARY",
    names.ROLE_SERVING: "CONNECT",
}
_SCHEMA_OWNERS: Final[dict[str, str]] = {
    names.SCHEMA_TABLES: names.ROLE_OWNER,
    names.SCHEMA_FEATURES: names.ROLE_VIEWS,
    names.SCHEMA_STAGING: names.ROLE_STAGER,
}
_SCHEMA_USERS: Final[dict[str, tuple[str, ...]]] = {
    names.SCHEMA_TABLES: (names.ROLE_VIEWS, names.ROLE_APP),
    names.SCHEMA_FEATURES: (names.ROLE_OWNER, names.ROLE_READER, names.ROLE_SERVING, names.ROLE_APP),
    names.SCHEMA_STAGING: (names.ROLE_APP,),
}
#: (schema, kind, rights, roles): what holds for what is there and for what its schema's owner will make.
_OBJECT_RIGHTS: Final = (
    (names.SCHEMA_TABLES, "TABLES", "SELECT, INSERT, UPDATE, DELETE", (names.ROLE_APP,)),
    (names.SCHEMA_TABLES, "SEQUENCES", "USAGE, SELECT, UPDATE", (names.ROLE_APP,)),
    (
        names.SCHEMA_FEATURES,
        "TABLES",
        "SELECT",
        (names.ROLE_READER, names.ROLE_SERVING, names.ROLE_APP),
    ),
    (names.SCHEMA_STAGING, "TABLES", "SELECT", (names.ROLE_APP,)),
)


def role_url(admin_url: str, role: str, password: str, database: str = DATABASE) -> str:
    """Return the URL of ``role`` on the server of ``admin_url``, over socket or TCP as there."""
    parts = urlsplit(admin_url)
    address = parts.netloc.rpartition("@")[2]
    netloc = f"{quote(role, safe='')}:{quote(password, safe='')}@{address}"
    return urlunsplit((parts.scheme, netloc, f"/{quote(database, safe='')}", parts.query, ""))


def database_url(admin_url: str, database: str) -> str:
    """Return ``admin_url`` with another database."""
    parts = urlsplit(admin_url)
    return urlunsplit((parts.scheme, parts.netloc, f"/{quote(database, safe='')}", parts.query, ""))


def provision(
    admin_url: str,
    passwords: Mapping[str, str],
    database: str = DATABASE,
    *,
    reset_passwords: bool = True,
) -> None:
    """Make roles, databases, schemas and grants, or update them.

    Args:
        admin_url: a login that may create roles and databases; a superuser is not needed.
        passwords: by role. Every role of `LOGIN_ROLES` must be there; for each of `DATABASE_ROLES`
            that is there, its role and database are made too.
        database: where Hotclub's schemas go.
        reset_passwords: whether roles that are there get these passwords and may log in; if not, they
            stay as the server's administrator left them, and a login that fails is reported.

    Raises:
        KeyError: a login role has no password.
        StackError: a role that stayed as it was cannot log in.
        psycopg.Error: the server refused.
    """
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        kept = _make_roles(connection, passwords, reset_passwords=reset_passwords)
        _make_database(connection, database, names.ROLE_OWNER)
        for role in DATABASE_ROLES:
            if role in passwords:
                _make_database(connection, role, role)
        for role, rights in _DATABASE_RIGHTS.items():
            _run(connection, f"GRANT {rights} ON DATABASE {{}} TO {{}}", database, role)
        # The migrator acts as the owner from its first statement on, so tables never belong to a login.
        _run(connection, "ALTER ROLE {} IN DATABASE {} SET role = {}", names.ROLE_MIGRATOR, database,
             names.ROLE_OWNER)  # fmt: skip
        with psycopg.connect(database_url(admin_url, database)) as inside:
            _make_schemas(inside)
            _grant_objects(inside)
    for role in kept:
        _require_login(
            role_url(admin_url, role, passwords[role], role if role in DATABASE_ROLES else database)
        )


def close_maintenance_databases(admin_url: str) -> None:
    """Let only superusers connect to ``postgres`` and ``template1``: for servers that are ours alone."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        for database in ("postgres", "template1"):
            _run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database)


def _run(connection: psycopg.Connection, statement: str, *identifiers: str) -> None:
    """Execute ``statement`` with its ``{}`` replaced by quoted identifiers."""
    # The statements are literals of this module; what varies is quoted.
    template = sql.SQL(statement)
    connection.execute(template.format(*(sql.Identifier(name) for name in identifiers)))


def _make_roles(
    connection: psycopg.Connection, passwords: Mapping[str, str], *, reset_passwords: bool
) -> list[str]:
    """Make what is missing, and return the logins that stay as they were."""
    known = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
    services = [role for role in DATABASE_ROLES if role in passwords]
    for role in (*OWNING_ROLES, *LOGIN_ROLES, *services):
        if role not in known:
            _run(connection, "CREATE ROLE {} NOINHERIT NOLOGIN", role)
    kept = [role for role in (*LOGIN_ROLES, *services) if role in known and not reset_passwords]
    for role in (*LOGIN_ROLES, *services):
        if role in kept:
            continue
        # Hashed here, so that no server log ever holds the password.
        hashed = connection.pgconn.encrypt_password(
            passwords[role].encode(), role.encode(), b"scram-sha-256"
        ).decode()
        statement = sql.SQL("ALTER ROLE {} LOGIN NOINHERIT PASSWORD {}")
        connection.execute(statement.format(sql.Identifier(role), sql.Literal(hashed)))
    for owner in OWNING_ROLES:
        _run(connection, "GRANT {} TO {} WITH INHERIT FALSE, SET TRUE", owner, names.ROLE_MIGRATOR)
    _let_administrator_act_as(connection, (*OWNING_ROLES, *LOGIN_ROLES, *services))
    return kept


def _require_login(url: str) -> None:
    role = urlsplit(url).username
    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.OperationalError as error:
        raise StackError(
            f"PostgreSQL refuses the login of {role} with the password in secrets.json: {error}",
            "If its password was changed on the server, write the new one into secrets.json, under role_passwords. "
            "To set every role's password to that of secrets.json: python -m stack provision --reset-passwords",
        ) from error


def _let_administrator_act_as(connection: psycopg.Connection, roles: Iterable[str]) -> None:
    """Give an administrator who is no superuser the right to make things that other roles own."""
    row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    if row is not None and row[0]:
        return
    for role in roles:
        _run(connection, "GRANT {} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE", role)


def _make_database(connection: psycopg.Connection, database: str, owner: str) -> None:
    found = connection.execute(
        "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", [database]
    ).fetchone()
    if found == (owner,):
        return
    if found is None:
        _run(connection, "CREATE DATABASE {} OWNER {}", database, owner)
    else:
        _run(connection, "ALTER DATABASE {} OWNER TO {}", database, owner)
    _run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database)


def _make_schemas(connection: psycopg.Connection) -> None:
    for schema, owner in _SCHEMA_OWNERS.items():
        found = connection.execute(
            "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = %s", [schema]
        ).fetchone()
        if found is None:
            _run(connection, "CREATE SCHEMA {} AUTHORIZATION {}", schema, owner)
        elif found != (owner,):
            _run(connection, "ALTER SCHEMA {} OWNER TO {}", schema, owner)
        if found != (owner,):
            _run(connection, "REVOKE ALL ON SCHEMA {} FROM PUBLIC", schema)
        for role in _SCHEMA_USERS[schema]:
            _run(connection, "GRANT USAGE ON SCHEMA {} TO {}", schema, role)


def _grant_objects(connection: psycopg.Connection) -> None:
    rights_of_version = [*_OBJECT_RIGHTS]
    if connection.info.server_version >= 170000:
        # ANALYZE after a large load: the next query is planned before autovacuum comes by.
        rights_of_version.append((names.SCHEMA_TABLES, "TABLES", "MAINTAIN", (names.ROLE_APP,)))
    for schema, kind, rights, roles in rights_of_version:
        owner = _SCHEMA_OWNERS[schema]
        for role in roles:
            _run(
                connection,
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {{}} IN SCHEMA {{}} GRANT {rights} ON {kind} TO {{}}",
                owner,
                schema,
                role,
            )
            _run(connection, f"GRANT {rights} ON ALL {kind} IN SCHEMA {{}} TO {{}}", schema, role)
