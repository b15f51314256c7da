"""Writes of the ingest app: from a landed file to a checked delivery."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from django_app.ingest import landing, selectors
from django_app.ingest.airflow import Airflow, AirflowDownError, AirflowRefusedError
from django_app.ingest.models import ATTEMPTS, CheckRun, Delivery
from django_app.queueing import enqueue
from django_app.tenants.models import Tenant
from hotclub import names
from hotclub.errors import ContractError

logger = logging.getLogger(__name__)

#: Tasks that this module sends, by name.
LOAD = "django_app.ingest.tasks.delivery_load"

#: How long a delivery may stand still before the sweep asks what became of it.
STUCK_AFTER = dt.timedelta(seconds=20)
_SEVERITIES = ("", "info", "warning", "critical")


class DeliveryStateError(Exception):
    """A delivery is not in the state that the call needs; the message says which it is in."""


def deliveries_find(*, landing_root: Path, archive_root: Path, now: dt.datetime) -> list[Delivery]:
    """Register every file that has landed, and return the deliveries that a DAG run is wanted for.

    Two at a time do not run: the second returns nothing. A crash anywhere is made good by the next call.
    A file that cannot be read is told of and left for the next call; the others go on.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('ingest.deliveries_find'))")
        if not cursor.fetchone()[0]:
            return []
        tenants = set(Tenant.objects.values_list("slug", flat=True))
        found, done = [], []
        for file in landing.scan(landing_root):
            try:
                reason = _refusal(file, tenants)
                if reason is not None:
                    logger.warning("file refused", extra={"file": str(file.path), "reason": reason})
                    file.path.rename(file.path.with_name(file.path.name + landing.REFUSED))
                    continue
                taken = landing.take(file, now)
                delivery = delivery_register(file=taken, archive_root=archive_root, now=now)
            except OSError as error:
                logger.warning("file not read", extra={"file": str(file.path), "error": str(error)})
                continue
            done.append(taken.path)
            if not delivery.is_final:
                found.append(delivery)
    for path in done:
        _unlink(path)
    return found


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("file stays", extra={"file": str(path), "error": str(error)})


def _refusal(file: landing.Landed, tenants: set[str]) -> str | None:
    if file.day is None:
        return "its name is not a day, such as 2013-11-01.csv"
    if file.tenant not in tenants:
        return f"there is no tenant {file.tenant!r}"
    try:
        selectors.source_contract(file.source)
    except ContractError as error:
        return str(error)
    return None


@transaction.atomic
def delivery_register(*, file: landing.Landed, archive_root: Path, now: dt.datetime) -> Delivery:
    """Archive a landed file and write its delivery.

    The same bytes for the same day are the same delivery. One that is final gets another round of attempts,
    because whoever delivers it again asks for that: the load is idempotent, and rows that it found no match for
    may have one by now.
    """
    landed_at = file.landed_at or now
    digest = landing.sha256(file.path)
    size = file.path.stat().st_size
    path = landing.archive(file.path, archive_root, digest)
    delivery, created = Delivery.objects.select_for_update().get_or_create(
        source=file.source,
        tenant_id=file.tenant,
        data_date=file.day,
        sha256=digest,
        defaults={"size_bytes": size, "archive_path": str(path), "landed_at": landed_at},
    )
    # With the same time it is the same file, which a crash kept from being removed.
    if not created and delivery.landed_at < landed_at:
        delivery.landed_at = landed_at
        if delivery.is_final:
            _retry(delivery, limit=delivery.attempts + ATTEMPTS)
        delivery.save()
    logger.info(
        "delivery landed",
        extra={"delivery": delivery.pk, "source": file.source, "tenant": file.tenant, "day": file.day,
               "again": not created},
    )  # fmt: skip
    return delivery


def _retry(delivery: Delivery, limit: int) -> None:
    delivery.status = Delivery.Status.LANDED
    delivery.attempt_limit = limit
    delivery.dag_run_id = ""
    delivery.reasons, delivery.finished_at = [], None


def delivery_start(*, delivery_id: Any, airflow: Airflow, now: dt.datetime) -> None:
    """Ask Airflow for the run of a delivery's present attempt; start the first attempt where there is none.

    The run's id is committed before Airflow is asked, and the same id never starts two runs.

    Raises:
        AirflowDownError, AirflowRefusedError: Airflow did not take it; the sweep will ask again.
    """
    with transaction.atomic():
        delivery = Delivery.objects.select_for_update().get(pk=delivery_id)
        if delivery.is_final:
            return
        if not delivery.dag_run_id:
            _next_attempt(delivery)
        delivery.started_at = now
        delivery.save()
    airflow.run_start(
        dag_id=names.ingest_dag_id(delivery.source),
        run_id=delivery.dag_run_id,
        conf={
            "delivery": str(delivery.pk),
            "source": delivery.source,
            "tenant": delivery.tenant_id,
            "day": delivery.data_date.isoformat(),
            "file": delivery.archive_path,
        },
    )
    Delivery.objects.filter(pk=delivery.pk, status=Delivery.Status.LANDED).update(
        status=Delivery.Status.CHECKING
    )


def _next_attempt(delivery: Delivery) -> None:
    delivery.attempts += 1
    delivery.dag_run_id = names.ingest_run_id(str(delivery.pk), delivery.attempts)


