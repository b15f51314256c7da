"""Reads of the ingest app."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from django_app.conf import hotclub_settings
from django_app.ingest.models import CheckRun, Delivery, RefusedFile
from django_app.tenants.models import Tenant
from django_app.tenants.selectors import scoped
from hotclub import contract_files
from hotclub.contract import ModelContract, SourceContract
from hotclub.errors import ContractError

logger = logging.getLogger(__name__)


def deliveries(user: Any) -> QuerySet[Delivery]:
    """Return the deliveries that the user may see, newest first."""
    return scoped(Delivery.objects.all(), user)


def check_runs(user: Any) -> QuerySet[CheckRun]:
    """Return the check runs that the user may see, newest first."""
    return scoped(CheckRun.objects.select_related("delivery"), user, path="delivery__tenant")


def source_contract(name: str) -> SourceContract:
    """Return the newest contract of a source; ContractError when there is none."""
    return contract_files.find_source(name, hotclub_settings.contracts)


def source_contracts() -> dict[str, SourceContract]:
    """Return the newest contract of every source by name; one that cannot be read is logged and left out."""
    found = contract_files.read_readable(hotclub_settings.contracts)
    for reason in found.broken:
        logger.warning("contract cannot be read", extra={"error": reason})
    return {c.name: c for c in found.contracts if isinstance(c, SourceContract)}


def sources_by_tenancy() -> dict[str, bool | None]:
    """Return whether the files of each source are of a tenant, by the source's name.

    None for one whose contract is broken: its files wait for the fix, wherever they landed.
    """
    found: dict[str, bool | None] = {}
    for directory in contract_files.contract_dirs(hotclub_settings.contracts):
        try:
            contract = contract_files.read_newest(directory)
        except ContractError:
            found[directory.name] = None
        else:
            if isinstance(contract, SourceContract):
                found[contract.name] = contract.schema.tenant_path is not None
    return found


def models_scored_on(source: str) -> list[ModelContract]:
    """Return the newest contracts of the models that score each load of a source; broken ones are logged elsewhere."""
    found = contract_files.read_readable(hotclub_settings.contracts).contracts
    return [c for c in found if isinstance(c, ModelContract) and c.policy.score_on == source]


def target_of(delivery_id: Any) -> tuple[str, str]:
    """Return the table that a delivery loads into and its natural key, for messages."""
    schema = source_contract(Delivery.objects.get(pk=delivery_id).source).schema
    return schema.table, ", ".join(schema.natural_key)


def same_day(delivery: Delivery) -> QuerySet[Delivery]:
    """Return the other deliveries of the same source, tenant and day."""
    same = Delivery.objects.filter(source=delivery.source, tenant=delivery.tenant_id, day=delivery.day)
    return same.exclude(pk=delivery.pk)


def correction(delivery: Delivery) -> Delivery | None:
    """Return a delivery of the same source, tenant and day that landed later and is loading or loaded.

    A loaded one comes first: it decides, even when others load later.
    """
    later = same_day(delivery).filter(landed_at__gt=delivery.landed_at)
    for status in (Delivery.Status.LOADED, Delivery.Status.LOADING):
        found = later.filter(status=status).order_by("-landed_at").first()
        if found is not None:
            return found
    return None


def loaded_before(delivery: Delivery) -> Delivery | None:
    """Return the newest other delivery of the same source, tenant and day whose loaded keys are known."""
    loaded = same_day(delivery).filter(status=Delivery.Status.LOADED, loaded_keys__isnull=False)
    return loaded.select_related("loaded_keys").order_by("-landed_at").first()


def siblings(delivery: Delivery) -> QuerySet[Delivery]:
    """Return the deliveries of other sources for the same day, of the same tenant or of none, that are on their way.

    A delivery of no tenant has rows of every tenant.
    """
    same = Delivery.objects.filter(day=delivery.day)
    if delivery.tenant_id is not None:
        same = same.filter(Q(tenant=delivery.tenant_id) | Q(tenant=None))
    return same.exclude(source=delivery.source).exclude(status__in=Delivery.SETTLED)


def on_the_way_before(delivery: Delivery) -> Delivery | None:
    """Return the oldest delivery of the same source and tenant that landed before and is still on its way."""
    before = Delivery.objects.filter(
        source=delivery.source, tenant=delivery.tenant_id, landed_at__lt=delivery.landed_at
    )
    return before.exclude(status__in=Delivery.SETTLED).order_by("landed_at", "pk").first()


def loaded_after(delivery: Delivery) -> QuerySet[Delivery]:
    """Return the loaded deliveries of the same source and tenant that landed later, of any day."""
    return Delivery.objects.filter(
        source=delivery.source,
        tenant=delivery.tenant_id,
        landed_at__gt=delivery.landed_at,
        status=Delivery.Status.LOADED,
    )


def unmatched(after: dt.datetime) -> QuerySet[Delivery]:
    """Return deliveries with unmatched rows, where another delivery loaded since then may have added the missing ones.

    Those are the ones that wait, and those that were loaded after a moment without some of their rows. The caller
    checks whether the other delivery has rows of the same table.

    Args:
        after: loads before this moment are left out.
    """
    every = Delivery.objects.filter(status=Delivery.Status.LOADED).exclude(source=OuterRef("source"))
    own = every.filter(Q(tenant=OuterRef("tenant")) | Q(tenant=None))

    def loaded_since_its(moment: str) -> Q:
        # A delivery of no tenant has rows of every tenant, whose deliveries may have added them.
        later = {"finished_at__gt": OuterRef(moment)}
        return Q(Exists(own.filter(**later))) | (Q(tenant=None) & Q(Exists(every.filter(**later))))

    waiting = Q(status=Delivery.Status.WAITING) & loaded_since_its("started_at")
    left_out = Q(status=Delivery.Status.LOADED, rows_unmatched__gt=0, finished_at__gt=after)
    left_out &= loaded_since_its("finished_at")
    return Delivery.objects.filter(waiting | left_out).order_by("landed_at", "pk")


def loaded_since(delivery: Delivery) -> QuerySet[Delivery]:
    """Return other sources' deliveries, of the same tenant or of none, that were loaded after one began or ended."""
    since = delivery.finished_at or delivery.started_at
    others = Delivery.objects.filter(status=Delivery.Status.LOADED, finished_at__gt=since)
    if delivery.tenant_id is not None:
        others = others.filter(Q(tenant=delivery.tenant_id) | Q(tenant=None))
    return others.exclude(source=delivery.source)


