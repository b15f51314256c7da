"""Scoring work that a worker or the broker dropped, sent again."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet

from django_app.outbox import enqueue
from django_app.scoring import selectors
from django_app.scoring.models import BatchChunk, PredictionRequest
from django_app.scoring.services.batches import CHUNK_SCORE
from django_app.scoring.services.requests import REQUEST_SCORE
from hotclub import names

_M = TypeVar("_M", bound=Model)
logger = logging.getLogger(__name__)

#: Work that was enqueued longer ago than this and is not done is enqueued again.
STUCK_AFTER = dt.timedelta(seconds=30)
#: The largest number of tasks that one sweep sends.
MAX_TASKS = 500


@transaction.atomic
def scoring_sweep(*, now: dt.datetime) -> int:
    """Enqueue again what a dead worker or broker dropped, and return how much.

    Sending a task twice does no harm: the second finds its work done.
    """
    before = now - STUCK_AFTER
    chunks = list(_unlocked(selectors.chunks_enqueued_before(before)))
    requests = list(_unlocked(selectors.requests_enqueued_before(before)))
    BatchChunk.objects.filter(pk__in=[c.pk for c in chunks]).update(enqueued_at=now)
    PredictionRequest.objects.filter(pk__in=[r.pk for r in requests]).update(enqueued_at=now)
    for request in requests:
        enqueue(REQUEST_SCORE, str(request.pk), queue=names.QUEUE_REQUESTS)
    for chunk in chunks:
        enqueue(CHUNK_SCORE, chunk.pk, queue=names.QUEUE_BATCHES)
    if chunks or requests:
        logger.info("sweep enqueued", extra={"chunks": len(chunks), "requests": len(requests)})
    return len(chunks) + len(requests)


def _unlocked(rows: QuerySet[_M]) -> QuerySet[_M]:
    """Lock rows and return them, without those that somebody is scoring now."""
    return rows.select_for_update(skip_locked=True)[:MAX_TASKS]
