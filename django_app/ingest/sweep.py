"""What a crash, an outage or an order of arrival left standing is moved on from PostgreSQL's own state."""

from __future__ import annotations

import datetime as dt
import logging

from django.db import transaction

from django_app.ingest import selectors
from django_app.ingest.airflow import Airflow, AirflowDownError, AirflowRefusedError
from django_app.ingest.loading import can_insert
from django_app.ingest.models import Delivery
from django_app.ingest.services import (
    LOAD,
    delivery_finish,
    delivery_note,
    delivery_retry,
    delivery_start,
    next_attempt,
)
from django_app.queueing import enqueue
from hotclub import names
from hotclub.errors import ContractError

logger = logging.getLogger(__name__)

#: How long a delivery may stand still before the sweep asks what became of it.
STUCK_AFTER = dt.timedelta(seconds=20)
#: A delivery that was loaded without some of its rows is tried again for so long when other rows come.
REMATCH_FOR = dt.timedelta(days=7)
#: States of a DAG run after which nothing more comes of it.
_ENDED = ("failed", "success")


def deliveries_sweep(*, airflow: Airflow, now: dt.datetime) -> None:
    """Move on what stands still: loads that the broker lost, DAG runs that failed or never came to be.

    An Airflow that does not answer ends this turn. One that answers no to a delivery costs it an attempt. Whatever a
    delivery waits for is written on it.
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
    """Start deliveries anew whose rows found no match and may have one since; return how many.

    A file of outcomes that came before its schedule is matched by itself when the schedule comes.
    """
    return sum(
        _rematch(pk, now) for pk in selectors.unmatched(now - REMATCH_FOR).values_list("pk", flat=True)
    )


@transaction.atomic
def _rematch(delivery_id: object, now: dt.datetime) -> bool:
    found = selectors.unmatched(now - REMATCH_FOR).select_for_update(skip_locked=True)
    delivery = found.filter(pk=delivery_id).first()
    # A later file of the same day that was loaded speaks for the day.
    if delivery is None or selectors.correction(delivery) is not None or not _may_match_now(delivery):
        return False
    delivery_retry(delivery)
    delivery.save()
    logger.info("delivery is matched again", extra={"delivery": delivery.pk})
    return True


def _may_match_now(delivery: Delivery) -> bool:
    """Return whether a delivery into the same table, which can bring new rows, was loaded since."""
    try:
        contract = selectors.source_contract(delivery.source)
        others = {row.source for row in _loaded_since(delivery, day_is_in_key=contract.key_has_moment)}
        theirs = [selectors.source_contract(source) for source in others]
    except ContractError:
        return False
    return any(t.schema.model == contract.schema.model and can_insert(t) for t in theirs)


def _loaded_since(delivery: Delivery, *, day_is_in_key: bool) -> list[Delivery]:
    others = selectors.loaded_since(delivery)
    # Where the natural key holds the day, another day's rows cannot match.
    return list(others.filter(data_date=delivery.data_date) if day_is_in_key else others)


def _run_recover(*, delivery: Delivery, airflow: Airflow, now: dt.datetime) -> None:
    """Ask what became of a delivery's run and start the next where it ended without a result."""
    state = None
    dag_id = names.ingest_dag_id(delivery.source)
    if delivery.dag_run_id:
        state = airflow.run_state(dag_id=dag_id, run_id=delivery.dag_run_id)
        if state not in (None, *_ENDED):
            _note_run(delivery, state, is_paused=airflow.is_paused(dag_id=dag_id))
            return
    if state is not None and not _attempt_renew(delivery=delivery, state=state, now=now):
        return
    logger.info("delivery started by the sweep", extra={"delivery": delivery.pk, "run_was": state})
    delivery_start(delivery_id=delivery.pk, airflow=airflow, now=now)


def _note_run(delivery: Delivery, state: str | None, *, is_paused: bool) -> None:
    """Write what a delivery with a run that has not ended waits for; a load says so itself."""
    dag_id = names.ingest_dag_id(delivery.source)
    if is_paused:
        _note(delivery, f"waits for its DAG {dag_id}, which is paused in Airflow: unpause it there")
    elif state == "queued":
        _note(delivery, f"waits in Airflow's queue: {dag_id} has other runs before it")
    elif delivery.status != Delivery.Status.LOADING:
        _note(delivery, "")


def _note(delivery: Delivery, waits_for: str) -> None:
    if delivery.waits_for != waits_for:
        delivery_note(delivery_id=delivery.pk, waits_for=waits_for)


@transaction.atomic
def _attempt_count(*, delivery: Delivery, error: AirflowRefusedError, now: dt.datetime) -> None:
    """Count an attempt that Airflow refused, and give the delivery up after the last.

    The run keeps its id: after an answer such as 500 it may be there all the same.
    """
    row = Delivery.objects.select_for_update().get(pk=delivery.pk)
    if row.is_final:
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
    row = Delivery.objects.select_for_update().get(pk=delivery.pk)
    if row.is_final or row.dag_run_id != delivery.dag_run_id:
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
