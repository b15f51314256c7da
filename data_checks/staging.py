"""A delivered file as a table of text, and a view of it with the contract's types.

The table is ``staging.delivery_<hex>``: one text column per column of the file, empty is NULL, and
`_row`, the row's number from 1. A file that is no table at all is staged empty, with the reason as
the table's comment, so that checking reports it instead of crashing on it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from hotclub import names
from hotclub.contract import ColumnSpec, SourceContract

_CHUNK: Final = 1 << 20
_HEADER_LIMIT: Final = 64 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_IDENTIFIER_BYTES: Final = 63
_MAX_COLUMNS: Final = 500
#: PostgreSQL also takes 'today', 'infinity' or '1 Nov 13' as a date; a file must say which day it means.
_SHAPES: Final = {
    "date": r"^\d\d\d\d-\d\d-\d\d$",
    "timestamptz": r"^\d\d\d\d-\d\d-\d\d[ T]\d\d:\d\d",
    "float8": r"^\s*[+-]?[\d.]",
    "numeric": r"^\s*[+-]?[\d.]",
}


@dataclass(frozen=True, slots=True)
class Staged:
    """What was staged: the table's qualified name, its rows, and why the file is no table, if so."""

    table: str
    rows: int
    problem: str | None


def table_name(delivery: str) -> str:
    """Return the staging table of a delivery (a UUID), without its schema."""
    return names.staging_table(delivery)


def typed_view_name(delivery: str) -> str:
    """Return the view of a staging table with the contract's types, without its schema."""
    return names.staging_table(delivery) + "_typed"


def _in_schema(name: str) -> sql.Identifier:
    return sql.Identifier(names.SCHEMA_STAGING, name)


def _qualified(delivery: str) -> str:
    return f"{names.SCHEMA_STAGING}.{table_name(delivery)}"


class _NotATableError(Exception):
    """Why a file cannot become a table."""


def read_header(path: Path) -> list[str]:
    """Return the file's column names, ready to be a table's.

    Raises:
        _NotATableError: they cannot be, with the reason.
    """
    with path.open("rb") as file:
        line = file.readline(_HEADER_LIMIT).removeprefix(_BOM)
    try:
        header = next(csv.reader([line.decode("utf-8")], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise _NotATableError(f"the first line is not CSV in UTF-8: {error}") from error
    if not any(header):
        raise _NotATableError("the file has no header line")
    if len(header) > _MAX_COLUMNS:
        raise _NotATableError(f"the header has {len(header)} columns, more than {_MAX_COLUMNS}")
    for position, name in enumerate(header, start=1):
        if not name:
            raise _NotATableError(f"column {position} of the header has no name")
        if name == names.COLUMN_ROW or "\0" in name or len(name.encode()) > _IDENTIFIER_BYTES:
            raise _NotATableError(f"column {position} has a name that a table cannot have: {name[:80]!r}")
        if header.count(name) > 1:
            raise _NotATableError(f"the header names the column {name!r} twice")
    return header


def stage(url: str, delivery: str, path: Path) -> Staged:
    """Copy a CSV file with a header into the delivery's staging table, which is made anew.

    Everything happens in one transaction: a command that is killed leaves the table as it was.
    """
    rows, problem = 0, None
    with psycopg.connect(url) as connection:
        _lock(connection, delivery)
        try:
            header = read_header(path)
            with connection.transaction():
                _create(connection, delivery, header)
                rows = _copy(connection, delivery, header, path)
        except _NotATableError as error:
            problem = str(error)
        except psycopg.DataError as error:
            problem = _reason(error)
        if problem is not None:
            _create(connection, delivery, [])
            _comment(connection, delivery, problem)
    return Staged(_qualified(delivery), rows, problem)


def unstage(url: str, delivery: str) -> bool:
    """Drop the delivery's staging table with its view; return whether it was there."""
    with psycopg.connect(url) as connection:
        _lock(connection, delivery)
        there = table_columns(connection, delivery) is not None
        connection.execute(_drop(delivery))
    return there


def table_columns(connection: psycopg.Connection, delivery: str) -> list[str] | None:
    """Return the staged file's columns in its order, without `_row`; None when nothing is staged."""
    cursor = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
        " ORDER BY attnum",
        [_qualified(delivery)],
    )
    columns = [name for (name,) in cursor]
    return [name for name in columns if name != names.COLUMN_ROW] if columns else None


def staged_problem(connection: psycopg.Connection, delivery: str) -> str | None:
    """Return why the delivered file is no table, as staging found it."""
    row = connection.execute(
        "SELECT obj_description(to_regclass(%s), 'pg_class')",
        [_qualified(delivery)],
    ).fetchone()
    return json.loads(row[0])["problem"] if row and row[0] else None


def count_rows(connection: psycopg.Connection, delivery: str) -> int:
    """Return how many rows are staged."""
    query = sql.SQL("SELECT count(*) FROM {}").format(_in_schema(table_name(delivery)))
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def create_typed_view(connection: psycopg.Connection, delivery: str, contract: SourceContract) -> None:
    """Make the view with the contract's types, where a value that cannot be cast is NULL.

    It lives in the staging schema and goes with its table. Times without a zone are read in the zone
    of the session, so the session has to be in the source's.
    """
    columns = [sql.Identifier(names.COLUMN_ROW), *(_typed(column) for column in contract.schema.columns)]
    _lock(connection, delivery)
    connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(_in_schema(typed_view_name(delivery))))
    connection.execute(
        sql.SQL("CREATE VIEW {} AS SELECT {} FROM {}").format(
            _in_schema(typed_view_name(delivery)),
            sql.SQL(", ").join(columns),
            _in_schema(table_name(delivery)),
        )
    )