def refused_files(user: Any) -> QuerySet[RefusedFile]:
    """Return the refused files that the user may see, newest first. Those of no tenant are for few."""
    return scoped(RefusedFile.objects.all(), user)


def stuck(now: dt.datetime, after: dt.timedelta) -> QuerySet[Delivery]:
    """Return deliveries that are on their way and whose newest start lies longer ago than `after`.

    One that waits for another delivery is not among them: nothing that is done to it alone would help.
    """
    waiting = Q(started_at__lt=now - after) | Q(started_at=None, landed_at__lt=now - after)
    return Delivery.objects.exclude(status__in=Delivery.SETTLED).filter(waiting).order_by("landed_at")


def loaded_of_day(*, source: str, day: dt.date, tenant: Tenant | None) -> QuerySet[Delivery]:
    """Return the deliveries of a day that are loaded, by key.

    Args:
        source: its name.
        day: that was delivered.
        tenant: whose, with those of no tenant, which have rows of every tenant; None for all.
    """
    loaded = Delivery.objects.filter(source=source, day=day, status=Delivery.Status.LOADED)
    if tenant is not None:
        loaded = loaded.filter(Q(tenant=tenant) | Q(tenant=None))
    return loaded.order_by("pk")


def loads_of_day(*, source: str, day: dt.date, tenant: Tenant | None) -> list[tuple[str, int]]:
    """Return key and number of loads of each delivery of `loaded_of_day`."""
    loaded = loaded_of_day(source=source, day=day, tenant=tenant)
    return [(str(key), loads) for key, loads in loaded.values_list("pk", "loads")]
