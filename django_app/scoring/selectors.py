"""Reads of the scoring app."""

from __future__ import annotations

import datetime as dt
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject

from django_app.contracts.models import ContractVersion
from django_app.ingest.models import Delivery
from django_app.scoring.models import Batch, BatchChunk, Prediction, PredictionRequest
from django_app.tenants.selectors import scoped

_Work = TypeVar("_Work", Batch, PredictionRequest)


def batches(user: Any) -> QuerySet[Batch]:
    """Return the batches that the user may see, newest first. Those over all tenants are for few."""
    return with_classes(with_newest_errors(scoped(Batch.objects.all(), user)))


def with_newest_errors(batches: QuerySet[Batch]) -> QuerySet[Batch]:
    """Return batches with what `Batch.waits_for` shows, so that a list asks once for all of them."""
    errors = BatchChunk.objects.with_errors().filter(batch=OuterRef("pk"))
    return batches.annotate(newest_error=Subquery(errors.values("error")[:1]))


def with_classes(work: QuerySet[_Work]) -> QuerySet[_Work]:
    """Return batches or requests with what `class_facts` returns, so that a list asks once for all of them."""
    facts = _class_facts(OuterRef("model_name"), OuterRef("contract_fingerprint"))
    return work.annotate(class_facts=Subquery(facts[:1]))


def class_facts(work: Batch | PredictionRequest) -> dict[str, Any] | None:
    """Return task and classes of the contract version that a batch or request is tied to; None where it is not known."""
    if hasattr(work, "class_facts"):
        found: dict[str, Any] | None = work.class_facts
        return found
    return _class_facts(work.model_name, work.contract_fingerprint).first()


def _class_facts(model_name: Any, fingerprint: Any) -> QuerySet[Any]:
    contracts = ContractVersion.objects.filter(
        kind=ContractVersion.Kind.MODEL, name=model_name, fingerprint=fingerprint
    )
    facts = JSONObject(task="content__schema__task", classes="content__schema__classes")
    return contracts.values_list(facts, flat=True)


def predictions(batch: Batch) -> QuerySet[Prediction]:
    """Return a batch's results, by entity."""
    return Prediction.objects.filter(batch=batch).order_by("entity")


def prediction_requests(user: Any) -> QuerySet[PredictionRequest]:
    """Return the prediction requests that the user may see, newest first."""
    return with_classes(scoped(PredictionRequest.objects.all(), user))


def contract_fingerprints_in_use() -> set[str]:
    """Return the contract fingerprints of unfinished batches; none before this app's tables are there."""
    if Batch._meta.db_table not in connection.introspection.table_names():
        return set()
    unfinished = Batch.objects.exclude(status__in=Batch.FINAL)
    return set(unfinished.order_by().values_list("contract_fingerprint", flat=True).distinct())


def deliveries_without_batch(
    *, model_name: str, by_tenant: bool, source: str, after: dt.datetime, before: dt.datetime
) -> QuerySet[Delivery]:
    """Return deliveries of a source, loaded from `after` until `before`, whose day the model has not scored since.

    Newest first. A batch over every tenant counts for each of them. A day of which something was loaded after
    `before` is left out: the batch that is asked for after that load scores these rows too.
    """
    scored = Batch.objects.filter(
        Q(tenant=OuterRef("tenant")) | Q(tenant=None),
        model_name=model_name,
        day=OuterRef("day"),
        created_at__gte=OuterRef("finished_at"),
    )
    loaded = Delivery.objects.filter(source=source, status=Delivery.Status.LOADED)
    later = loaded.filter(day=OuterRef("day"), finished_at__gt=before)
    if by_tenant:
        # A delivery of no tenant has rows of each.
        later = later.filter(Q(tenant=OuterRef("tenant")) | Q(tenant=None))
    missed = (
        loaded.filter(finished_at__gt=after, finished_at__lte=before)
        .exclude(Exists(scored))
        .exclude(Exists(later))
    )
    return missed.select_related("tenant").order_by("-finished_at", "pk")


def chunks_enqueued_before(moment: dt.datetime) -> QuerySet[BatchChunk]:
    """Return pending chunks that were last enqueued before a moment, longest ago first."""
    pending = BatchChunk.objects.filter(status=BatchChunk.Status.PENDING, enqueued_at__lt=moment)
    return pending.order_by("enqueued_at", "pk")


def requests_enqueued_before(moment: dt.datetime) -> QuerySet[PredictionRequest]:
    """Return pending requests that were last enqueued before a moment, longest ago first."""
    pending = PredictionRequest.objects.filter(
        status=PredictionRequest.Status.PENDING, enqueued_at__lt=moment
    )
    return pending.order_by("enqueued_at", "pk")
