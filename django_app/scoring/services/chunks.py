"""Chunks as workers score them: rows out of the feature view, predictions in, one transaction each."""

from __future__ import annotations

import csv
import datetime as dt
import io
import logging
from typing import Any

import pyarrow as pa
from django.db import connection, transaction
from django.db.models import F

from django_app.contracts.view_problems import missing_view
from django_app.scoring import chunk_rows
from django_app.scoring.models import MAX_ATTEMPTS, NO_REASON, Batch, BatchChunk, Prediction
from django_app.scoring.predictors import predictor_for
from hotclub import names
from hotclub.callbacks import Clock
from hotclub.columns import COPY_SETTINGS, scored_schema, table_from_csv
from hotclub.contract import ModelContract
from hotclub.errors import ContractError

logger = logging.getLogger(__name__)


def chunk_score(*, chunk_id: int, clock: Clock) -> bool:
    """Score a chunk: rows out by COPY, predictions in by COPY, and the chunk done, in one transaction.

    The rows are those that are there now: what came into the batch's range since it was planned is scored too and
    counted as new, what left is counted as vanished. Where entities are given, no others are scored.

    Args:
        chunk_id: which.
        clock: the time, read when the work begins and when it is done.

    Returns:
        Whether this call scored it. It does nothing where the chunk is done or another process has it.

    Raises:
        RegistryError: the package is not here yet and the model registry does not answer.
        PackageError, ContractError: the batch's model version cannot score; the caller gives the batch up.
    """
    if not _chunk_begin(chunk_id=chunk_id, now=clock()):
        return False
    with transaction.atomic():
        chunk = (
            BatchChunk.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("batch")
            .filter(pk=chunk_id, status=BatchChunk.Status.PENDING)
            .first()
        )
        if chunk is None:
            return False
        batch = chunk.batch
        predictor = predictor_for(batch)
        table = _rows_out(predictor.contract, batch, chunk)
        if table.num_rows:
            _predictions_in(batch, table, predictor.predict(table).scores)
        counts = _counts(chunk, table)
        chunk.status, chunk.rows, chunk.error, chunk.planned = (
            BatchChunk.Status.DONE,
            table.num_rows,
            "",
            None,
        )
        chunk.save(update_fields=["status", "rows", "error", "planned"])
        _batch_progress(batch_id=batch.pk, counts=counts, clock=clock)
    return True


def _counts(chunk: BatchChunk, table: pa.Table) -> dict[str, int]:
    """Return what to add to the batch's counts, by field."""
    if chunk.planned is None:  # planned before entities were kept: the difference is all that is known
        vanished, new = max(0, chunk.rows - table.num_rows), max(0, table.num_rows - chunk.rows)
    else:
        planned, found = set(chunk.planned), set(map(str, table[names.COLUMN_ENTITY].to_pylist()))
        vanished, new = len(planned - found), len(found - planned)
    return {"rows_done": table.num_rows, "rows_vanished": vanished, "rows_new": new}


@transaction.atomic
def _chunk_begin(*, chunk_id: int, now: dt.datetime) -> bool:
    """Count the attempt, in a transaction of its own: a crash must not undo that."""
    # The default order joins the batch, whose row another chunk may hold for a moment: only this chunk's row is locked.
    chunk = (
        BatchChunk.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(pk=chunk_id, status=BatchChunk.Status.PENDING)
        .first()
    )
    if chunk is None:
        return False
    if chunk.attempts >= MAX_ATTEMPTS:
        batch_fail(
            chunk_id=chunk_id,
            reason=f"begun {MAX_ATTEMPTS} times and never finished: {chunk.error or NO_REASON}",
            now=now,
        )
        return False
    chunk.attempts += 1
    chunk.enqueued_at = now
    chunk.save(update_fields=["attempts", "enqueued_at"])
    Batch.objects.filter(pk=chunk.batch_id, status=Batch.Status.PENDING).update(
        status=Batch.Status.RUNNING, started_at=now
    )
    return True


def _rows_out(contract: ModelContract, batch: Batch, chunk: BatchChunk) -> pa.Table:
    missing = missing_view(contract)
    if missing:
        raise ContractError(missing)
    buffer = io.BytesIO()
    with connection.cursor() as cursor:
        cursor.execute(COPY_SETTINGS)
        with cursor.copy(chunk_rows.copy_statement(contract, batch, chunk)) as rows:
            for block in rows:
                buffer.write(block)
    return table_from_csv(buffer.getvalue(), scored_schema(contract))


def _predictions_in(batch: Batch, table: pa.Table, scores: Any) -> None:
    by_class = scores.ndim == 2
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    keys = [table[name].to_pylist() for name in names.KEY_COLUMNS]
    for entity, tenant, event_time, score in zip(*keys, scores.tolist(), strict=True):
        value = "{" + ",".join(map(repr, score)) + "}" if by_class else repr(score)
        moment = None if event_time is None else event_time.isoformat()
        writer.writerow((batch.pk, entity, tenant, moment, value))
    column = "scores" if by_class else "score"
    with connection.cursor() as cursor:
        statement = (
            f"COPY {Prediction._meta.db_table} (batch_id, entity, tenant_id, event_time, {column})"
            # An empty text is a key like any other; unquoted it would be a null.
            " FROM STDIN (FORMAT csv, FORCE_NOT_NULL (entity))"
        )
        with cursor.copy(statement) as rows:
            rows.write(buffer.getvalue())


def _batch_progress(*, batch_id: Any, counts: dict[str, int], clock: Clock) -> None:
    # The batch's row is locked last and for a moment only, so chunks of one batch run side by side.
    batch = Batch.objects.select_for_update(no_key=True).get(pk=batch_id)
    for field, count in counts.items():
        setattr(batch, field, F(field) + count)
    if not batch.chunks.exclude(status=BatchChunk.Status.DONE).exists():
        batch.status, batch.finished_at = Batch.Status.DONE, clock()
    batch.save(update_fields=[*counts, "status", "finished_at"])


@transaction.atomic
def batch_fail(*, chunk_id: int, reason: str, now: dt.datetime) -> None:
    """Give a chunk's whole batch up, with the reason. Chunks that are done stay."""
    chunk = BatchChunk.objects.select_related("batch").get(pk=chunk_id)
    chunk.batch.chunks.filter(status=BatchChunk.Status.PENDING).update(
        status=BatchChunk.Status.FAILED, error=reason, planned=None
    )
    Batch.objects.filter(pk=chunk.batch_id).exclude(status=Batch.Status.DONE).update(
        status=Batch.Status.FAILED, error=reason, finished_at=now
    )
    logger.error("batch failed", extra={"batch": chunk.batch_id, "reason": reason})


def chunk_note(*, chunk_id: int, reason: str) -> None:
    """Write why an attempt at a chunk failed; the sweep tries again."""
    BatchChunk.objects.filter(pk=chunk_id, status=BatchChunk.Status.PENDING).update(error=reason[:500])


def chunk_wait(*, chunk_id: int, reason: str) -> None:
    """Write what a chunk waits for, and take its attempt back: an outage elsewhere does not use attempts up."""
    waiting = BatchChunk.objects.filter(pk=chunk_id, status=BatchChunk.Status.PENDING, attempts__gt=0)
    waiting.update(error=reason[:500], attempts=F("attempts") - 1)
