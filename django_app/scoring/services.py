"""Writes of the scoring app: what is accepted, and what the sweep does for it."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction

from django_app.ingest.models import Delivery
from django_app.queueing import enqueue
from django_app.scoring import selectors, slices
from django_app.scoring.models import Batch, BatchChunk, PredictionRequest
from django_app.scoring.pinning import Pin
from django_app.tenants.models import Tenant
from hotclub import names
from hotclub.errors import FieldError, InvalidInputError
from hotclub.validation import feature_errors

logger = logging.getLogger(__name__)

#: Tasks that this module sends, by name.
CHUNK_SCORE = "django_app.scoring.tasks.chunk_score"
REQUEST_SCORE = "django_app.scoring.tasks.request_score"

#: Work that was enqueued longer ago than this and is not done is enqueued again.
STUCK_AFTER = dt.timedelta(seconds=30)
#: The largest number of tasks that one sweep sends.
SWEEP_LIMIT = 500


Clock = Callable[[], dt.datetime]


class KeyConflictError(Exception):
    """An idempotency key that belongs to another batch."""


def load_key(delivery: Delivery) -> str:
    """Return the idempotency key of the batch that scores what a delivery, and all before it, loaded of a day."""
    return f"loaded-{delivery.pk}"


def batch_create(
    *, pin: Pin, piece: slices.Slice, tenant: Tenant | None, key: str | None, user: Any, clock: Clock
) -> tuple[Batch, bool]:
    """Write a batch and its chunks, and enqueue them after commit.

    Args:
        pin: the version that scores, whatever the alias points to later.
        piece: which rows.
        tenant: whose rows, None for every tenant's.
        user: who asks, None for nobody in particular.
        clock: the time; it is accepted at the beginning, and one without rows is finished at the end.
        key: an idempotency key; the batch that has it already is returned as it is.

    Returns:
        The batch, and whether it is new.

    Raises:
        KeyConflictError: the key's batch is of another slice.
    """
    now = clock()
    key = key or str(uuid.uuid4())
    existing = Batch.objects.filter(tenant=tenant, model=pin.version.model, key=key).first()
    if existing is not None:
        return _same(existing, piece), False
    try:
        with transaction.atomic():
            batch = Batch.objects.create(
                **pin.fields(),
                key=key,
                tenant=tenant,
                day=piece.day,
                start=piece.start,
                end=piece.end,
                requested_by=user,
                created_at=now,
            )
            _chunks_create(batch=batch, pin=pin, clock=clock)
    except IntegrityError:
        # Someone else was first with this key; anything else is theirs to see.
        existing = Batch.objects.filter(tenant=tenant, model=pin.version.model, key=key).first()
        if existing is None:
            raise
        return _same(existing, piece), False
    logger.info(
        "batch accepted",
        extra={"batch": batch.pk, "model": batch.model, "version": batch.model_version, "rows": batch.rows_total},
    )  # fmt: skip
    return batch, True


def _same(batch: Batch, piece: slices.Slice) -> Batch:
    if (batch.start, batch.end) != (piece.start, piece.end):
        raise KeyConflictError(f"the key {batch.key!r} belongs to another batch: {batch.pk}")
    return batch


def _chunks_create(*, batch: Batch, pin: Pin, clock: Clock) -> None:
    planned = slices.chunks(pin.contract, batch)
    now = clock()
    chunks = BatchChunk.objects.bulk_create(
        BatchChunk(
            batch=batch,
            number=number,
            first_entity=entities[0],
            planned=entities,
            rows=len(entities),
            enqueued_at=now,
        )
        for number, entities in enumerate(planned)
    )
    batch.rows_total = sum(chunk.rows for chunk in chunks)
    if not chunks:
        batch.status, batch.started_at, batch.finished_at = Batch.Status.DONE, batch.created_at, now
    batch.save()
    for chunk in chunks:
        enqueue(CHUNK_SCORE, chunk.pk, queue=names.QUEUE_BATCHES)


@transaction.atomic
def request_create(
    *, pin: Pin, tenant: Tenant | None, features: object, user: Any, now: dt.datetime
) -> PredictionRequest:
    """Check features against the champion's contract, write the request, and enqueue it after commit.

    Raises:
        InvalidInputError: with every field's error.
    """
    errors: list[FieldError] = feature_errors(pin.contract, features, "features")
    if errors:
        raise InvalidInputError(errors)
    request = PredictionRequest.objects.create(
        **pin.fields(), tenant=tenant, features=features, requested_by=user, created_at=now, enqueued_at=now
    )
    enqueue(REQUEST_SCORE, str(request.pk), queue=names.QUEUE_REQUESTS)
    return request


@transaction.atomic
def scoring_sweep(*, now: dt.datetime) -> int:
    """Enqueue again what a dead worker or broker dropped, and return how much.

    Sending a task twice does no harm: the second finds its work done.
    """
    before = now - STUCK_AFTER
    chunks = list(selectors.chunks_to_enqueue(before)[:SWEEP_LIMIT])
    requests = list(selectors.requests_to_enqueue(before)[:SWEEP_LIMIT])
    BatchChunk.objects.filter(pk__in=[c.pk for c in chunks]).update(enqueued_at=now)
    PredictionRequest.objects.filter(pk__in=[r.pk for r in requests]).update(enqueued_at=now)
    for request in requests:
        enqueue(REQUEST_SCORE, str(request.pk), queue=names.QUEUE_REQUESTS)
    for chunk in chunks:
        enqueue(CHUNK_SCORE, chunk.pk, queue=names.QUEUE_BATCHES)
    if chunks or requests:
        logger.info("sweep enqueued", extra={"chunks": len(chunks), "requests": len(requests)})
    return len(chunks) + len(requests)
