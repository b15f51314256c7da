"""Feature views in PostgreSQL: what is there, what is built from a contract, and by which role.

They are no part of migrations: one belongs to a contract file, and `guard` keeps it while its tables change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import cast

import psycopg
from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import DatabaseWrapper
from psycopg import sql

from django_app.psycopg_errors import sqlstate
from hotclub import names
from hotclub.contract import ModelContract
from hotclub.errors import ContractError

#: SQLSTATE classes and codes of "this definition does not fit these tables"; another error is not the view's fault.
_DOES_NOT_FIT = ("42", "22", "0A", "2B")
_NO_RIGHT = "42501"


@dataclass(frozen=True, slots=True)
class Definition:
    """A feature view as PostgreSQL holds it: with the present names of tables and columns.

    `fingerprint` is that of its contract, None where the view has no comment.
    """

    name: str
    owner: str
    body: str
    fingerprint: str | None


def definitions(connection: BaseDatabaseWrapper) -> dict[str, Definition]:
    """Return the feature views that are there, by name without schema."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, pg_get_userbyid(c.relowner), pg_get_viewdef(c.oid), obj_description(c.oid, 'pg_class')"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relkind = 'v' AND c.relname LIKE %s ORDER BY c.relname",
            [names.SCHEMA_FEATURES, "ml\\_%"],
        )
        return {row[0]: Definition(*row) for row in cursor.fetchall()}


def fingerprints(connection: BaseDatabaseWrapper) -> dict[str, str | None]:
    """Return the contract fingerprint of each feature view that is there, by name without schema."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, obj_description(c.oid, 'pg_class')"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relkind = 'v'",
            [names.SCHEMA_FEATURES],
        )
        return dict(cursor.fetchall())


def name_of(contract: ModelContract) -> str:
    """Return the name of a contract version's view, without its schema."""
    return names.view_name(contract.name, contract.version)


def build(
    connection: BaseDatabaseWrapper,
    contracts: Iterable[ModelContract],
    saved: Mapping[str, Definition] | None = None,
) -> tuple[list[str], dict[str, str]]:
    """Build views that are missing, and those that are of another contract.

    Call it outside a transaction: each view is a transaction of its own, in which the role is changed.
    Those that can be built are built, even when others fail.

    Args:
        connection: as the tables' owner, or as a login that may make everything.
        contracts: the versions whose views are wanted.
        saved: definitions of views that were there a moment ago: they follow renamed columns, the contract does not.

    Returns:
        The names of views that were built, and PostgreSQL's reason for each that cannot be.

    Raises:
        ContractError: this login may not make views here at all; with the fix.
        django.db.DatabaseError: PostgreSQL failed for a reason that is none of a view's.
    """
    there = fingerprints(connection)
    built: list[str] = []
    broken: dict[str, str] = {}
    for contract in contracts:
        name = name_of(contract)
        if there.get(name) == contract.fingerprint:
            continue
        definition = (saved or {}).get(name)
        if definition is not None and definition.fingerprint == contract.fingerprint:
            reason = put_back(connection, definition, contract)
        else:
            reason = _attempt(connection, partial(_create, connection, contract, replace=name in there))
        if reason:
            broken[name] = reason
        else:
            built.append(name)
    return built, broken


def put_back(connection: BaseDatabaseWrapper, definition: Definition, contract: ModelContract | None) -> str:
    """Build a view that was there from its saved definition, else from its contract.

    Returns:
        PostgreSQL's reason when neither can be built, else the empty text.
    """
    reason = _attempt(connection, lambda: _restore(connection, definition))
    if reason and contract is not None:
        return _attempt(connection, lambda: _create(connection, contract, replace=False))
    return reason


def drop(connection: BaseDatabaseWrapper, definition: Definition) -> None:
    """Drop a view, as its owner, within the caller's transaction."""
    with acting_as(connection, _role_of(connection, definition.owner)), connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP VIEW {}").format(_qualified(definition.name)))


def refusal(connection: BaseDatabaseWrapper, contract: ModelContract) -> str:
    """Return why PostgreSQL refuses a view's SQL, empty when it does not or cannot tell.

    Tables and columns that are not there tell nothing: their migration may be waiting.
    """
    view = contract.schema.view
    try:
        with transaction.atomic(using=connection.alias):
            client = psycopg.ClientCursor(connection.connection)
            # Read and typed by the server, not executed: no right on the tables is needed.
            client.execute(f"PREPARE hotclub_trial AS {client.mogrify(view.sql, view.params)}")
            client.execute("DEALLOCATE hotclub_trial")
    except (psycopg.Error, DatabaseError) as error:
        state = sqlstate(error)
        known = state.startswith(_DOES_NOT_FIT) and state not in (_NO_RIGHT, "42P01", "42703")
        return str(error).strip().splitlines()[0] if known else ""
    return ""


