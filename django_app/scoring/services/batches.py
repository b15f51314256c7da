"""Batches as they are accepted: the rows cut into chunks, one batch for each key."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import logging
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction

from django_app.ingest.selectors import loads_of_day
from django_app.outbox import enqueue
from django_app.registry.selectors import ModelVersionRef
from django_app.scoring import chunk_rows
from django_app.scoring.models import Batch, BatchChunk
from django_app.scoring.row_selection import RowSelection
from django_app.tenants.models import Tenant
from hotclub import names
from hotclub.callbacks import Clock
from hotclub.errors import ConflictError

logger = logging.getLogger(__name__)

#: Sent by name: tasks import services, not the other way round.
CHUNK_SCORE = "django_app.scoring.tasks.chunk_score"
#: What finding the rows may take while a caller waits. Less than the 30 s after which Airflow gives a request up.
TIME_LIMIT = dt.timedelta(seconds=20)
#: Begins the keys that Django makes itself; no caller may send one.
LOAD_KEY_PREFIX = "loads-"


class KeyConflictError(ConflictError):
    """An idempotency key that belongs to another batch."""


def load_key(*, source: str, day: dt.date, tenant: Tenant | None, rows: RowSelection) -> str | None:
    """Return the idempotency key of the batch that scores all that is loaded of a day; None where nothing is.

    The score DAG, the reconciliation and an event that comes late all compute the same key: the first one makes the
    batch, and the others find it. Another load of the day is another key.

    Args:
        source: whose deliveries have the rows.
        day: their day.
        tenant: whose rows, None for every tenant's.
        rows: which are to be scored. The key of delivered ones is that of the very loads that they were read from:
            another load may end at any moment.
    """
    if rows.delivered is not None:
        loads: Sequence[tuple[str, int]] = rows.delivered.loads
    else:
        loads = loads_of_day(source=source, day=day, tenant=tenant)
    if not loads:
        return None
    digest = hashlib.sha256("\n".join(f"{delivery} {number}" for delivery, number in loads).encode())
    return f"{LOAD_KEY_PREFIX}{digest.hexdigest()}"


def batch_create(
    *,
    version: ModelVersionRef,
    rows: RowSelection,
    tenant: Tenant | None,
    key: str | None,
    user: Any,
    clock: Clock,
    retry_failed: bool = False,
    time_limit: dt.timedelta = TIME_LIMIT,
) -> tuple[Batch, bool]:
    """Write a batch and its chunks, and enqueue them after commit.

    Args:
        version: what scores, even when the alias moves later.
        rows: which.
        tenant: whose rows, None for every tenant's.
        key: an idempotency key; the batch that has it already is returned as it is.
        user: who asks, None for no user.
        clock: the time; it is accepted at the beginning, and one without rows is finished at the end.
        retry_failed: where the key's batch failed, return its successor instead, and make one where there is none.
        time_limit: how long PostgreSQL may take to find the rows.

    Returns:
        The batch, and whether it is new.

    Raises:
        KeyConflictError: the key's batch is about other rows.
        NoLoadedKeysError: rows were delivered for another table than the model's.
        PlanningTooLongError: finding the rows took longer than `time_limit`; nothing was made.
    """
    now = clock()
    model_name = version.registered.model_name
    key, existing = _place(model_name, tenant, key or str(uuid.uuid4()), retry_failed=retry_failed)
    if existing is not None:
        return _same(existing, rows), False
    try:
        with transaction.atomic():
            batch = Batch.objects.create(
                **version.columns(),
                key=key,
                tenant=tenant,
                rows_of=rows.rows_of,
                day=rows.day,
                start=rows.start,
                end=rows.end,
                entities_digest=rows.entities_digest,
                requested_by=user,
                created_at=now,
            )
            _chunks_create(batch=batch, rows=rows, version=version, clock=clock, time_limit=time_limit)
    except IntegrityError:
        # Another request was first with this key; any other conflict is raised.
        existing = Batch.objects.filter(tenant=tenant, model_name=model_name, key=key).first()
        if existing is None:
            raise
        return _same(existing, rows), False
    logger.info(
        "batch accepted",
        extra={"batch": batch.pk, "model": batch.model_name, "version": batch.model_version, "rows": batch.rows_total},
    )  # fmt: skip
    return batch, True


def _place(
    model_name: str, tenant: Tenant | None, key: str, *, retry_failed: bool
) -> tuple[str, Batch | None]:
    """Return the key under which a batch would be made, and the batch that is there already."""
    for number in itertools.count(2):
        existing = Batch.objects.filter(tenant=tenant, model_name=model_name, key=key).first()
        if existing is None or not (retry_failed and existing.status == Batch.Status.FAILED):
            break
        key = f"{key.rpartition(' retry ')[0] or key} retry {number}"
    return key, existing


def _same(batch: Batch, rows: RowSelection) -> Batch:
    # A load has one batch, also where the version that scores now would select its rows otherwise.
    if not batch.key.startswith(LOAD_KEY_PREFIX) and not rows.is_of(batch):
        raise KeyConflictError(
            f"the key {batch.key!r} belongs to another batch: {batch.pk}, of {batch.rows_text}"
        )
    return batch


def _chunks_create(
    *, batch: Batch, rows: RowSelection, version: ModelVersionRef, clock: Clock, time_limit: dt.timedelta
) -> None:
    planned = chunk_rows.planned_entities(version.contract, batch, rows, time_limit)
    now = clock()
    chunks = BatchChunk.objects.bulk_create(
        BatchChunk(
            batch=batch,
            number=number,
            first_entity=entities[0],
            planned=list(entities),
            rows=len(entities),
            enqueued_at=now,
        )
        for number, entities in enumerate(chunk_rows.chunks(planned))
    )
    batch.rows_total = len(planned) if rows.delivered is None else len(rows.delivered.hashes)
    # Delivered and not among the model's rows: left out by its queryset, another tenant's, or gone since.
    batch.rows_vanished = batch.rows_total - len(planned)
    if not chunks:
        batch.status, batch.started_at, batch.finished_at = Batch.Status.DONE, batch.created_at, now
    batch.save()
    for chunk in chunks:
        enqueue(CHUNK_SCORE, chunk.pk, queue=names.QUEUE_BATCHES)
