"""Celery tasks of the scoring app; each calls a service."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone

from django_app.scoring import execution, services
from hotclub.errors import RegistryError

logger = logging.getLogger(__name__)


@shared_task
def chunk_score(chunk_id: int) -> None:
    """Score a chunk of a batch."""
    try:
        execution.chunk_score(chunk_id=chunk_id, now=timezone.now())
    except execution.PERMANENT as error:
        execution.batch_fail(chunk_id=chunk_id, reason=str(error), now=timezone.now())
    except RegistryError as error:
        execution.chunk_note(chunk_id=chunk_id, reason=str(error))
        logger.warning("chunk waits for the sweep", extra={"chunk": chunk_id, "error": str(error)})


@shared_task
def request_score(request_id: str) -> None:
    """Score a prediction request."""
    try:
        execution.request_score(request_id=request_id, now=timezone.now())
    except (*execution.PERMANENT, RegistryError) as error:
        permanent = isinstance(error, execution.PERMANENT)
        execution.request_note(
            request_id=request_id, reason=str(error), now=timezone.now(), permanent=permanent
        )
        logger.warning("request not scored", extra={"request": request_id, "error": str(error)})


@shared_task
def sweep() -> None:
    """Find scoring work that a dead worker or broker dropped."""
    services.scoring_sweep(now=timezone.now())
