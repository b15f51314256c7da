"""Celery tasks of the scoring app; each calls a service."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone

from django_app.scoring.services import chunks, reconcile, requests
from django_app.scoring.services import sweep as sweeping
from hotclub.errors import ContractError, PackageError, RegistryError, RegistryRefusedError

#: Failures that the same package would meet again.
PERMANENT = (ContractError, PackageError)

logger = logging.getLogger(__name__)


@shared_task
def chunk_score(chunk_id: int) -> None:
    """Score a chunk of a batch."""
    try:
        chunks.chunk_score(chunk_id=chunk_id, clock=timezone.now)
    except PERMANENT as error:
        chunks.batch_fail(chunk_id=chunk_id, reason=str(error), now=timezone.now())
    except (
        RegistryRefusedError
    ) as error:  # MLflow answers and refuses, such as for a version that it has not: waiting will not help
        chunks.chunk_note(chunk_id=chunk_id, reason=str(error))
        logger.warning("chunk not scored", extra={"chunk": chunk_id, "error": str(error)})
    except RegistryError as error:
        chunks.chunk_wait(chunk_id=chunk_id, reason=str(error))
        logger.warning("chunk waits for the model registry", extra={"chunk": chunk_id, "error": str(error)})
    except Exception as error:  # the attempt is counted already; without a reason nobody could fix it
        logger.exception("chunk not scored", extra={"chunk": chunk_id})
        chunks.chunk_note(chunk_id=chunk_id, reason=f"{type(error).__name__}: {error}")


@shared_task
def request_score(request_id: str) -> None:
    """Score a prediction request."""
    try:
        requests.request_score(request_id=request_id, clock=timezone.now)
    except (
        *PERMANENT,
        RegistryRefusedError,
    ) as error:  # MLflow answers and refuses, such as for a version that it has not: waiting will not help
        permanent = isinstance(error, PERMANENT)
        requests.request_note(
            request_id=request_id, reason=str(error), now=timezone.now(), permanent=permanent
        )
        logger.warning("request not scored", extra={"request": request_id, "error": str(error)})
    except RegistryError as error:
        requests.request_wait(request_id=request_id, reason=str(error))
        logger.warning(
            "request waits for the model registry", extra={"request": request_id, "error": str(error)}
        )
    except Exception as error:  # else it would be tried again and again, without a reason
        logger.exception("request not scored", extra={"request": request_id})
        requests.request_note(
            request_id=request_id,
            reason=f"{type(error).__name__}: {error}",
            now=timezone.now(),
            permanent=False,
        )


@shared_task
def sweep() -> None:
    """Find scoring work that a dead worker or broker dropped, and loaded days without a batch."""
    sweeping.scoring_sweep(now=timezone.now())
    reconcile.loaded_days_score(clock=timezone.now)
