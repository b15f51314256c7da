"""A view's rows as Parquet, by COPY in one consistent transaction."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from hotclub import names
from hotclub.columns import COPY_FORMAT, COPY_SETTINGS, table_from_csv, view_schema
from hotclub.contract import ModelContract
from hotclub.errors import ContractError


@dataclass(frozen=True)
class Interval:
    """Event times [start, end); None is open."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None


def read_view(
    database_url: str, contract: ModelContract, interval: Interval, *, labelled: bool = True
) -> pa.Table:
    """Return the rows of a contract's view, oldest first; those with a label, unless all are asked for.

    Columns: entity, tenant, event_time (timestamp[us, UTC]), label (float64) and the features.

    Raises:
        ContractError: the database has no such view.
        psycopg.Error: the database does not answer.
    """
    table = sql.Identifier(*contract.view.split("."))
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in view_schema(contract).names)
    conditions: list[sql.Composable] = [sql.SQL("label IS NOT NULL" if labelled else "true")]
    if interval.start is not None:
        conditions.append(sql.SQL("event_time >= {}").format(sql.Literal(interval.start)))
    if interval.end is not None:
        conditions.append(sql.SQL("event_time < {}").format(sql.Literal(interval.end)))
    query = sql.SQL("COPY (SELECT {} FROM {} WHERE {} ORDER BY event_time, entity) TO STDOUT ").format(
        columns, table, sql.SQL(" AND ").join(conditions)
    ) + sql.SQL(COPY_FORMAT)
    buffer = io.BytesIO()
    with psycopg.connect(database_url, application_name="hotclub training") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute(COPY_SETTINGS)
        try:
            with connection.cursor().copy(query) as copy:
                for block in copy:
                    buffer.write(block)
        except psycopg.errors.UndefinedTable as error:
            raise ContractError(f"the database has no view {contract.view}: run migrate there") from error
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


def describe(contract: ModelContract, table: pa.Table, digest: str) -> dict[str, object]:
    """Return what a snapshot is, for its JSON and for MLflow."""
    times = table[names.COLUMN_EVENT_TIME]
    return {
        "model": contract.name,
        "contract_version": contract.version,
        "contract_fingerprint": contract.fingerprint,
        "view": contract.view,
        "rows": table.num_rows,
        "first_event": times[0].as_py().isoformat() if table.num_rows else None,
        "last_event": times[-1].as_py().isoformat() if table.num_rows else None,
        "sha256": digest,
    }
