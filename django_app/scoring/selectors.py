"""Reads of the scoring app."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from django_app.ingest.models import Delivery
from django_app.registry.models import ContractVersion
from django_app.scoring.models import Batch, BatchChunk, Prediction, PredictionRequest
from django_app.tenants.models import Tenant
from django_app.tenants.selectors import scoped
from hotclub.contract import ModelContract
from hotclub.errors import ContractError


def batches(user: Any) -> QuerySet[Batch]:
    """Return the batches that the user may see, newest first. Those over all tenants are for few."""
    return scoped(Batch.objects.all(), user)


def predictions(batch: Batch) -> QuerySet[Prediction]:
    """Return a batch's results, by entity."""
    return Prediction.objects.filter(batch=batch).order_by("entity")


def prediction_requests(user: Any) -> QuerySet[PredictionRequest]:
    """Return the prediction requests that the user may see, newest first."""
    return scoped(PredictionRequest.objects.all(), user)


def contract_by_fingerprint(model: str, fingerprint: str | None) -> ModelContract:
    """Return the contract that a model version was trained under, as ``migrate`` recorded it.

    Raises:
        ContractError: this database knows no such contract; its file is missing, or migrate has not run.
    """
    row = ContractVersion.objects.filter(name=model, fingerprint=fingerprint or "", kind="model").first()
    if row is None:
        raise ContractError(
            f"{model}: the contract with the fingerprint {(fingerprint or 'none')[:12]} is not known here; "
            "bring its file and run migrate"
        )
    return ModelContract.from_json(row.content)


def contract_fingerprints_in_use() -> set[str]:
    """Return the contract fingerprints of unfinished batches; none before this app's tables are there."""
    if Batch._meta.db_table not in connection.introspection.table_names():
        return set()
    unfinished = Batch.objects.exclude(status__in=Batch.FINAL)
    return set(unfinished.order_by().values_list("contract_fingerprint", flat=True).distinct())


def deliveries_without_batch(
    *, model: str, source: str, after: dt.datetime, before: dt.datetime
) -> QuerySet[Delivery]:
    """Return deliveries of a source, loaded from `after` until `before`, whose day the model has not scored since.

    Newest first. A batch over every tenant counts for each of them.
    """
    scored = Batch.objects.filter(
        Q(tenant=OuterRef("tenant")) | Q(tenant=None),
        model=model,
        day=OuterRef("data_date"),
        created_at__gte=OuterRef("finished_at"),
    )
    loaded = Delivery.objects.filter(
        source=source, status=Delivery.Status.LOADED, finished_at__gt=after, finished_at__lte=before
    )
    return loaded.exclude(Exists(scored)).select_related("tenant").order_by("-finished_at", "pk")


def newest_load(*, source: str, day: dt.date, tenant: Tenant | None) -> Delivery | None:
    """Return the delivery of a day that was loaded last; of every tenant's where `tenant` is None."""
    loaded = Delivery.objects.filter(source=source, data_date=day, status=Delivery.Status.LOADED)
    if tenant is not None:
        loaded = loaded.filter(tenant=tenant)
    return loaded.order_by("-finished_at", "pk").first()


def chunks_to_enqueue(before: dt.datetime) -> QuerySet[BatchChunk]:
    """Return pending chunks that were last enqueued before a moment and that nobody is scoring now."""
    return (
        BatchChunk.objects.select_for_update(skip_locked=True)
        .filter(status=BatchChunk.Status.PENDING, enqueued_at__lt=before)
        .order_by("enqueued_at", "pk")
    )


def requests_to_enqueue(before: dt.datetime) -> QuerySet[PredictionRequest]:
    """Return pending requests that were last enqueued before a moment and that nobody is scoring now."""
    return (
        PredictionRequest.objects.select_for_update(skip_locked=True)
        .filter(status=PredictionRequest.Status.PENDING, enqueued_at__lt=before)
        .order_by("enqueued_at", "pk")
    )
