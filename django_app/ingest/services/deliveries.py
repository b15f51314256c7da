"""Deliveries: registered, started in Airflow, checked, and their end."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path
from typing import Any

from django.db import transaction

from django_app.ingest import landing_folder
from django_app.ingest.landing_folder import LandedFile
from django_app.ingest.models import MAX_ATTEMPTS, CheckRun, Delivery
from django_app.outbox import enqueue
from hotclub import names, severities
from hotclub.airflow_rest import Airflow
from hotclub.errors import ConflictError, InvalidInputError

logger = logging.getLogger(__name__)

#: Tasks that this module sends, by name.
LOAD = "django_app.ingest.tasks.delivery_load"

#: The states in which a check report is accepted.
_CHECKED_IN = (Delivery.Status.LANDED, Delivery.Status.CHECKING, Delivery.Status.ACCEPTED)


class DeliveryBusyError(ConflictError):
    """A delivery's row is held by a load, which may take long: callers do not wait for it."""


class DeliveryStateError(ConflictError):
    """A delivery is not in the state that the call needs; the message says which it is in."""


@transaction.atomic
def delivery_register(*, file: LandedFile, archive_root: Path, now: dt.datetime) -> Delivery:
    """Archive a landed file and write its delivery.

    The same bytes for the same day are the same delivery. One that is final, or waits, gets another round of
    attempts, because delivering it again asks for that: the load is idempotent, and rows that had no match before
    may have one by now.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file's name is not a day; `LandedFile.problem` says so before.
        DeliveryBusyError: it is the file of a delivery that is being loaded now, for however long that takes.
    """
    if file.day is None:
        raise ValueError(f"the name of {file.path} is not a day, so it cannot be a delivery")
    landed_at = file.landed_at or now
    digest, size, path = landing_folder.archive(file.path, archive_root)
    row, created = Delivery.objects.get_or_create(
        source=file.source,
        tenant_id=file.tenant or None,
        day=file.day,
        sha256=digest,
        defaults={"size_bytes": size, "archive_path": str(path), "landed_at": landed_at},
    )
    delivery = Delivery.objects.select_for_update(skip_locked=True).filter(pk=row.pk).first()
    if delivery is None:
        raise DeliveryBusyError(f"delivery {row.pk} is being loaded")
    # The archive may have moved since.
    if delivery.archive_path != str(path):
        delivery.archive_path = str(path)
        delivery.save(update_fields=["archive_path"])
    # With the same time it is the same file, which a crash kept from being removed.
    if not created and delivery.landed_at < landed_at:
        delivery.landed_at = landed_at
        if delivery.is_final or delivery.status == Delivery.Status.WAITING:
            delivery_retry(delivery)
        delivery.save()
    logger.info(
        "delivery landed",
        extra={"delivery": delivery.pk, "source": file.source, "tenant": file.tenant or None, "day": file.day,
               "again": not created},
    )  # fmt: skip
    return delivery


def delivery_retry(delivery: Delivery) -> None:
    """Give a delivery another round of attempts; the caller holds its row and saves it."""
    delivery.status = Delivery.Status.LANDED
    delivery.attempt_limit = delivery.attempts + MAX_ATTEMPTS
    delivery.dag_run_id = delivery.waits_for = ""
    delivery.reasons, delivery.warnings, delivery.finished_at = [], [], None
    delivery.started_at = None


def delivery_start(*, delivery_id: Any, airflow: Airflow, now: dt.datetime) -> None:
    """Ask Airflow for the run of a delivery's present attempt; start the first attempt where there is none.

    The run's id is committed before Airflow is asked, and the same id never starts two runs.

    Raises:
        AirflowDownError, AirflowRefusedError: Airflow did not take it; the sweep will ask again.
    """
    with transaction.atomic():
        delivery = _lock(delivery_id)
        # What is being loaded needs no run.
        if delivery is None or delivery.is_final:
            return
        if not delivery.dag_run_id:
            next_attempt(delivery)
        delivery.started_at = now
        delivery.save()
    airflow.run_start(
        dag_id=names.ingest_dag_id(delivery.source),
        run_id=delivery.dag_run_id,
        # Only its key: a run asks Django for everything else, so that no one can enter wrong facts by hand.
        conf={"delivery": str(delivery.pk)},
    )
    Delivery.objects.filter(pk=delivery.pk, status=Delivery.Status.LANDED).update(
        status=Delivery.Status.CHECKING, waits_for=""
    )


def next_attempt(delivery: Delivery) -> None:
    """Count an attempt and name its DAG run; the caller holds the row and saves it."""
    delivery.attempts += 1
    delivery.dag_run_id = names.ingest_run_id(str(delivery.pk), delivery.attempts)


