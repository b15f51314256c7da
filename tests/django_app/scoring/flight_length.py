"""What tests of the model `flight_length` ask of it; see the fixture `timeless`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django_app.flights.models import Flight
from django_app.ingest.models import Delivery
from django_app.registry.selectors import ModelVersionRef
from django_app.scoring.models import Batch, Prediction
from django_app.scoring.services import chunks
from tests.django_app.scoring.conftest import LANDED, LAST_NUMBER

NOW = LANDED
BATCHES = "/api/v1/batches/"
#: The fixtures `timeless` and `load`.
Make = Callable[..., ModelVersionRef]
Load = Callable[..., Delivery]


def clock() -> dt.datetime:
    """Return the time of these tests."""
    return NOW


def post_batch(api: Any, who: str = "service", **body: Any) -> Any:
    """Ask for a batch."""
    return api(who).post(BATCHES, {"model": "flight_length", **body}, format="json")


def made(answer: Any) -> Batch:
    """Return the batch that was accepted, or found."""
    assert answer.status_code in (200, 202), answer.json()
    return Batch.objects.get(pk=answer.json()["id"])


def scored(batch: Batch) -> Batch:
    """Score a batch as workers do, and return it as it is then."""
    for chunk in batch.chunks.all():
        chunks.chunk_score(chunk_id=chunk.pk, clock=clock)
    batch.refresh_from_db()
    return batch


def entities_of(batch: Batch) -> set[int]:
    """Return the keys that a batch scored."""
    return {int(entity) for entity in Prediction.objects.filter(batch=batch).values_list("entity", flat=True)}


def keys_of(**filters: Any) -> set[int]:
    """Return the keys of the model's rows."""
    return set(Flight.objects.filter(number__lte=LAST_NUMBER, **filters).values_list("pk", flat=True))
