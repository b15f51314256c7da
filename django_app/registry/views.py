"""Feature views in PostgreSQL: dropped before what they read changes, rebuilt afterwards.

They are no part of migrations: PostgreSQL refuses to alter a column that a view uses, and Django's
RemoveField would drop the view without a word.
"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from hotclub import names
from hotclub.contract import ModelContract
from hotclub.errors import ContractError

_PREFIX = "ml\\_%"


def existing(connection: BaseDatabaseWrapper) -> set[str]:
    """Return the feature views that are there, without their schema."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT viewname FROM pg_views WHERE schemaname = %s AND viewname LIKE %s",
            [names.SCHEMA_FEATURES, _PREFIX],
        )
        return {name for (name,) in cursor.fetchall()}


def drop_all(connection: BaseDatabaseWrapper) -> set[str]:
    """Drop every feature view and return their names."""
    found = existing(connection)
    if found:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            _act_as_views_role(connection)
            for name in sorted(found):
                cursor.execute(sql.SQL("DROP VIEW {}").format(_qualified(name)))
    return found


def build(connection: BaseDatabaseWrapper, contracts: Iterable[ModelContract]) -> list[str]:
    """Build the views that are missing and return their names.

    Call it outside a transaction: each view is a transaction of its own, in which the role is changed.
    Those that can be built are built and stay, whatever happens to the others: what still serves goes on serving.

    Raises:
        ContractError: a version's view can no longer be built; names each such version and PostgreSQL's reason.
    """
    there = existing(connection)
    built: list[str] = []
    broken: list[str] = []
    for contract in contracts:
        name = names.view_name(contract.name, contract.version)
        if name in there:
            continue
        try:
            with transaction.atomic(using=connection.alias):
                _create(connection, contract)
        # Django wraps psycopg's errors; both say that PostgreSQL refused the statement.
        except (psycopg.Error, DatabaseError) as error:
            reason = str(error).strip().splitlines()[0]
            broken.append(f"{contract.name} version {contract.version} ({name}): {reason}")
        else:
            built.append(name)
    if broken:
        raise ContractError(
            "these contract versions are newest or in use, and their views can no longer be built:\n  "
            + "\n  ".join(broken)
            + "\nBring the columns back, or change ml.py, run makecontracts and train, then move the alias "
            "off the old version and let its unfinished batches end."
        )
    return built


def _create(connection: BaseDatabaseWrapper, contract: ModelContract) -> None:
    view = contract.schema.view
    with connection.cursor() as cursor:
        if _has_views_role(connection):
            # Only what the view reads; the tables' owner grants it, the views' owner uses it.
            tables = sql.SQL(", ").join(sql.Identifier(names.SCHEMA_TABLES, table) for table in view.reads)
            role = sql.Identifier(names.ROLE_VIEWS)
            cursor.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(tables, role))
            _act_as_views_role(connection)
        # CREATE VIEW takes no server-side parameters: the client puts the values in, quoted.
        client = psycopg.ClientCursor(connection.connection)
        body = client.mogrify(view.sql, view.params)
        name = _qualified(names.view_name(contract.name, contract.version)).as_string(connection.connection)
        client.execute(f"CREATE VIEW {name} AS {body}")
        comment = sql.SQL("COMMENT ON VIEW {} IS {}").format(
            _qualified(names.view_name(contract.name, contract.version)), sql.Literal(contract.fingerprint)
        )
        client.execute(comment)


def _qualified(name: str) -> sql.Identifier:
    return sql.Identifier(names.SCHEMA_FEATURES, name)


def _has_views_role(connection: BaseDatabaseWrapper) -> bool:
    """Return whether this login may act as the views' owner; a plain project may have a single login."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s AND pg_has_role(session_user, oid, 'MEMBER'))",
            [names.ROLE_VIEWS],
        )
        return bool(cursor.fetchone()[0])


def _act_as_views_role(connection: BaseDatabaseWrapper) -> None:
    if _has_views_role(connection):
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(names.ROLE_VIEWS)))


def ensure_schema(connection: BaseDatabaseWrapper) -> None:
    """Create the schema of the feature views where nobody provisioned it: a project with a single login."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)", [names.SCHEMA_FEATURES])
        if not cursor.fetchone()[0]:
            cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(names.SCHEMA_FEATURES)))
