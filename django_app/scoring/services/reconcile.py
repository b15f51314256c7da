"""Days that were loaded but not scored: a batch for each, in case the event was lost."""

from __future__ import annotations

import datetime as dt
import logging

from django.db import connection

from django_app.conf import hotclub_settings
from django_app.ingest.loaded_keys import loaded_rows
from django_app.ingest.models import Delivery
from django_app.registry import selectors as registry
from django_app.registry.selectors import ModelVersionRef, NoChampionError
from django_app.scoring import selectors
from django_app.scoring.row_selection import RowSelection
from django_app.scoring.services.batches import batch_create, load_key
from django_app.tenants.models import Tenant
from hotclub import contract_files
from hotclub.callbacks import Clock
from hotclub.contract import ModelContract
from hotclub.errors import RegistryError

logger = logging.getLogger(__name__)

#: The orchestrator has this long after a load to ask for the batch itself.
MIN_AGE = dt.timedelta(minutes=10)
#: What was loaded longer ago is a replay's, by hand.
MAX_AGE = dt.timedelta(days=2)
#: What finding the rows of one batch may take: no caller waits for it.
TIME_LIMIT = dt.timedelta(minutes=5)
#: The largest number of batches that one sweep makes for a model.
MAX_BATCHES = 50


def loaded_days_score(*, clock: Clock) -> int:
    """Accept a batch for each loaded day without one, of every model that follows a source; return how many.

    Models without a champion wait, as does everything while the model registry does not answer. While another process
    does the same, this one does nothing: the rows of a large table take minutes to find, and sweeps come faster.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('scoring.loaded_days_score'))")
        if not cursor.fetchone()[0]:
            return 0
    try:
        return _every_model_score(clock=clock)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtext('scoring.loaded_days_score'))")


def _every_model_score(*, clock: Clock) -> int:
    found = contract_files.read_readable(hotclub_settings.contracts)
    for reason in found.broken:
        logger.warning("contract cannot be read", extra={"error": reason})
    models = [c for c in found.contracts if isinstance(c, ModelContract) and c.policy.score_on]
    return sum(_model_score(model=contract, clock=clock) for contract in models)


def _model_score(*, model: ModelContract, clock: Clock) -> int:
    now = clock()
    # Two deliveries of one day make one batch: it reads the rows as the newest of them left them.
    missed: dict[tuple[str | None, dt.date], Delivery] = {}
    for delivery in selectors.deliveries_without_batch(
        model_name=model.name,
        by_tenant=model.schema.tenant_path is not None,
        source=model.policy.score_on or "",
        after=now - MAX_AGE,
        before=now - MIN_AGE,
    ):
        tenant = delivery.tenant_id if model.schema.tenant_path is not None else None
        missed.setdefault((tenant, delivery.day), delivery)
    if not missed:
        return 0
    try:
        version = registry.champion_with_view(model.name)
    except NoChampionError as error:
        logger.warning("loaded days wait", extra={"model": model.name, "error": str(error)})
        return 0
    except RegistryError as error:
        logger.warning("loaded days wait for the model registry", extra={"error": str(error)})
        return 0
    return sum(
        _delivery_score(delivery=d, version=version, clock=clock) for d in list(missed.values())[:MAX_BATCHES]
    )


def _delivery_score(*, delivery: Delivery, version: ModelVersionRef, clock: Clock) -> bool:
    schema = version.contract.schema
    tenant = delivery.tenant if schema.tenant_path is not None else None
    try:
        rows = _rows(delivery, version.contract, tenant)
        _, created = batch_create(
            version=version,
            rows=rows,
            tenant=tenant,
            key=load_key(source=delivery.source, day=delivery.day, tenant=tenant, rows=rows),
            user=None,
            clock=clock,
            time_limit=TIME_LIMIT,
        )
    except Exception:  # one day that cannot be cut must not keep the others from being scored
        logger.exception(
            "loaded day not scored", extra={"delivery": delivery.pk, "model": version.registered.model_name}
        )
        return False
    if created:
        logger.warning(
            "loaded day had no batch", extra={"delivery": delivery.pk, "model": version.registered.model_name}
        )
    return created


def _rows(delivery: Delivery, contract: ModelContract, tenant: Tenant | None) -> RowSelection:
    """Return the delivered day, or the rows that were delivered where they have no time."""
    if contract.schema.event_time is not None:
        return RowSelection.of_day(delivery.day, contract)
    rows = loaded_rows(source=delivery.source, day=delivery.day, tenant=tenant)
    return RowSelection.of_delivered(delivery.day, rows)
