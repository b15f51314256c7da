"""Prediction requests: accepted, scored by a worker, and what became of each."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from django.db import transaction
from django.db.models import F

from django_app.outbox import enqueue
from django_app.registry.selectors import ModelVersionRef
from django_app.scoring.models import MAX_ATTEMPTS, NO_REASON, PredictionRequest
from django_app.scoring.predictors import predictor_for
from django_app.tenants.models import Tenant
from hotclub import names
from hotclub.callbacks import Clock
from hotclub.errors import FieldError, InvalidInputError
from hotclub.feature_validation import feature_errors

logger = logging.getLogger(__name__)

#: Sent by name: tasks import services, not the other way round.
REQUEST_SCORE = "django_app.scoring.tasks.request_score"


@transaction.atomic
def request_create(
    *, version: ModelVersionRef, tenant: Tenant | None, features: object, user: Any, now: dt.datetime
) -> PredictionRequest:
    """Check features against the champion's contract, write the request, and enqueue it after commit.

    Raises:
        InvalidInputError: with every field's error.
    """
    errors: list[FieldError] = feature_errors(version.contract, features, "features")
    if errors:
        raise InvalidInputError(errors)
    request = PredictionRequest.objects.create(
        **version.columns(),
        tenant=tenant,
        features=features,
        requested_by=user,
        created_at=now,
        enqueued_at=now,
    )
    enqueue(REQUEST_SCORE, str(request.pk), queue=names.QUEUE_REQUESTS)
    return request


def request_score(*, request_id: Any, clock: Clock) -> bool:
    """Score a prediction request; return whether this call did.

    Raises:
        RegistryError: the package is not here yet and the model registry does not answer.
        PackageError: the request's model version cannot score; the caller gives the request up.
    """
    if not _request_begin(request_id=request_id, now=clock()):
        return False
    with transaction.atomic():
        request = _pending_request(request_id)
        if request is None:
            return False
        answer = predictor_for(request).predict_rows([request.features])
        score = answer.scores[0].tolist()
        if isinstance(score, list):
            request.scores = score
        else:
            request.score = score
        request.unseen = answer.unseen
        request.status, request.finished_at, request.error = PredictionRequest.Status.DONE, clock(), ""
        request.save()
    return True


def _pending_request(request_id: Any) -> PredictionRequest | None:
    found = PredictionRequest.objects.select_for_update(skip_locked=True)
    return found.filter(pk=request_id, status=PredictionRequest.Status.PENDING).first()


@transaction.atomic
def _request_begin(*, request_id: Any, now: dt.datetime) -> bool:
    """Count the attempt, in a transaction of its own: a crash must not undo that."""
    request = _pending_request(request_id)
    if request is None:
        return False
    begun = request.attempts
    if begun >= MAX_ATTEMPTS:
        request.status, request.finished_at = PredictionRequest.Status.FAILED, now
        request.error = f"begun {MAX_ATTEMPTS} times and never finished: {request.error or NO_REASON}"[:500]
    else:
        request.attempts, request.enqueued_at = begun + 1, now
    request.save()
    return begun < MAX_ATTEMPTS


@transaction.atomic
def request_note(*, request_id: Any, reason: str, now: dt.datetime, permanent: bool) -> None:
    """Write why an attempt at a request failed, and give it up where that cannot change or was the last."""
    request = PredictionRequest.objects.select_for_update().get(pk=request_id)
    if request.status != PredictionRequest.Status.PENDING:
        return
    request.error = reason[:500]
    if permanent or request.attempts >= MAX_ATTEMPTS:
        request.status, request.finished_at = PredictionRequest.Status.FAILED, now
    request.save()


def request_wait(*, request_id: Any, reason: str) -> None:
    """Write what a request waits for, and take its attempt back: an outage elsewhere does not use attempts up."""
    pending = PredictionRequest.Status.PENDING
    waiting = PredictionRequest.objects.filter(pk=request_id, status=pending, attempts__gt=0)
    waiting.update(error=reason[:500], attempts=F("attempts") - 1)
