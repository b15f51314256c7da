"""From staged text to Django's tables: one idempotent load in one transaction."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from django_app.contracts.column_defaults import can_insert
from django_app.ingest import selectors
from django_app.ingest.models import Delivery, LoadedKeys
from django_app.ingest.services.delivered_day import rows_outside_day
from django_app.ingest.services.row_loading import LoadResult, rows_load, rows_of
from django_app.ingest.signals import delivery_loaded
from hotclub.callbacks import Clock
from hotclub.contract import SourceContract
from hotclub.errors import ContractError

logger = logging.getLogger(__name__)

#: How long rows without a match wait within their load for a delivery that is on its way.
MAX_WAIT = dt.timedelta(minutes=10)
#: How long PostgreSQL may take over one statement of a load. Less than CELERY_TASK_SOFT_TIME_LIMIT, at which the
#: process would go and the statement with its locks stay.
MAX_STATEMENT_TIME = dt.timedelta(minutes=40)


class TooEarlyError(Exception):
    """Something that this load depends on is still on its way; the message says what."""


def delivery_load(*, delivery_id: Any, clock: Clock = timezone.now) -> bool:
    """Load a delivery whose load was asked for; rows, rollups and status commit together.

    Args:
        delivery_id: its key.
        clock: read when the load begins and when it ends.

    Returns:
        Whether this call loaded it. A second call finds it loaded, or being loaded, and does nothing.

    Raises:
        NotStagedError: nothing is staged.
        TooEarlyError: what it depends on is still on its way; nothing was written.
        DatabaseError: PostgreSQL refused; nothing was written.
    """
    with transaction.atomic():
        # A slow load must not hold every worker process: a second task leaves the load to the first, or to the sweep.
        delivery = Delivery.objects.select_for_update(skip_locked=True).filter(pk=delivery_id).first()
        if delivery is None or delivery.status != Delivery.Status.LOADING:
            return False
        contract = selectors.source_contract(delivery.source)
        _limit_statements()
        if _of_other_tenancy(delivery, contract, clock):
            return False
        _require_alone(delivery, contract)
        if _superseded(delivery, clock):
            return False
        # Asked before the rows are read: what commits in between is then seen by the load.
        awaited = _awaited(delivery, contract, clock())
        result = rows_load(
            contract=contract, delivery_id=str(delivery.pk), tenant=delivery.tenant_id, now=clock()
        )
        if result.unmatched and awaited is not None:
            raise TooEarlyError(
                f"{rows_of(result.unmatched)} without a match: waits for the {awaited.source} of {awaited.day}"
                f", which is {awaited.status}"
            )
        _record(delivery, contract, result, clock)
        if delivery.status == Delivery.Status.LOADED:
            delivery_loaded.send(sender=Delivery, delivery=delivery, contract=contract)
            # What the signal's receivers did belongs to the load.
            delivery.finished_at = clock()
            delivery.save(update_fields=["finished_at"])
    logger.info(
        "delivery load",
        extra={"delivery": delivery.pk, "status": delivery.status, "rows": result.loaded, "changed": result.changed},
    )  # fmt: skip
    return delivery.status == Delivery.Status.LOADED


def _of_other_tenancy(delivery: Delivery, contract: SourceContract, clock: Clock) -> bool:
    """Return whether a delivery landed when its source had tenants and now has none, or the other way; refuse it then."""
    has_tenants = contract.schema.tenant_path is not None
    if has_tenants == (delivery.tenant_id is not None):
        return False
    now_have = "have a tenant now" if has_tenants else "have no tenant any more"
    place = "/".join((delivery.source, *(["<tenant>"] if has_tenants else []), f"{delivery.day}.csv"))
    delivery.status, delivery.finished_at = Delivery.Status.REJECTED, clock()
    delivery.reasons = [f"files of {delivery.source} {now_have}; land it again as {place}"]
    delivery.waits_for = ""
    delivery.save()
    return True


def _record(delivery: Delivery, contract: SourceContract, result: LoadResult, clock: Clock) -> None:
    """Write what the load did onto the delivery."""
    delivery.rows_staged = result.staged
    delivery.waits_for = ""
    delivery.only_updates = _only_updates(contract, result)
    if result.refusals:
        delivery.status, delivery.finished_at = Delivery.Status.REJECTED, clock()
        delivery.reasons = result.refusals
    elif result.staged and result.unmatched == result.staged:
        # None of its rows is in the table: that is no load. It loads by itself once another delivery has added the rows.
        delivery.status = Delivery.Status.WAITING
        delivery.rows_loaded, delivery.rows_unmatched = 0, result.unmatched
        delivery.waits_for = _what_is_missing(contract, result)
    else:
        delivery.status, delivery.finished_at = Delivery.Status.LOADED, clock()
        delivery.loads += 1
        delivery.rows_loaded, delivery.rows_changed = result.loaded, result.changed
        delivery.rows_unchanged = result.loaded - result.changed
        delivery.rows_unmatched = result.unmatched
        found = [
            *result.warnings,
            *rows_outside_day(delivery, contract, result.staged),
            *_left_out(delivery, result),
        ]
        # Loaded again, it may find the same again.
        delivery.warnings = list(dict.fromkeys([*delivery.warnings, *found]))
        _keys_keep(delivery, result)
        _supersede_waiting(delivery, clock)
    delivery.save()


def _only_updates(contract: SourceContract, result: LoadResult) -> str:
    """Return why a file of the source adds no rows, empty where it does."""
    if not result.required:
        return ""
    table, lacking = contract.schema.table, ", ".join(result.required)
    return f"only rows that are there are updated: a new row of {table} would lack {lacking}"


def _what_is_missing(contract: SourceContract, result: LoadResult) -> str:
    key = ", ".join(contract.schema.natural_key)
    return (
        f"waits for rows of {contract.schema.table}: none of its {result.staged:,} rows has a ({key}) there, and a file of "
        f"{contract.name} only updates, because it has no {', '.join(result.required)}; it loads by itself once another "
        "delivery has added the rows"
    )


def _left_out(delivery: Delivery, result: LoadResult) -> list[str]:
    """Return a warning where an earlier file of the same day had rows that this one lacks."""
    earlier = selectors.loaded_before(delivery)
    if earlier is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT unnest(%s::bigint[]) EXCEPT SELECT unnest(%s::bigint[])) AS lacking",
            [earlier.loaded_keys.hashes, result.key_hashes],
        )
        (count,) = cursor.fetchone()
    if not count:
        return []
    landed = f"{earlier.landed_at:%Y-%m-%d %H:%M:%S} UTC"
    are, stay = ("is", "stays as it is") if count == 1 else ("are", "stay as they are")
    return [
        f"{rows_of(count)} of the file of the same day that landed at {landed} {are} not in this one, and {stay}"
    ]


def _keys_keep(delivery: Delivery, result: LoadResult) -> None:
    """Keep this delivery's keys, and no longer those of the files of the same day before it."""
    LoadedKeys.objects.filter(delivery__in=selectors.same_day(delivery)).delete()
    LoadedKeys.objects.update_or_create(delivery=delivery, defaults={"hashes": result.key_hashes})