@transaction.atomic
def check_run_record(*, delivery_id: Any, report: dict[str, Any], now: dt.datetime) -> CheckRun:
    """Write a check report and decide by the highest severity that failed: critical is rejected.

    A repeated report of the same attempt replaces the first; a delivery that is final keeps its decision.

    Args:
        delivery_id: its key.
        report: as in the design page, validated.
        now: when it was decided.
    """
    delivery = Delivery.objects.select_for_update().get(pk=delivery_id)
    failed = [result for result in report["results"] if not result["success"]]
    severity = max((result["severity"] for result in failed), key=_SEVERITIES.index, default="")
    rejected = severity == CheckRun.Severity.CRITICAL or (not report["success"] and not failed)
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
    if not delivery.is_final and delivery.status != Delivery.Status.LOADING:
        delivery.rows_staged = report["rows"]
        delivery.warnings = _messages(failed, CheckRun.Severity.WARNING)
        if rejected:
            reasons = _messages(failed, CheckRun.Severity.CRITICAL)
            _finish(delivery, Delivery.Status.REJECTED, now, reasons or ["the check report says failure"])
        else:
            delivery.status = Delivery.Status.ACCEPTED
            delivery.save()
    logger.info("delivery checked", extra={"delivery": delivery.pk, "decision": run.decision})
    return run


def _messages(failed: list[dict[str, Any]], severity: str) -> list[str]:
    return [result["message"] for result in failed if result["severity"] == severity]


def _finish(
    delivery: Delivery, status: Delivery.Status, now: dt.datetime, reasons: list[str] | None = None
) -> None:
    delivery.status = status
    delivery.finished_at = now
    delivery.reasons = reasons or []
    delivery.save()


@transaction.atomic
def delivery_load_request(*, delivery_id: Any) -> Delivery:
    """Note that an accepted delivery shall be loaded, and enqueue that after commit.

    Raises:
        DeliveryStateError: it was not accepted.
    """
    delivery = Delivery.objects.select_for_update().get(pk=delivery_id)
    if delivery.status == Delivery.Status.LOADED:
        return delivery
    if delivery.status not in (Delivery.Status.ACCEPTED, Delivery.Status.LOADING):
        raise DeliveryStateError(f"the delivery is {delivery.status}; only an accepted one can be loaded")
    delivery.status = Delivery.Status.LOADING
    delivery.save()
    enqueue(LOAD, str(delivery.pk), queue=names.QUEUE_INGEST)
    return delivery


def delivery_fail(*, delivery_id: Any, reason: str, now: dt.datetime) -> None:
    """Give a delivery up, with the reason."""
    with transaction.atomic():
        delivery = Delivery.objects.select_for_update().get(pk=delivery_id)
        if not delivery.is_final:
            _finish(delivery, Delivery.Status.FAILED, now, [reason])
            logger.error("delivery failed", extra={"delivery": delivery.pk, "reason": reason})


def deliveries_sweep(*, airflow: Airflow, now: dt.datetime) -> None:
    """Move on what stands still: loads that the broker lost, DAG runs that failed or never came to be.

    An Airflow that does not answer ends this turn. One that answers no to a delivery costs it an attempt.
    """
    for delivery in selectors.stuck(now, STUCK_AFTER):
        if delivery.status == Delivery.Status.LOADING:
            enqueue(LOAD, str(delivery.pk), queue=names.QUEUE_INGEST)
        try:
            _run_recover(delivery=delivery, airflow=airflow, now=now)
        except AirflowDownError as error:
            logger.warning("sweep: %s", error)
            return
        except AirflowRefusedError as error:
            logger.warning("sweep: %s", error, extra={"delivery": delivery.pk})
            _attempt_count(delivery=delivery, error=error, now=now)


def _run_recover(*, delivery: Delivery, airflow: Airflow, now: dt.datetime) -> None:
    """Ask what became of a delivery's run and start the next where it ended without a result."""
    state = None
    if delivery.dag_run_id:
        state = airflow.run_state(dag_id=names.ingest_dag_id(delivery.source), run_id=delivery.dag_run_id)
        if state not in (None, "failed", "success"):
            return
    if state is not None and not _attempt_renew(delivery=delivery, state=state, now=now):
        return
    logger.info("delivery started by the sweep", extra={"delivery": delivery.pk, "run_was": state})
    delivery_start(delivery_id=delivery.pk, airflow=airflow, now=now)


@transaction.atomic
def _attempt_count(*, delivery: Delivery, error: AirflowRefusedError, now: dt.datetime) -> None:
    """Count an attempt that Airflow refused, and give the delivery up after the last.

    The run keeps its id: after an answer such as 500 it may be there all the same.
    """
    row = Delivery.objects.select_for_update().get(pk=delivery.pk)
    if row.is_final:
        return
    if row.attempts >= row.attempt_limit:
        dag = names.ingest_dag_id(row.source)
        reason = f"Airflow refused a run of {dag} too often (the last: {error}); mend that, then deliver the file again"
        _finish(row, Delivery.Status.FAILED, now, [reason])
        return
    row.attempts += 1
    row.save()


@transaction.atomic
def _attempt_renew(*, delivery: Delivery, state: str, now: dt.datetime) -> bool:
    """Return whether the delivery has another attempt, which is noted; else it is given up."""
    row = Delivery.objects.select_for_update().get(pk=delivery.pk)
    if row.is_final or row.dag_run_id != delivery.dag_run_id:
        return False
    if row.attempts >= row.attempt_limit:
        runs = f"{row.attempts} runs of {names.ingest_dag_id(row.source)}"
        advice = "see their logs in Airflow, then deliver the file again"
        reason = f"{runs} ended without a result (the last: {state}); {advice}"
        _finish(row, Delivery.Status.FAILED, now, [reason])
        return False
    _next_attempt(row)
    row.status = Delivery.Status.LANDED
    row.save()
    return True