def _attempt(connection: BaseDatabaseWrapper, make: Callable[[], None]) -> str:
    """Run a builder in a transaction or savepoint; return PostgreSQL's reason when the definition does not fit."""
    try:
        with transaction.atomic(using=connection.alias):
            make()
    # Django wraps psycopg's errors, except those of its own cursors.
    except (psycopg.Error, DatabaseError) as error:
        state = sqlstate(error)
        if state == _NO_RIGHT or not state.startswith(_DOES_NOT_FIT):
            raise
        return str(error).strip().splitlines()[0]
    return ""


def _restore(connection: BaseDatabaseWrapper, definition: Definition) -> None:
    with acting_as(connection, _role_of(connection, definition.owner)), connection.cursor() as cursor:
        name = _qualified(definition.name).as_string(connection.connection)
        cursor.execute(f"CREATE VIEW {name} AS {definition.body.rstrip().removesuffix(';')}")
        if definition.fingerprint is not None:
            cursor.execute(_comment(definition.name, definition.fingerprint))


def _create(connection: BaseDatabaseWrapper, contract: ModelContract, *, replace: bool) -> None:
    view = contract.schema.view
    name = name_of(contract)
    if replace:
        drop(connection, definitions(connection)[name])
    role = require_maker(connection)
    with connection.cursor() as cursor:
        if role is not None:
            # Only what the view reads; the tables' owner grants it, the views' owner uses it.
            tables = sql.SQL(", ").join(sql.Identifier(names.SCHEMA_TABLES, table) for table in view.reads)
            cursor.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(tables, sql.Identifier(role)))
        with acting_as(connection, role):
            # CREATE VIEW takes no server-side parameters: the client puts the values in, quoted.
            client = psycopg.ClientCursor(connection.connection)
            body = client.mogrify(view.sql, view.params)
            qualified = _qualified(name).as_string(connection.connection)
            client.execute(f"CREATE VIEW {qualified} AS {body}")
            client.execute(_comment(name, contract.fingerprint))


def _comment(name: str, fingerprint: str) -> sql.Composed:
    return sql.SQL("COMMENT ON VIEW {} IS {}").format(_qualified(name), sql.Literal(fingerprint))


def _qualified(name: str) -> sql.Identifier:
    return sql.Identifier(names.SCHEMA_FEATURES, name)


def require_maker(connection: BaseDatabaseWrapper) -> str | None:
    """Return the role that new views belong to; None for this login itself.

    What counts is what a role may do in this database: roles belong to the server, and may be there for another database.

    Raises:
        ContractError: neither may make a view here; with the fix.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT bool_or(pg_has_role(session_user, oid, %s) AND has_schema_privilege(oid, %s, 'CREATE')"
            "  AND has_schema_privilege(oid, %s, 'USAGE') AND has_schema_privilege(oid, %s, 'USAGE'))"
            " FROM pg_roles WHERE rolname = %s",
            [
                _may_act_as(connection),
                names.SCHEMA_FEATURES,
                names.SCHEMA_FEATURES,
                names.SCHEMA_TABLES,
                names.ROLE_VIEWS,
            ],
        )
        if cursor.fetchone()[0]:
            return names.ROLE_VIEWS
        cursor.execute(
            "SELECT has_schema_privilege(oid, 'CREATE') AND has_schema_privilege(oid, 'USAGE'), current_user,"
            " current_database(), pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = %s",
            [names.SCHEMA_FEATURES],
        )
        allowed, user, database, owner = cursor.fetchone()
    if not allowed:
        raise ContractError(
            f"{user} may not make views in the schema {names.SCHEMA_FEATURES} of the database {database}, which belongs to "
            f"{owner}. Run `python -m stack provision` for this database, or as {owner}: "
            f'GRANT USAGE, CREATE ON SCHEMA {names.SCHEMA_FEATURES} TO "{user}"'
        )
    return None


def _may_act_as(connection: BaseDatabaseWrapper) -> str:
    """Return the right that `SET ROLE` needs, as `pg_has_role` calls it: a right of its own since PostgreSQL 16."""
    # The stubs know only the base class of all backends; here it is always PostgreSQL.
    return "SET" if cast("DatabaseWrapper", connection).pg_version >= 160000 else "MEMBER"


def _role_of(connection: BaseDatabaseWrapper, owner: str) -> str | None:
    """Return the owner of a view where this login has to act as it and may."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT %s <> current_user AND pg_has_role(session_user, %s, %s)",
            [owner, owner, _may_act_as(connection)],
        )
        return owner if cursor.fetchone()[0] else None


@contextmanager
def acting_as(connection: BaseDatabaseWrapper, role: str | None) -> Iterator[None]:
    """Act as a role until the end of the block, within a transaction; as this login for None.

    After an error the caller's savepoint restores the role.
    """
    if role is None:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('role')")
        before = cursor.fetchone()[0]
        cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        yield
        back = sql.SQL("NONE") if before == "none" else sql.Identifier(before)
        cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(back))


def ensure_schema(connection: BaseDatabaseWrapper) -> None:
    """Create the schema of the feature views where it was not provisioned: a project with a single login."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)", [names.SCHEMA_FEATURES])
        if not cursor.fetchone()[0]:
            cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(names.SCHEMA_FEATURES)))
