"""Celery tasks of the ingest app; each calls a service."""

from __future__ import annotations

import logging

import psycopg
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from django_app.conf import hotclub_settings
from django_app.ingest import airflow as airflow_wiring
from django_app.ingest import load_errors, selectors
from django_app.ingest.services import deliveries, landed_files, loading, row_loading
from django_app.ingest.services import sweep as sweeping
from hotclub.airflow_rest import AirflowDownError, AirflowRefusedError
from hotclub.errors import ContractError

logger = logging.getLogger(__name__)


@shared_task
def landed_files_register() -> None:
    """Register what has landed and start its DAG runs."""
    now = timezone.now()
    try:
        found = landed_files.landed_files_register(
            landing_root=hotclub_settings.landing, archive_root=hotclub_settings.archive, now=now
        )
    except OSError as error:
        logger.error("the landing folder cannot be read: %s", error)  # noqa: TRY400  # no trace of ours says more
        return
    if not found:
        return
    with airflow_wiring.from_settings() as airflow:
        for delivery in found:
            try:
                deliveries.delivery_start(delivery_id=delivery.pk, airflow=airflow, now=now)
            except AirflowDownError as error:
                logger.warning("deliveries wait for the sweep: %s", error)
                return
            except AirflowRefusedError as error:
                logger.warning("delivery waits for the sweep: %s", error, extra={"delivery": delivery.pk})


@shared_task
def delivery_load(delivery_id: str) -> None:
    """Load a delivery's staged rows. An error that the same rows would cause again is final; others are tried again."""
    try:
        loading.delivery_load(delivery_id=delivery_id)
    except loading.TooEarlyError as error:
        deliveries.delivery_note(delivery_id=delivery_id, waits_for=str(error))
    except row_loading.NotStagedError as error:
        deliveries.delivery_restage(delivery_id=delivery_id, reason=str(error))
    except ContractError as error:
        # Its file is being replaced, or has to be fixed: the rows are not at fault, and the sweep asks again.
        logger.warning("load waits for its contract", extra={"delivery": delivery_id, "error": str(error)})
        deliveries.delivery_note(
            delivery_id=delivery_id, waits_for=f"waits for its contract, which cannot be read: {error}"
        )
    except SoftTimeLimitExceeded:
        deliveries.delivery_fail(
            delivery_id=delivery_id,
            reason="the load took longer than a task may (CELERY_TASK_SOFT_TIME_LIMIT); split the file, or raise it",
            now=timezone.now(),
        )
    # A COPY raises psycopg's own errors, everything else Django's.
    except (DatabaseError, InterfaceError, psycopg.Error) as error:
        _refused(delivery_id, error)
    except Exception as error:  # an error in a receiver or in this code: the same rows would cause it again
        logger.exception("delivery not loaded", extra={"delivery": delivery_id})
        deliveries.delivery_fail(
            delivery_id=delivery_id, reason=f"{type(error).__name__}: {error}"[:500], now=timezone.now()
        )


def _refused(delivery_id: str, error: BaseException) -> None:
    if load_errors.passes(error) and not load_errors.took_too_long(error):
        shown = load_errors.shown(error)
        logger.warning("load waits for the sweep", extra={"delivery": delivery_id, "error": shown})
        deliveries.delivery_note(
            delivery_id=delivery_id, waits_for=f"the load is tried again; the last failure: {shown}"
        )
        return
    table, key = selectors.target_of(delivery_id)
    deliveries.delivery_fail(
        delivery_id=delivery_id, reason=load_errors.reason(error, table, key), now=timezone.now()
    )


@shared_task
def sweep() -> None:
    """Find deliveries that make no progress, and those whose missing rows may be there now."""
    now = timezone.now()
    sweeping.deliveries_rematch(now=now)
    with airflow_wiring.from_settings() as airflow:
        sweeping.deliveries_sweep(airflow=airflow, now=now)
