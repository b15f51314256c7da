"""A view's rows as Parquet, by COPY in one consistent transaction."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from psycopg import sql

from hotclub import names
from hotclub.columns import COPY_FORMAT, COPY_SETTINGS, table_from_csv, view_schema
from hotclub.contract import ModelContract
from hotclub.errors import ContractError
from training.hashing import SAMPLE_SALT, sql_fraction

#: Times that Python and Parquet have: infinity and years beyond 9999 are PostgreSQL's alone.
_FIRST_TIME: Final = "0001-01-01T00:00:00Z"
_AFTER_LAST_TIME: Final = "9999-12-31T00:00:00Z"
_MAX_EXAMPLES: Final = 5


@dataclass(frozen=True)
class Interval:
    """Event times [start, end); None is open."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None


@dataclass(frozen=True)
class Reading:
    """Which rows are read, and from where.

    Attributes:
        labelled: only rows with a label.
        interval: of event times.
        sample: about how many rows, chosen by the hash of their key; None for all.
        from_declaration: run the contract's own SQL instead of reading the published view, which may not be there.
    """

    labelled: bool = True
    interval: Interval = field(default_factory=Interval)
    sample: int | None = None
    from_declaration: bool = False


@dataclass(frozen=True)
class Counts:
    """How many rows there are, in numbers that the snapshot's own rows do not tell.

    Attributes:
        known: rows with a label.
        unknown: rows without one.
        features: per feature, in how many rows with and without a label it has a value.
        single: per feature, the value that all filled rows without a label have, as text; features with several are left
            out.
        unreadable: rows with a label whose event time is infinite or of a year that Python does not have.
        examples: entity and event time of some of those, as text.
    """

    known: int
    unknown: int
    features: dict[str, tuple[int, int]]
    single: dict[str, str] = field(default_factory=dict)
    unreadable: int = 0
    examples: tuple[tuple[str, str], ...] = ()

    def facts(self) -> dict[str, Any]:
        """Return what a snapshot's JSON keeps."""
        return {
            "filled": {
                "known": self.known,
                "unknown": self.unknown,
                "features": self.features,
                "single": self.single,
            },
            "unreadable_times": {"count": self.unreadable, "examples": self.examples},
        }


def read_view(
    database_url: str, contract: ModelContract, interval: Interval, *, labelled: bool = True
) -> pa.Table:
    """Return the rows of a contract's view, oldest first; those with a label, unless all are asked for.

    Columns: entity, tenant, event_time (timestamp[us, UTC]), label (float64), what rows are split by where the contract
    says so, and the features.

    Raises:
        ContractError: the database has no such view.
        psycopg.Error: the database does not answer.
    """
    reading = Reading(labelled=labelled, interval=interval)
    with _connected(database_url, contract) as connection:
        return _copy(connection, contract, reading, None)


def read_snapshot(database_url: str, contract: ModelContract, reading: Reading) -> tuple[pa.Table, Counts]:
    """Return rows as `read_view` does, and counts of all rows, in one consistent transaction.

    Raises:
        ContractError: the database has no such view.
        psycopg.Error: the database does not answer.
    """
    with _connected(database_url, contract) as connection:
        counts = _count(connection, contract, reading)
        return _copy(connection, contract, reading, counts.known), counts


@contextmanager
def _connected(database_url: str, contract: ModelContract) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, application_name="hotclub training") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute(COPY_SETTINGS)
        try:
            yield connection
        except psycopg.errors.UndefinedTable as error:
            if names.view_name(contract.name, contract.version) not in str(error):
                raise
            raise ContractError(f"the database has no view {contract.view}: run migrate there") from error


def _rows(connection: psycopg.Connection, contract: ModelContract, reading: Reading) -> sql.Composable:
    """Return what is selected from: the view, or its SQL."""
    if not reading.from_declaration:
        return sql.Identifier(*contract.view.split("."))
    view = contract.schema.view
    # COPY takes no server-side parameters: the client puts the values in, quoted.
    body = psycopg.ClientCursor(connection).mogrify(view.sql, view.params)
    return sql.SQL("({}) AS v").format(sql.SQL(body))


def _conditions(contract: ModelContract, reading: Reading) -> list[sql.Composable]:
    """Return conditions on the interval, in which unreadable times are left out where rows have times."""
    time, interval = sql.Identifier(names.COLUMN_EVENT_TIME), reading.interval
    found: list[sql.Composable] = []
    if interval.start is not None:
        found.append(sql.SQL("{} >= {}").format(time, sql.Literal(interval.start)))
    if interval.end is not None:
        found.append(sql.SQL("{} < {}").format(time, sql.Literal(interval.end)))
    if contract.schema.event_time is not None:
        # A missing time is kept: it is an error of its own, with its own message.
        found.append(sql.SQL("{} IS NOT TRUE").format(_unreadable()))
    return found


def _unreadable() -> sql.Composed:
    return sql.SQL("({time} < {first} OR {time} >= {after})").format(
        time=sql.Identifier(names.COLUMN_EVENT_TIME),
        first=sql.Literal(_FIRST_TIME),
        after=sql.Literal(_AFTER_LAST_TIME),
    )


