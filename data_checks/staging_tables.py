"""A delivered file as a table of text, and views of it that checks run on.

The table is ``staging.delivery_<hex>``: one text column per column of the contract, empty is NULL, and `_row`, the
line of the file on which the row begins. A file that is no such table is staged empty, with the reasons as the
table's comment, so that checking reports them instead of crashing on the file.

Checks read two views of it, as text and with the contract's types, under names that Great Expectations can handle.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import psycopg
from psycopg import sql

from data_checks import header, message_text
from data_checks.delivered_file import DeliveredFile, NotATableError, opened
from data_checks.errors import StagingError
from data_checks.values import is_value
from hotclub import names
from hotclub.contract import ColumnSpec, SourceContract

_ROWS_AT_ONCE: Final = 5_000
#: Names that need no quotes beyond SQL's own, in any library on the way.
_PLAIN: Final = re.compile(r"[A-Za-z_]([A-Za-z0-9_ ]{0,61}[A-Za-z0-9_])?")
#: What a report says that these reasons fail.
UNREADABLE: Final = "FileIsReadable"
OTHER_COLUMNS: Final = "ExpectTableColumnsToMatchSet"
_MAX_NOTED_ROWS: Final = 5


#: What a check reads: the staged text, or the values of the contract's types.
ViewKind = Literal["raw", "typed"]


@dataclass(frozen=True, slots=True)
class Notes:
    """What staging found out about a file in addition to its rows, kept as the table's comment.

    Attributes:
        expectation: which of the two the problems are of, if there are any.
        problems: why the file is no table of the contract's columns, a sentence each.
        long_rows: the first and last line of rows that go over suspiciously many lines.
    """

    expectation: str = UNREADABLE
    problems: tuple[str, ...] = ()
    long_rows: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class StagedFile:
    """What was staged: the table's qualified name, its rows, and why the file is no table, if so."""

    table: str
    rows: int
    problem: str | None


def table_name(delivery: str) -> str:
    """Return the staging table of a delivery (a UUID), without its schema."""
    return names.staging_table(delivery)


def view_name(delivery: str, on: ViewKind) -> str:
    """Return the view that checks read, without its schema."""
    return f"{names.staging_table(delivery)}_{on}"


def aliases(contract: SourceContract) -> dict[str, str]:
    """Return the name in the views of every column of the contract.

    A plain name stays, so that a declared query may use it. Another one (a colon, a quote, a percent sign would be
    read as SQL's or SQLAlchemy's own) goes by the database column that it loads into, else by its place.
    """
    columns = contract.schema.columns
    spelled = Counter([names.COLUMN_ROW, *(column.name.lower() for column in columns)])
    plain = {c.name for c in columns if _PLAIN.fullmatch(c.name) and spelled[c.name.lower()] == 1}
    taken = {names.COLUMN_ROW, *(name.lower() for name in plain)}
    found: dict[str, str] = {}
    for place, column in enumerate(columns, start=1):
        choices = (column.name,) if column.name in plain else _aliases(column, place)
        found[column.name] = next(c for c in choices if column.name in plain or c.lower() not in taken)
        taken.add(found[column.name].lower())
    return found


def _aliases(column: ColumnSpec, place: int) -> Iterator[str]:
    if _PLAIN.fullmatch(column.target):
        yield column.target
    yield from (f"column_{place}{'_' * tail}" for tail in itertools.count())


def _in_schema(name: str) -> sql.Identifier:
    return sql.Identifier(names.SCHEMA_STAGING, name)


def _qualified(delivery: str) -> str:
    return f"{names.SCHEMA_STAGING}.{table_name(delivery)}"


def stage(url: str, delivery: str, path: Path, contract: SourceContract) -> StagedFile:
    """Copy a CSV file with a header into the delivery's staging table, which is created again.

    Everything happens in one transaction: a command that is killed leaves the table as it was.

    Raises:
        StagingError: the contract's own columns cannot be a table's.
    """
    wanted = [column.name for column in contract.schema.columns]
    rows, notes = 0, Notes()
    with psycopg.connect(url) as connection, path.open("rb") as file:
        _lock(connection, delivery)
        _create(connection, delivery, contract)
        try:
            delivered = opened(file, wanted)
            faults = header.faults(delivered.header, wanted)
            if faults:
                notes = Notes(OTHER_COLUMNS, tuple(message_text.cut(fault) for fault in faults))
            else:
                with connection.transaction():
                    rows = _copy(connection, delivery, delivered)
                notes = Notes(long_rows=tuple(delivered.long_rows[:_MAX_NOTED_ROWS]))
        except NotATableError as error:
            notes = Notes(UNREADABLE, (str(error),))
        except psycopg.errors.ProgramLimitExceeded as error:
            reason = f"a row is too long for a table: {error.diag.message_primary}"
            notes = Notes(UNREADABLE, (message_text.cut(reason),))
        except psycopg.DataError as error:
            notes = Notes(UNREADABLE, (message_text.cut(error.diag.message_primary or str(error)),))
        _note(connection, delivery, notes)
        # The planner takes a table without statistics for one of a few rows.
        connection.execute(sql.SQL("ANALYZE {}").format(_in_schema(table_name(delivery))))
    return StagedFile(_qualified(delivery), 0 if notes.problems else rows, "; ".join(notes.problems) or None)


def unstage(url: str, delivery: str) -> bool:
    """Drop the delivery's staging table with its view; return whether it was there."""
    with psycopg.connect(url) as connection:
        _lock(connection, delivery)
        there = is_staged(connection, delivery)
        connection.execute(_drop(delivery))
    return there


