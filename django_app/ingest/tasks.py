"""Celery tasks of the ingest app; each calls a service."""

from __future__ import annotations

import logging

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from django_app.ingest import loading, services
from django_app.ingest.airflow import Airflow, AirflowDownError, AirflowRefusedError

logger = logging.getLogger(__name__)


@shared_task
def deliveries_find() -> None:
    """Register what has landed and start its DAG runs."""
    now = timezone.now()
    found = services.deliveries_find(
        landing_root=settings.HOTCLUB_LANDING, archive_root=settings.HOTCLUB_ARCHIVE, now=now
    )
    if not found:
        return
    with Airflow.from_settings() as airflow:
        for delivery in found:
            try:
                services.delivery_start(delivery_id=delivery.pk, airflow=airflow, now=now)
            except AirflowDownError as error:
                logger.warning("deliveries wait for the sweep: %s", error)
                return
            except AirflowRefusedError as error:
                logger.warning("delivery waits for the sweep: %s", error, extra={"delivery": delivery.pk})


@shared_task
def delivery_load(delivery_id: str) -> None:
    """Load a delivery's staged rows. What the same rows would meet again is final; the rest is tried again."""
    try:
        loading.delivery_load(delivery_id=delivery_id, now=timezone.now())
    except loading.PERMANENT as error:
        reason = f"PostgreSQL refused the rows: {str(error).strip().splitlines()[0]}"
        services.delivery_fail(delivery_id=delivery_id, reason=reason, now=timezone.now())
    except loading.PASSING as error:
        logger.warning("load waits for the sweep", extra={"delivery": delivery_id, "error": str(error)})


@shared_task
def sweep() -> None:
    """Find deliveries that stand still."""
    with Airflow.from_settings() as airflow:
        services.deliveries_sweep(airflow=airflow, now=timezone.now())