def _count(connection: psycopg.Connection, contract: ModelContract, reading: Reading) -> Counts:
    rows = _rows(connection, contract, reading)
    timed = contract.schema.event_time is not None
    parts: list[sql.Composable] = [
        sql.SQL("count(*) FILTER (WHERE label IS {})").format(sql.SQL(known))
        for known in ("NOT NULL", "NULL")
    ]
    for name in contract.feature_names:
        parts += [
            sql.SQL("count({}) FILTER (WHERE label IS {})").format(sql.Identifier(name), sql.SQL(known))
            for known in ("NOT NULL", "NULL")
        ]
    where = sql.SQL(" AND ").join([sql.SQL("true"), *_conditions(contract, reading)])
    # One array: a query may have 1,664 columns, and there are two numbers for each feature.
    query = sql.SQL("SELECT ARRAY[{}] FROM {} WHERE {}").format(sql.SQL(", ").join(parts), rows, where)
    ((known, unknown, *filled),) = connection.execute(query).fetchone() or ((0, 0),)
    features = {
        name: (filled[2 * place], filled[2 * place + 1]) for place, name in enumerate(contract.feature_names)
    }
    single = _single_values(connection, contract, rows, where) if unknown else {}
    if not timed:
        return Counts(known, unknown, features, single)
    unreadable = sql.SQL(
        "SELECT entity::text, event_time::text, count(*) OVER () FROM {} WHERE label IS NOT NULL AND {} LIMIT {}"
    ).format(rows, _unreadable(), sql.Literal(_MAX_EXAMPLES))
    found = connection.execute(unreadable).fetchall()
    examples = tuple((entity, time) for entity, time, _ in found)
    return Counts(known, unknown, features, single, found[0][2] if found else 0, examples)


def _single_values(
    connection: psycopg.Connection, contract: ModelContract, rows: sql.Composable, where: sql.Composable
) -> dict[str, str]:
    """Return the value of each feature that has one alone among the rows without a label."""
    ends = [
        sql.SQL('{}({}::text COLLATE "C")').format(sql.SQL(end), sql.Identifier(name))
        for name in contract.feature_names
        for end in ("min", "max")
    ]
    query = sql.SQL("SELECT ARRAY[{}] FROM {} WHERE label IS NULL AND {}").format(
        sql.SQL(", ").join(ends), rows, where
    )
    (found,) = connection.execute(query).fetchone() or ([],)
    lowest, highest = found[::2], found[1::2]
    return {
        name: low
        for name, low, high in zip(contract.feature_names, lowest, highest, strict=True)
        if low is not None and low == high
    }


def _copy(
    connection: psycopg.Connection, contract: ModelContract, reading: Reading, known: int | None
) -> pa.Table:
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in view_schema(contract).names)
    conditions = [
        sql.SQL("label IS NOT NULL" if reading.labelled else "true"),
        *_conditions(contract, reading),
    ]
    if reading.sample is not None and known and reading.sample < known:
        below = sql.Literal(reading.sample / known)
        conditions.append(sql.SQL("{} < {}").format(sql_fraction(contract, SAMPLE_SALT), below))
    timed = contract.schema.event_time is not None
    query = sql.SQL("COPY (SELECT {} FROM {} WHERE {} ORDER BY {}) TO STDOUT ").format(
        columns,
        _rows(connection, contract, reading),
        sql.SQL(" AND ").join(conditions),
        sql.SQL("event_time, entity" if timed else "entity"),
    ) + sql.SQL(COPY_FORMAT)
    buffer = io.BytesIO()
    with connection.cursor().copy(query) as copy:
        for block in copy:
            buffer.write(block)
    buffer.seek(0)
    return table_from_csv(buffer, view_schema(contract))


def write(path: Path, table: pa.Table) -> str:
    """Write rows as Parquet and return the file's sha256; the same rows give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    pq.write_table(table, part, compression="zstd")
    part.rename(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(
    contract: ModelContract,
    table: pa.Table,
    digest: str,
    reading: Reading | None = None,
    counts: Counts | None = None,
) -> dict[str, Any]:
    """Return what a snapshot is, for its JSON and for MLflow."""
    reading = reading or Reading()
    first = last = None
    if table.num_rows and contract.schema.event_time is not None:
        ends = pc.min_max(table[names.COLUMN_EVENT_TIME])
        first, last = (_text(ends[end]) for end in ("min", "max"))
    return {
        "model": contract.name,
        "contract_version": contract.version,
        "contract_fingerprint": contract.fingerprint,
        "view": contract.view,
        "rows": table.num_rows,
        "first_event": first,
        "last_event": last,
        "sha256": digest,
        "sample": reading.sample,
        "from_declaration": reading.from_declaration,
        **(counts.facts() if counts is not None else {}),
    }


def _text(time: pa.Scalar) -> str | None:
    return time.as_py().isoformat() if time.is_valid else None