def castable_condition(column: ColumnSpec) -> str:
    """Return an SQL condition: the text of `column` is a value of its type, and a finite one."""
    name = sql.Identifier(column.name).as_string()
    valid = f"pg_input_is_valid({name}, '{column.type}')"
    shape = _SHAPES.get(column.type)
    return f"({name} ~ '{shape}' AND {valid})" if shape else valid


def _typed(column: ColumnSpec) -> sql.Composable:
    name = sql.Identifier(column.name)
    if column.type == "text":
        return name
    # CASE evaluates in order, so the cast never meets a value that the condition refuses.
    return sql.SQL("CASE WHEN {} THEN {}::{} END AS {}").format(
        sql.SQL(castable_condition(column)),
        name,
        sql.SQL(column.type),
        name,
    )


def _lock(connection: psycopg.Connection, delivery: str) -> None:
    # A killed scheduler leaves its task running and starts another: one of the two waits here.
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [delivery])


def _drop(delivery: str) -> sql.Composed:
    return sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(_in_schema(table_name(delivery)))


def _create(connection: psycopg.Connection, delivery: str, columns: Sequence[str]) -> None:
    connection.execute("SET LOCAL client_min_messages = warning")
    connection.execute(_drop(delivery))
    row = sql.SQL("{} bigint GENERATED ALWAYS AS IDENTITY").format(sql.Identifier(names.COLUMN_ROW))
    definitions = [row, *(sql.SQL("{} text").format(sql.Identifier(name)) for name in columns)]
    connection.execute(
        sql.SQL("CREATE TABLE {} ({})").format(
            _in_schema(table_name(delivery)), sql.SQL(", ").join(definitions)
        )
    )


def _copy(connection: psycopg.Connection, delivery: str, columns: Sequence[str], path: Path) -> int:
    # FORCE_NULL: a quoted empty string is missing, too. COPY appends in the file's order, so the
    # identity column numbers the rows as they lie in the file.
    command = sql.SQL(
        "COPY {} ({}) FROM STDIN (FORMAT csv, HEADER true, ENCODING 'UTF8', FORCE_NULL *)"
    ).format(_in_schema(table_name(delivery)), sql.SQL(", ").join(map(sql.Identifier, columns)))
    with connection.cursor() as cursor, path.open("rb") as file:
        if file.read(len(_BOM)) != _BOM:
            file.seek(0)
        with cursor.copy(command) as copy:
            while chunk := file.read(_CHUNK):
                copy.write(chunk)
        return cursor.rowcount


def _comment(connection: psycopg.Connection, delivery: str, problem: str) -> None:
    text = sql.Literal(json.dumps({"problem": problem}))
    connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(_in_schema(table_name(delivery)), text))


def _reason(error: psycopg.Error) -> str:
    primary = error.diag.message_primary or str(error)
    _, found, line = (error.diag.context or "").partition(", line ")
    return f"line {line.split(':')[0].split(',')[0]}: {primary}" if found else primary
