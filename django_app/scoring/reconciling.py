"""Days that were loaded and that nobody asked to score: a batch each, in case the event got lost on the way."""

from __future__ import annotations

import datetime as dt
import logging

from django.conf import settings

from django_app.ingest.models import Delivery
from django_app.scoring import pinning, selectors, services
from django_app.scoring.slices import Slice
from hotclub import store
from hotclub.contract import ModelContract
from hotclub.errors import ContractError, RegistryError

logger = logging.getLogger(__name__)

#: The orchestrator has this long after a load to ask for the batch itself.
PATIENCE = dt.timedelta(minutes=10)
#: What was loaded longer ago is a replay's, by hand.
REACH = dt.timedelta(days=2)
#: The largest number of batches that one sweep makes for a model.
LIMIT = 50


def loaded_days_score(*, clock: services.Clock) -> int:
    """Accept a batch for each loaded day without one, of every model that follows a source; return how many.

    Models without a champion wait, as does everything while the model registry does not answer.
    """
    try:
        contracts = store.read_all(settings.HOTCLUB_CONTRACTS).values()
    except ContractError as error:
        logger.warning("loaded days are not reconciled", extra={"error": str(error)})
        return 0
    models = [c for c in contracts if isinstance(c, ModelContract) and c.policy.score_on]
    return sum(_model_score(model=contract, clock=clock) for contract in models)


def _model_score(*, model: ModelContract, clock: services.Clock) -> int:
    now = clock()
    # Two deliveries of one day make one batch: it reads the rows as the newest of them left them.
    missed: dict[tuple[str | None, dt.date], Delivery] = {}
    for delivery in selectors.deliveries_without_batch(
        model=model.name, source=model.policy.score_on or "", after=now - REACH, before=now - PATIENCE
    ):
        tenant = delivery.tenant_id if model.schema.tenant is not None else None
        missed.setdefault((tenant, delivery.data_date), delivery)
    if not missed:
        return 0
    try:
        pin = pinning.champion_with_view(model.name)
    except pinning.NoChampionError as error:
        logger.warning("loaded days wait", extra={"model": model.name, "error": str(error)})
        return 0
    except RegistryError as error:
        logger.warning("loaded days wait for the model registry", extra={"error": str(error)})
        return 0
    return sum(_delivery_score(delivery=d, pin=pin, clock=clock) for d in list(missed.values())[:LIMIT])


def _delivery_score(*, delivery: Delivery, pin: pinning.Pin, clock: services.Clock) -> bool:
    schema = pin.contract.schema
    try:
        _, created = services.batch_create(
            pin=pin,
            piece=Slice.of_day(delivery.data_date, schema.timezone),
            tenant=delivery.tenant if schema.tenant is not None else None,
            key=services.load_key(delivery),
            user=None,
            clock=clock,
        )
    except Exception:  # one day that cannot be cut must not keep the others from being scored
        logger.exception("loaded day not scored", extra={"delivery": delivery.pk, "model": pin.version.model})
        return False
    if created:
        logger.warning("loaded day had no batch", extra={"delivery": delivery.pk, "model": pin.version.model})
    return created