def _supersede_waiting(delivery: Delivery, clock: Clock) -> None:
    """End earlier deliveries that wait for rows: a later file of the same day was loaded and replaces them."""
    waiting = selectors.same_day(delivery).filter(
        status=Delivery.Status.WAITING, landed_at__lt=delivery.landed_at
    )
    waiting.update(
        status=Delivery.Status.REJECTED, waits_for="", finished_at=clock(), reasons=[_superseded_by(delivery)]
    )


def _superseded_by(newer: Delivery) -> str:
    return f"superseded by delivery {newer.pk}, a later file of the same day"


def _limit_statements() -> None:
    """Let PostgreSQL end a statement that takes too long, before the task's own limit ends the process over it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{MAX_STATEMENT_TIME.seconds}s"])


def _require_alone(delivery: Delivery, contract: SourceContract) -> None:
    """Lock out other loads that could meet this one's rows, until this transaction ends.

    Without this a correction whose load starts in the middle of this one could be overwritten by it. Where the
    natural key does not tell days apart, files count in the order in which they landed, of any day; where it does not
    tell tenants apart, one tenant's load could overwrite what another's writes at the same moment.

    Raises:
        TooEarlyError: another one loads now, or is on its way and counts first.
    """
    own_lock = f"ingest.load {delivery.source} {delivery.tenant_id or ''}"
    if contract.key_has_day:
        own_lock += f" {delivery.day}"
    else:
        earlier = selectors.on_the_way_before(delivery)
        if earlier is not None:
            raise TooEarlyError(
                f"waits for the {earlier.source} of {earlier.day}, which landed before and is {earlier.status}: "
                "the natural key holds no day, so the later file has to be loaded last"
            )
    locks = {own_lock: "another file of the same source, tenant and day is being loaded"}
    if contract.schema.tenant_path is not None and not contract.key_has_tenant:
        locks[f"ingest.load {contract.schema.table}"] = (
            f"another file is being loaded into {contract.schema.table}"
        )
    with connection.cursor() as cursor:
        for lock, why in locks.items():
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [lock])
            if not cursor.fetchone()[0]:
                raise TooEarlyError(why)


def _superseded(delivery: Delivery, clock: Clock) -> bool:
    """Return whether a later file of the same day was loaded, and reject this one for it.

    Raises:
        TooEarlyError: a later file is about to be loaded; what becomes of it decides.
    """
    newer = selectors.correction(delivery)
    if newer is None:
        return False
    if newer.status == Delivery.Status.LOADING:
        raise TooEarlyError(
            f"waits for delivery {newer.pk}, a later file of the same day that is being loaded"
        )
    delivery.status, delivery.finished_at = Delivery.Status.REJECTED, clock()
    delivery.reasons = [_superseded_by(newer)]
    delivery.waits_for = ""
    delivery.save()
    logger.info("delivery superseded", extra={"delivery": delivery.pk, "by": newer.pk})
    return True


def _awaited(delivery: Delivery, contract: SourceContract, now: dt.datetime) -> Delivery | None:
    """Return a delivery on its way that may add the rows which this one can only update; None after `MAX_WAIT`."""
    if can_insert(contract) or now - (delivery.started_at or delivery.landed_at) > MAX_WAIT:
        return None
    for other in selectors.siblings(delivery):
        try:
            theirs = selectors.source_contract(other.source)
        except ContractError:
            continue
        if theirs.schema.table == contract.schema.table and can_insert(theirs):
            return other
    return None
