"""Restarts deliveries that a crash, an outage or the order of arrival stopped, from the state in PostgreSQL."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Mapping

from django.db import transaction

from django_app.contracts.column_defaults import can_insert
from django_app.ingest import selectors
from django_app.ingest.models import Delivery
from django_app.ingest.services.deliveries import (
    LOAD,
    delivery_finish,
    delivery_note,
    delivery_retry,
    delivery_start,
    next_attempt,
)
from django_app.outbox import enqueue
from hotclub import names
from hotclub.airflow_rest import RUN_ENDED, Airflow, AirflowDownError, AirflowRefusedError
from hotclub.contract import SourceContract

logger = logging.getLogger(__name__)

#: How long a delivery may make no progress before the sweep looks at its run.
STUCK_AFTER = dt.timedelta(seconds=20)
#: A delivery that was loaded without some of its rows is tried again for so long when other rows come.
REMATCH_FOR = dt.timedelta(days=7)


def deliveries_sweep(*, airflow: Airflow, now: dt.datetime) -> None:
    """Restart what makes no progress: loads that the broker lost, DAG runs that failed or never started.

    When Airflow does not answer, this run of the sweep ends. When Airflow refuses a run, that counts as an attempt of
    the delivery. What a delivery waits for is written on it.
    """
    for delivery in selectors.stuck(now, STUCK_AFTER):
        if delivery.status == Delivery.Status.LOADING:
            enqueue(LOAD, str(delivery.pk), queue=names.QUEUE_INGEST)
        try:
            _run_recover(delivery=delivery, airflow=airflow, now=now)
        except AirflowDownError as error:
            logger.warning("sweep: %s", error)
            for other in selectors.stuck(now, STUCK_AFTER):
                _note(other, f"waits for Airflow, which does not answer: {error}")
            return
        except AirflowRefusedError as error:
            logger.warning("sweep: %s", error, extra={"delivery": delivery.pk})
            _attempt_count(delivery=delivery, error=error, now=now)


def deliveries_rematch(*, now: dt.datetime) -> int:
    """Start deliveries again whose rows had no match and may have one now; return how many.

    A file of outcomes that came before its schedule is matched by itself when the schedule comes.
    """
    contracts = selectors.source_contracts()
    keys = list(selectors.unmatched(now - REMATCH_FOR).values_list("pk", flat=True))
    return sum(_rematch(key, contracts, now) for key in keys)


@transaction.atomic
def _rematch(delivery_id: uuid.UUID, contracts: Mapping[str, SourceContract], now: dt.datetime) -> bool:
    found = selectors.unmatched(now - REMATCH_FOR).select_for_update(skip_locked=True)
    delivery = found.filter(pk=delivery_id).first()
    # A later file of the same day was loaded: it replaces this one.
    if delivery is None or delivery.source not in contracts or selectors.correction(delivery) is not None:
        return False
    contract = contracts[delivery.source]
    others = selectors.loaded_since(delivery)
    if not any(_may_add_rows(other, delivery, contracts) for other in others):
        return False
    # Where the key holds no day, later files may have newer values of the same rows: they are loaded again after it.
    again = [
        delivery,
        *(() if contract.key_has_day else selectors.loaded_after(delivery).select_for_update()),
    ]
    for each in again:
        delivery_retry(each)
        each.save()
    logger.info("delivery is matched again", extra={"delivery": delivery.pk, "with": len(again) - 1})
    return True


def _may_add_rows(other: Delivery, delivery: Delivery, contracts: Mapping[str, SourceContract]) -> bool:
    """Return whether another delivery may have added rows that this one's rows match."""
    ours, theirs = contracts[delivery.source], contracts.get(other.source)
    if theirs is None or theirs.schema.table != ours.schema.table or not can_insert(theirs):
        return False
    one_day = ours.key_has_day and theirs.key_has_day and ours.schema.timezone == theirs.schema.timezone
    return other.day == delivery.day or not one_day


def _run_recover(*, delivery: Delivery, airflow: Airflow, now: dt.datetime) -> None:
    """Ask what became of a delivery's run and start the next where it ended without a result."""
    state = None
    dag_id = names.ingest_dag_id(delivery.source)
    if delivery.dag_run_id:
        try:
            state = airflow.run_state(dag_id=dag_id, run_id=delivery.dag_run_id)
            if state not in (None, *RUN_ENDED):
                _note(delivery, _what_a_run_waits_for(airflow, dag_id, state))
                return
        except AirflowRefusedError as error:
            # A question that is refused says nothing of the run: no attempt is counted for it.
            logger.warning("sweep: %s", error, extra={"delivery": delivery.pk})
            _note(delivery, f"waits for Airflow, which does not say how its run is: {error}")
            return
    if state is not None and not _attempt_renew(delivery=delivery, state=state, now=now):
        return
    logger.info("delivery started by the sweep", extra={"delivery": delivery.pk, "run_was": state})
    delivery_start(delivery_id=delivery.pk, airflow=airflow, now=now)


def _what_a_run_waits_for(airflow: Airflow, dag_id: str, state: str | None) -> str:
    """Return what a run that has not ended waits for, empty when it goes on."""
    if airflow.is_paused(dag_id=dag_id):
        return f"waits for its DAG {dag_id}, which is paused in Airflow: unpause it there"
    if not airflow.scheduler_runs():
        return "waits for Airflow's scheduler, which gives no sign of life"
    return f"waits in Airflow's queue for a run of {dag_id}" if state == "queued" else ""


def _note(delivery: Delivery, waits_for: str) -> None:
    """Write what a delivery waits for in Airflow. A load is Celery's, and says itself what it waits for."""
    if delivery.status != Delivery.Status.LOADING and delivery.waits_for != waits_for:
        delivery_note(delivery_id=delivery.pk, waits_for=waits_for)


@transaction.atomic
def _attempt_count(*, delivery: Delivery, error: AirflowRefusedError, now: dt.datetime) -> None:
    """Count an attempt that Airflow refused, and give the delivery up after the last.

    The run keeps its id: after an answer such as 500 it may be there all the same.
    """
    row = Delivery.objects.select_for_update(skip_locked=True).filter(pk=delivery.pk).first()
    if row is None or row.is_settled:
        return
    dag = names.ingest_dag_id(row.source)
    if row.attempts >= row.attempt_limit:
        reason = f"Airflow refused a run of {dag} too often (the last: {error}); fix that, then deliver the file again"
        delivery_finish(row, Delivery.Status.FAILED, now, [reason])
        return
    row.attempts += 1
    row.waits_for = f"Airflow refused a run of {dag}, which is tried again: {error}"
    row.save()


@transaction.atomic
def _attempt_renew(*, delivery: Delivery, state: str, now: dt.datetime) -> bool:
    """Return whether the delivery has another attempt, which is noted; else it is given up."""
    row = Delivery.objects.select_for_update(skip_locked=True).filter(pk=delivery.pk).first()
    if row is None or row.is_settled or row.dag_run_id != delivery.dag_run_id:
        return False
    if row.attempts >= row.attempt_limit:
        runs = f"{row.attempts} runs of {names.ingest_dag_id(row.source)}"
        advice = "see their logs in Airflow, then deliver the file again"
        reason = f"{runs} ended without a result (the last: {state}); {advice}"
        delivery_finish(row, Delivery.Status.FAILED, now, [reason])
        return False
    next_attempt(row)
    row.status = Delivery.Status.LANDED
    row.save()
    return True