@transaction.atomic
def check_run_record(
    *, delivery_id: Any, report: dict[str, Any], now: dt.datetime, dag_run_id: str = ""
) -> CheckRun:
    """Write a check report and decide by the highest severity that failed: critical is rejected.

    A repeated report of the same attempt replaces the first, until the load was asked for.

    Args:
        delivery_id: its key.
        report: the check report, validated.
        now: when it was decided.
        dag_run_id: the Airflow run that checked it.

    Raises:
        DeliveryStateError: the delivery is final, waits, or its load was asked for: it is not checked now. Or another
            attempt has followed the run.
        InvalidInputError: the report is of another source.
    """
    delivery = _lock(delivery_id) or Delivery.objects.get(pk=delivery_id)
    if delivery.status not in _CHECKED_IN:
        raise DeliveryStateError(
            f"the delivery is {delivery.status}; a report is accepted only while it is checked"
        )
    _require_own_run(delivery, dag_run_id)
    if report["source"] != delivery.source:
        raise InvalidInputError.of(
            "source", f"the delivery is of {delivery.source}, not of {report['source']}"
        )
    failed = [result for result in report["results"] if not result["success"]]
    severity = severities.highest(result["severity"] for result in failed)
    rejected = severity == severities.CRITICAL or (not report["success"] and not failed)
    run, _ = CheckRun.objects.update_or_create(
        delivery=delivery,
        attempt=delivery.attempts,
        defaults={
            "decision": CheckRun.Decision.REJECTED if rejected else CheckRun.Decision.ACCEPTED,
            "severity": severity,
            "rows": report["rows"],
            "contract_version": report["contract_version"],
            "results": report["results"],
            "started_at": report["started_at"],
            "finished_at": report["finished_at"],
        },
    )
    delivery.rows_staged = report["rows"]
    delivery.warnings = _messages(failed, severities.WARNING)
    delivery.waits_for = ""
    if rejected:
        reasons = _messages(failed, severities.CRITICAL)
        delivery_finish(delivery, Delivery.Status.REJECTED, now, reasons or ["the check report says failure"])
    else:
        delivery.status = Delivery.Status.ACCEPTED
        delivery.save()
    logger.info("delivery checked", extra={"delivery": delivery.pk, "decision": run.decision})
    return run


def _lock(delivery_id: Any) -> Delivery | None:
    """Lock a delivery's row and return it; None while a load holds it, which may take long: nobody waits for that."""
    free = Delivery.objects.select_for_update(skip_locked=True).filter(pk=delivery_id).first()
    if free is not None:
        return free
    if Delivery.objects.get(pk=delivery_id).status == Delivery.Status.LOADING:
        return None
    # Whoever holds it now has it for a moment.
    return Delivery.objects.select_for_update().get(pk=delivery_id)


def _require_own_run(delivery: Delivery, dag_run_id: str) -> None:
    """Refuse an attempt that another has followed: its report or rows are not the newest. A run by hand may go on."""
    if names.is_followed_run(dag_run_id, str(delivery.pk), delivery.dag_run_id):
        raise DeliveryStateError(
            f"run {delivery.dag_run_id or 'to come'} has taken over delivery {delivery.pk}"
        )


def _messages(failed: list[dict[str, Any]], severity: str) -> list[str]:
    return [result["message"] for result in failed if result["severity"] == severity]


def delivery_finish(
    delivery: Delivery, status: Delivery.Status, now: dt.datetime, reasons: list[str] | None = None
) -> None:
    """End a delivery; the caller holds its row."""
    delivery.status = status
    delivery.finished_at = now
    delivery.reasons = reasons or []
    delivery.waits_for = ""
    delivery.save()


@transaction.atomic
def delivery_load_request(*, delivery_id: Any, dag_run_id: str = "") -> Delivery:
    """Mark an accepted delivery as to be loaded, and enqueue the load after commit. A loaded one is returned as it is.

    Args:
        delivery_id: its key.
        dag_run_id: the Airflow run that asks.

    Raises:
        DeliveryStateError: it was not accepted, or ended otherwise. Or another attempt has followed the run.
    """
    locked = _lock(delivery_id)
    delivery = locked or Delivery.objects.get(pk=delivery_id)
    _require_own_run(delivery, dag_run_id)
    if locked is None or delivery.status == Delivery.Status.LOADED:
        return delivery
    if delivery.status not in (Delivery.Status.ACCEPTED, Delivery.Status.LOADING):
        reasons = "".join(f"; {reason}" for reason in delivery.reasons)
        raise DeliveryStateError(
            f"the delivery is {delivery.status}; only an accepted one can be loaded{reasons}"
        )
    delivery.status = Delivery.Status.LOADING
    delivery.save()
    enqueue(LOAD, str(delivery.pk), queue=names.QUEUE_INGEST)
    return delivery


def delivery_fail(*, delivery_id: Any, reason: str, now: dt.datetime) -> None:
    """Give a delivery up, with the reason."""
    with transaction.atomic():
        delivery = Delivery.objects.select_for_update().get(pk=delivery_id)
        if not delivery.is_final:
            delivery_finish(delivery, Delivery.Status.FAILED, now, [reason])
            logger.error("delivery failed", extra={"delivery": delivery.pk, "reason": reason})


@transaction.atomic
def delivery_note(*, delivery_id: Any, waits_for: str) -> None:
    """Write what a delivery on its way waits for, or why its last attempt failed.

    One that is being loaded now is left alone, and so is one that waits for rows, which says itself what it waits for.
    """
    open_ones = Delivery.objects.select_for_update(skip_locked=True).exclude(status__in=Delivery.SETTLED)
    delivery = open_ones.filter(pk=delivery_id).first()
    if delivery is not None:
        delivery.waits_for = waits_for
        delivery.save(update_fields=["waits_for"])


@transaction.atomic
def delivery_restage(*, delivery_id: Any, reason: str) -> None:
    """Take a load back whose staged rows are gone: its DAG run ends, and the next attempt stages the file again."""
    loading = Delivery.objects.filter(pk=delivery_id, status=Delivery.Status.LOADING)
    loading.update(status=Delivery.Status.LANDED, waits_for=reason)