def is_staged(connection: psycopg.Connection, delivery: str) -> bool:
    """Return whether the delivery has a staging table."""
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [_qualified(delivery)]).fetchone()
    return bool(row and row[0])


def staged_notes(connection: psycopg.Connection, delivery: str) -> Notes:
    """Return what staging found out about the delivered file."""
    row = connection.execute(
        "SELECT obj_description(to_regclass(%s), 'pg_class')", [_qualified(delivery)]
    ).fetchone()
    kept: dict[str, Any] = json.loads(row[0]) if row and row[0] else {}
    return Notes(
        kept.get("expectation", UNREADABLE),
        tuple(kept.get("problems", ())),
        tuple((first, last) for first, last in kept.get("long_rows", ())),
    )


def count_rows(connection: psycopg.Connection, delivery: str) -> int:
    """Return how many rows are staged."""
    query = sql.SQL("SELECT count(*) FROM {}").format(_in_schema(table_name(delivery)))
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def create_views(connection: psycopg.Connection, delivery: str, contract: SourceContract) -> None:
    """Make the views that checks read: ``raw``, the text, and ``typed``, where what is no value is NULL.

    They live in the staging schema and go with their table. ``typed`` keeps its rows, so that a text is read as a
    value once and not by every check; times without an offset are in the source's zone.

    Raises:
        StagingError: the table is of another version of the contract.
    """
    _lock(connection, delivery)
    connection.execute("SET LOCAL client_min_messages = warning")
    connection.execute("SELECT set_config('TimeZone', %s, true)", [contract.schema.timezone])
    try:
        _create_view(connection, delivery, contract, "raw", "VIEW")
        _create_view(connection, delivery, contract, "typed", "MATERIALIZED VIEW")
    except psycopg.errors.UndefinedColumn as error:
        reason = error.diag.message_primary or str(error)
        raise StagingError(
            f"delivery {delivery} was staged by another version of the contract ({reason}); stage it again"
        ) from error
    connection.execute(sql.SQL("ANALYZE {}").format(_in_schema(view_name(delivery, "typed"))))


def _create_view(
    connection: psycopg.Connection,
    delivery: str,
    contract: SourceContract,
    on: ViewKind,
    kind: Literal["VIEW", "MATERIALIZED VIEW"],
) -> None:
    alias = aliases(contract)
    value = _text if on == "raw" else _typed
    columns = [
        sql.Identifier(names.COLUMN_ROW),
        *(
            sql.SQL("{} AS {}").format(value(column), sql.Identifier(alias[column.name]))
            for column in contract.schema.columns
        ),
    ]
    view = _in_schema(view_name(delivery, on))
    connection.execute(sql.SQL("DROP {} IF EXISTS {}").format(sql.SQL(kind), view))
    connection.execute(
        sql.SQL("CREATE {} {} AS SELECT {} FROM {}").format(
            sql.SQL(kind), view, sql.SQL(", ").join(columns), _in_schema(table_name(delivery))
        )
    )


def _text(column: ColumnSpec) -> sql.Composable:
    return sql.Identifier(column.name)


def _typed(column: ColumnSpec) -> sql.Composable:
    name = sql.Identifier(column.name)
    if column.type == "text":
        return name
    # CASE evaluates in order, so the cast never meets a value that the condition refuses.
    return sql.SQL("CASE WHEN {} THEN {}::{} END").format(
        sql.SQL(is_value(column, name.as_string())), name, sql.SQL(column.type)
    )


def _lock(connection: psycopg.Connection, delivery: str) -> None:
    # A killed scheduler leaves its task running and starts another: one of the two waits here.
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [delivery])


def _drop(delivery: str) -> sql.Composed:
    return sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(_in_schema(table_name(delivery)))


def _create(connection: psycopg.Connection, delivery: str, contract: SourceContract) -> None:
    # Names past 63 bytes are cut with a notice; notices would go to the log for every delivery.
    connection.execute("SET LOCAL client_min_messages = warning")
    connection.execute(_drop(delivery))
    definitions = [sql.SQL("{} bigint").format(sql.Identifier(names.COLUMN_ROW))]
    definitions += [sql.SQL("{} text").format(sql.Identifier(c.name)) for c in contract.schema.columns]
    try:
        connection.execute(
            sql.SQL("CREATE TABLE {} ({})").format(
                _in_schema(table_name(delivery)), sql.SQL(", ").join(definitions)
            )
        )
    except (psycopg.ProgrammingError, psycopg.errors.TooManyColumns) as error:
        reason = error.diag.message_primary or str(error)
        raise StagingError(f"source {contract.name}: its columns cannot be a table's: {reason}") from error


def _copy(connection: psycopg.Connection, delivery: str, delivered: DeliveredFile) -> int:
    # FORCE_NULL: a quoted empty string is missing, too.
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, ENCODING 'UTF8', FORCE_NULL *)").format(
        _in_schema(table_name(delivery)),
        sql.SQL(", ").join(map(sql.Identifier, [names.COLUMN_ROW, *delivered.header])),
    )
    rows = delivered.rows()
    with connection.cursor() as cursor:
        with cursor.copy(command) as copy:
            while some := list(itertools.islice(rows, _ROWS_AT_ONCE)):
                buffer = io.StringIO()
                csv.writer(buffer).writerows(some)
                copy.write(buffer.getvalue())
        return cursor.rowcount


def _note(connection: psycopg.Connection, delivery: str, notes: Notes) -> None:
    text = sql.Literal(json.dumps(asdict(notes)))
    connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(_in_schema(table_name(delivery)), text))
