"""Reads of the ingest app."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from django_app.ingest.models import CheckRun, Delivery
from django_app.tenants.selectors import scoped
from hotclub import store
from hotclub.contract import SourceContract


def deliveries(user: Any) -> QuerySet[Delivery]:
    """Return the deliveries that the user may see, newest first."""
    return scoped(Delivery.objects.all(), user)


def check_runs(user: Any) -> QuerySet[CheckRun]:
    """Return the check runs that the user may see, newest first."""
    return scoped(CheckRun.objects.select_related("delivery"), user, path="delivery__tenant")


def source_contract(name: str) -> SourceContract:
    """Return the newest contract of a source; ContractError when there is none."""
    return store.find_source(name, settings.HOTCLUB_CONTRACTS)


def correction(delivery: Delivery) -> Delivery | None:
    """Return a delivery of the same source, tenant and day that landed later and is loading or loaded."""
    same = Delivery.objects.filter(
        source=delivery.source, tenant=delivery.tenant_id, data_date=delivery.data_date
    )
    loads = same.filter(status__in=(Delivery.Status.LOADING, Delivery.Status.LOADED))
    return loads.filter(landed_at__gt=delivery.landed_at).order_by("-landed_at").first()


def siblings(delivery: Delivery) -> QuerySet[Delivery]:
    """Return the deliveries of other sources for the same tenant and day that are not final."""
    same = Delivery.objects.filter(tenant=delivery.tenant_id, data_date=delivery.data_date)
    return same.exclude(source=delivery.source).exclude(status__in=Delivery.FINAL)


def stuck(now: dt.datetime, after: dt.timedelta) -> QuerySet[Delivery]:
    """Return deliveries that are not final and whose newest start lies longer ago than `after`."""
    waiting = Q(started_at__lt=now - after) | Q(started_at=None, landed_at__lt=now - after)
    return Delivery.objects.exclude(status__in=Delivery.FINAL).filter(waiting).order_by("landed_at")
