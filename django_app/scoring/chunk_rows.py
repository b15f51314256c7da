"""The rows of a batch and of its chunks in the feature view, as SQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.apps import apps
from django.db import OperationalError, connection
from django.db.models import F
from psycopg import sql

from django_app.ingest.loaded_keys import LoadedRows, NoLoadedKeysError, rows_with
from django_app.queryset_sql import composed
from django_app.scoring.models import Batch, BatchChunk
from django_app.scoring.row_selection import RowSelection
from django_app.statement_time import is_statement_timeout, statement_time_limit
from hotclub import names
from hotclub.columns import COPY_FORMAT
from hotclub.contract import ModelContract
from hotclub.errors import UnavailableError

#: Rows that one task scores in one transaction.
CHUNK_ROWS = 5000


class PlanningTooLongError(UnavailableError):
    """PostgreSQL took longer than it may to find the rows of a batch, so there is none."""


def planned_entities(
    contract: ModelContract, batch: Batch, rows: RowSelection, limit: dt.timedelta
) -> list[str]:
    """Return the entities that a batch begins with, in the order of their type; given ones in the order of texts.

    Args:
        contract: of the version that scores.
        batch: whose.
        rows: which are asked for.
        limit: how long PostgreSQL may take to find them. Delivered rows are found by reading the whole table.

    Raises:
        NoLoadedKeysError: rows were delivered for another table than the model's.
        PlanningTooLongError: it would have taken longer.
    """
    if rows.entities:
        return sorted(rows.entities)
    where: sql.Composable = _where(batch)
    if rows.delivered is not None:
        where = sql.SQL("{} AND v.entity IN ({})").format(where, _delivered(contract, rows.delivered))
    # Ordered as the view's own type, in which ranges are compared: `ORDER BY entity` alone would be the text's order.
    query = sql.SQL("SELECT v.entity::text FROM {view} v WHERE {where} ORDER BY v.entity").format(
        view=_view(contract), where=where
    )
    try:
        with statement_time_limit(limit), connection.cursor() as cursor:
            cursor.execute(query)
            return [entity for (entity,) in cursor]
    except OperationalError as error:
        if not is_statement_timeout(error):
            raise
        raise PlanningTooLongError(
            f"finding the rows of {contract.name} ({batch.rows_text}) took more than {limit.total_seconds():g} s, so no batch "
            "was made: ask for fewer, by a shorter interval or by entities. What was loaded in the last two days gets its "
            "batch by itself within minutes, with more time; asking again then answers that batch"
        ) from error


def chunks(entities: Sequence[str], size: int = CHUNK_ROWS) -> list[Sequence[str]]:
    """Return the entities of each chunk."""
    return [entities[first : first + size] for first in range(0, len(entities), size)]


def copy_statement(contract: ModelContract, batch: Batch, chunk: BatchChunk) -> sql.Composed:
    """Return the COPY of a chunk's keys and features to CSV."""
    columns = [*names.KEY_COLUMNS, *contract.feature_names]
    return sql.SQL(
        "COPY (SELECT {columns} FROM {view} WHERE {where} AND {entities} ORDER BY entity) TO STDOUT {format}"
    ).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        view=_view(contract),
        where=_where(batch),
        entities=_entities(contract, batch, chunk),
        format=sql.SQL(COPY_FORMAT),
    )


def _entities(contract: ModelContract, batch: Batch, chunk: BatchChunk) -> sql.Composable:
    """Return the condition on a chunk's entities, see `BatchChunk`."""
    kind = sql.SQL(contract.schema.entity_type)  # a contract's own word
    if batch.rows_of == Batch.RowsOf.ENTITIES:
        return sql.SQL("entity = ANY({}::text[]::{}[])").format(sql.Literal(chunk.planned or []), kind)
    after = batch.chunks.filter(number=chunk.number + 1).first()
    parts = []
    if chunk.number > 0:
        parts.append(sql.SQL("entity >= {}::{}").format(sql.Literal(chunk.first_entity), kind))
    if after is not None:
        parts.append(sql.SQL("entity < {}::{}").format(sql.Literal(after.first_entity), kind))
    return sql.SQL(" AND ").join(parts) if parts else sql.SQL("true")


def _view(contract: ModelContract) -> sql.Identifier:
    return sql.Identifier(names.SCHEMA_FEATURES, names.view_name(contract.name, contract.version))


def _where(batch: Batch) -> sql.Composed:
    parts: list[sql.Composable] = [sql.SQL("true")]
    if batch.rows_of == Batch.RowsOf.INTERVAL:
        interval = sql.SQL("event_time >= {} AND event_time < {}")
        parts = [interval.format(sql.Literal(batch.start), sql.Literal(batch.end))]
    if batch.tenant_id is not None:
        parts.append(sql.SQL("tenant = {}").format(sql.Literal(batch.tenant_id)))
    return sql.SQL(" AND ").join(parts)


def _delivered(contract: ModelContract, rows: LoadedRows) -> sql.Composed:
    """Return the SELECT of the entities that were delivered."""
    model = apps.get_model(contract.schema.django_model)
    if model._meta.db_table != rows.source.schema.table:
        raise NoLoadedKeysError(
            f"{rows.source.name} loads {rows.source.schema.django_model}, and rows of {contract.name} are "
            f"{contract.schema.django_model}: which of them were delivered is not known"
        )
    found = rows_with(rows).values(hotclub_entity=F(contract.schema.entity))
    return sql.SQL("SELECT d.hotclub_entity::{} FROM ({}) d").format(
        sql.SQL(contract.schema.entity_type), composed(found)
    )
