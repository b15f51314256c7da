"""Which rows of a feature view a batch is about, as SQL."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import connection
from psycopg import sql

from django_app.scoring.models import Batch, BatchChunk
from hotclub import names
from hotclub.columns import COPY_FORMAT
from hotclub.contract import ModelContract
from hotclub.errors import InvalidInputError

#: Rows that one task scores in one transaction.
CHUNK_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Slice:
    """Event times from `start` up to and without `end`; `day` where it is one."""

    start: dt.datetime
    end: dt.datetime
    day: dt.date | None = None

    @classmethod
    def of_day(cls, day: dt.date, timezone: str) -> Slice:
        """Return a calendar day of a model's own zone."""
        return cls(*names.day_interval(day, timezone), day)

    @classmethod
    def between(cls, start: dt.datetime, end: dt.datetime) -> Slice:
        """Return [start, end).

        Raises:
            InvalidInputError: it is empty.
        """
        if end <= start:
            raise InvalidInputError.of("end", "must be later than start")
        return cls(start, end)


def chunks(contract: ModelContract, batch: Batch, size: int = CHUNK_ROWS) -> list[tuple[str, str, int]]:
    """Return first entity, last entity and number of rows of each chunk, in the order of entities."""
    # Ends of ranges by position instead of min() and max(), which PostgreSQL 18 lacks for uuid.
    query = sql.SQL(
        "SELECT entity::text, n FROM (SELECT entity, row_number() OVER (ORDER BY entity) AS n,"
        "  count(*) OVER () AS total FROM {view} WHERE {where}) AS numbered"
        " WHERE mod(n, {size}) IN (0, 1) OR n = total ORDER BY n"
    ).format(size=sql.Literal(size), view=_view(contract), where=_where(batch))
    with connection.cursor() as cursor:
        cursor.execute(query)
        ends = {n: entity for entity, n in cursor.fetchall()}
    total = max(ends, default=0)
    lasts = [min(first + size - 1, total) for first in range(1, total + 1, size)]
    return [(ends[last - (last - 1) % size], ends[last], (last - 1) % size + 1) for last in lasts]


def copy_statement(contract: ModelContract, batch: Batch, chunk: BatchChunk) -> sql.Composed:
    """Return the COPY of a chunk's keys and features to CSV."""
    columns = [*names.KEY_COLUMNS, *contract.feature_names]
    entity_type = sql.SQL(contract.schema.entity_type)  # type: ignore[arg-type]  # a contract's own word
    return sql.SQL(
        "COPY (SELECT {columns} FROM {view} WHERE {where}"
        " AND entity BETWEEN {first}::{type} AND {last}::{type} ORDER BY entity) TO STDOUT {format}"
    ).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        view=_view(contract),
        where=_where(batch),
        first=sql.Literal(chunk.first_entity),
        last=sql.Literal(chunk.last_entity),
        type=entity_type,
        format=sql.SQL(COPY_FORMAT),
    )


def _view(contract: ModelContract) -> sql.Identifier:
    return sql.Identifier(names.SCHEMA_FEATURES, names.view_name(contract.name, contract.version))


def _where(batch: Batch) -> sql.Composed:
    parts: list[Any] = [
        sql.SQL("event_time >= {} AND event_time < {}").format(
            sql.Literal(batch.start), sql.Literal(batch.end)
        )
    ]
    if batch.tenant_id is not None:
        parts.append(sql.SQL("tenant = {}").format(sql.Literal(batch.tenant_id)))
    return sql.SQL(" AND ").join(parts)
