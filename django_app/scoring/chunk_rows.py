"""The rows of a batch and of its chunks in the feature view, as SQL."""

from __future__ import annotations

from django.db import connection
from psycopg import sql

from django_app.scoring.models import Batch, BatchChunk
from hotclub import names
from hotclub.columns import COPY_FORMAT
from hotclub.contract import ModelContract

#: Rows that one task scores in one transaction.
CHUNK_ROWS = 5000


def chunks(contract: ModelContract, batch: Batch, size: int = CHUNK_ROWS) -> list[list[str]]:
    """Return the entities of each chunk, in the order of their type."""
    # Ordered as the view's own type, in which ranges are compared: `ORDER BY entity` alone would be the text's order.
    query = sql.SQL("SELECT v.entity::text FROM {view} v WHERE {where} ORDER BY v.entity").format(
        view=_view(contract), where=_where(batch)
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        entities = [entity for (entity,) in cursor]
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
    parts: list[sql.Composable] = [
        sql.SQL("event_time >= {} AND event_time < {}").format(
            sql.Literal(batch.start), sql.Literal(batch.end)
        )
    ]
    if batch.tenant_id is not None:
        parts.append(sql.SQL("tenant = {}").format(sql.Literal(batch.tenant_id)))
    return sql.SQL(" AND ").join(parts)
