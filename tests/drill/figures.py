"""What is in the tables, as counts and checksums that do not depend on ids and on the order of rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql

from hotclub import names

#: Everything that a delivery writes, but for the deliveries themselves.
TABLES: Final = (
    "flights_flight",
    "flights_routehistory",
    "flights_carrierroutehistory",
    "flights_originhistory",
    "flights_carrierhistory",
    "flights_aircrafthistory",
)
#: Given by a sequence, which a load that was rolled back moves on.
_IDS: Final = ("id",)


@dataclass(frozen=True, slots=True)
class Figures:
    """Rows, and the sum of their 64-bit hashes: a row that is there twice counts twice."""

    rows: int
    checksum: str


def connect(url: str) -> psycopg.Connection:
    """Return a connection that prints times in UTC, each statement in a transaction of its own."""
    return psycopg.connect(url, autocommit=True, options="-c TimeZone=UTC", connect_timeout=10)


def table(connection: psycopg.Connection, name: str) -> Figures:
    """Return the figures of a whole table, without its ids."""
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = %s AND NOT column_name = ANY(%s) ORDER BY column_name",
        [names.SCHEMA_TABLES, name, list(_IDS)],
    )
    columns = [sql.Identifier(row[0]) for row in found]
    assert columns, f"no table {name}"
    return _figures(connection, sql.SQL(", ").join(columns), sql.Identifier(name), sql.SQL("true"), {})


def tables(connection: psycopg.Connection) -> dict[str, Figures]:
    """Return the figures of every table that deliveries write."""
    return {name: table(connection, name) for name in TABLES}


def predictions(connection: psycopg.Connection, batch: UUID | str) -> Figures:
    """Return the figures of a batch's entities and scores."""
    columns = sql.SQL("entity, tenant_id, event_time, score, scores")
    where = sql.SQL("batch_id = %(batch)s")
    return _figures(connection, columns, sql.Identifier("scoring_prediction"), where, {"batch": batch})


def _figures(
    connection: psycopg.Connection,
    columns: sql.Composable,
    relation: sql.Composable,
    where: sql.Composable,
    values: Mapping[str, Any],
) -> Figures:
    query = sql.SQL(
        "SELECT count(*), coalesce(sum(hashtextextended(ROW({})::text, 0)::numeric), 0)::text FROM {} WHERE {}"
    ).format(columns, relation, where)
    row = connection.execute(query, dict(values)).fetchone()
    assert row is not None
    return Figures(row[0], row[1])


def deliveries(connection: psycopg.Connection, day: dt.date) -> list[list[Any]]:
    """Return what is kept of each delivery of a day: the file, how it ended and its counts."""
    found = connection.execute(
        "SELECT source, tenant_id, sha256, status, rows_staged, rows_loaded, rows_changed, rows_unchanged,"
        " reasons, warnings FROM ingest_delivery WHERE day = %s ORDER BY source, tenant_id, sha256",
        [day],
    )
    return [list(row) for row in found]


def staged(connection: psycopg.Connection) -> list[str]:
    """Return the tables and views of the staging schema."""
    found = connection.execute(
        "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE nspname = %s AND relkind IN ('r', 'v') ORDER BY relname",
        [names.SCHEMA_STAGING],
    )
    return [row[0] for row in found]


def day_batches(connection: psycopg.Connection, day: dt.date) -> list[tuple[UUID, str, str, str, int]]:
    """Return id, model, tenant, status and rows of each batch over one tenant's day."""
    found = connection.execute(
        "SELECT id, model_name, tenant_id, status, rows_total FROM scoring_batch"
        " WHERE day = %s AND tenant_id IS NOT NULL ORDER BY model_name, tenant_id, created_at",
        [day],
    )
    return found.fetchall()
