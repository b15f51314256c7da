"""Files that came before the rows they are about, and files that left some out."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from django_app.flights.models import Flight
from django_app.ingest.models import Delivery, LoadedKeys
from django_app.ingest.services import sweep
from django_app.ingest.services.loading import delivery_load
from tests.django_app.ingest.test_loading import DAY, NOW, Stage, _delivery, _load, _outcome, _schedule, at

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

LATER = NOW + dt.timedelta(minutes=5)


def _load_at(
    stage: Stage, moment: dt.datetime, rows: list[dict[str, Any]], *about: Any, **changes: Any
) -> Delivery:
    delivery = _delivery(*about, started_at=moment, **changes)
    stage(str(delivery.pk), rows)
    delivery_load(delivery_id=delivery.pk, clock=at(moment))
    delivery.refresh_from_db()
    return delivery


def test_outcomes_before_their_schedule_wait_and_are_matched_by_themselves(stage: Stage) -> None:
    """No schedule is even open: the file waits, says for what, and has a new run once the schedule is loaded."""
    outcome = _load_at(stage, NOW, [_outcome(1), _outcome(2)], "flight_outcome", "2")
    assert (outcome.status, outcome.rows_loaded, outcome.rows_unmatched) == ("waiting", 0, 2)
    assert (
        "none of its 2 rows has a (carrier_id, number, origin_id, scheduled_departure)" in outcome.waits_for
    )
    assert "scheduled_arrival" in outcome.waits_for
    assert sweep.deliveries_rematch(now=LATER) == 0
    _load_at(stage, LATER, [_schedule(1), _schedule(2)], digest="3")
    assert sweep.deliveries_rematch(now=LATER) == 1
    outcome.refresh_from_db()
    assert (outcome.status, outcome.dag_run_id, outcome.waits_for) == ("landed", "", "")
    Delivery.objects.filter(pk=outcome.pk).update(status="loading")
    assert delivery_load(delivery_id=outcome.pk, clock=at(LATER))
    assert Flight.objects.filter(scheduled_departure__date=DAY, arrival_delay=11).count() == 2
    assert sweep.deliveries_rematch(now=LATER) == 0


def test_rows_that_were_left_out_are_matched_when_they_come(stage: Stage) -> None:
    """A loaded file with rows without a match gets another run when the same day's rows are delivered."""
    _load_at(stage, NOW, [_schedule(1)])
    outcome = _load_at(stage, NOW, [_outcome(1), _outcome(2)], "flight_outcome", "2")
    assert (outcome.status, outcome.rows_unmatched) == ("loaded", 1)
    _load_at(stage, LATER, [_schedule(1), _schedule(2)], digest="3", landed_at=LATER)
    assert sweep.deliveries_rematch(now=LATER) == 1
    outcome.refresh_from_db()
    assert outcome.status == "landed"


@pytest.mark.parametrize(
    "changes", [{"tenant_id": "JFK"}, {"day": DAY + dt.timedelta(days=1)}, {"source": "flight_outcome"}]
)
def test_what_cannot_bring_the_rows_starts_nothing(stage: Stage, changes: dict[str, Any]) -> None:
    """Another tenant's, another day's, or a file that only updates itself."""
    _load_at(stage, NOW, [_outcome(1)], "flight_outcome", "2")
    values = {"status": "loaded", "finished_at": LATER, "digest": "3"} | changes
    _delivery(values.pop("source", "flight_schedule"), values.pop("digest"), **values)
    assert sweep.deliveries_rematch(now=LATER) == 0


def test_a_file_that_a_later_one_spoke_for_is_not_matched_again(stage: Stage) -> None:
    """The correction counts; the older file would be superseded at once."""
    outcome = _load_at(stage, NOW, [_outcome(1)], "flight_outcome", "2")
    _delivery("flight_outcome", "4", status="loaded", landed_at=LATER, finished_at=NOW)
    _load_at(stage, LATER, [_schedule(1)], digest="3")
    assert sweep.deliveries_rematch(now=LATER) == 0
    outcome.refresh_from_db()
    assert outcome.status == "waiting"


def test_a_waiting_delivery_costs_no_attempts(stage: Stage) -> None:
    """The sweep leaves it alone, however long it waits."""
    from django_app.ingest import selectors

    _load_at(stage, NOW, [_outcome(1)], "flight_outcome", "2")
    assert list(selectors.stuck(NOW + dt.timedelta(days=30), sweep.STUCK_AFTER)) == []


def test_a_correction_that_lacks_rows_says_how_many(stage: Stage) -> None:
    """The rows of the first file stay in the table; times in another zone are the same rows."""
    _load(stage, [_schedule(1), _schedule(2), _schedule(3)])
    utc = _schedule(2, scheduled_departure="2013-11-01T09:15:00Z")
    second = _load_at(stage, LATER, [_schedule(1), utc], digest="2", landed_at=LATER)
    assert (second.status, Flight.objects.filter(scheduled_departure__date=DAY).count()) == ("loaded", 3)
    assert second.warnings == [
        "1 row of the file of the same day that landed at 2013-11-01 12:00:00 UTC is not in this one, and stays as it is"
    ]
    # Kept for the newest file alone, which the next one is compared with.
    assert [keys.delivery_id for keys in LoadedKeys.objects.all()] == [second.pk]
    whole = _load_at(
        stage, LATER, [_schedule(1), _schedule(2)], digest="3", landed_at=LATER + dt.timedelta(minutes=1)
    )
    assert whole.warnings == []


def test_the_same_file_again_lacks_nothing(stage: Stage) -> None:
    """A delivery is not compared with itself, nor with another day's or tenant's."""
    first = _load(stage, [_schedule(1), _schedule(2)])
    Delivery.objects.filter(pk=first.pk).update(status="loading")
    assert delivery_load(delivery_id=first.pk, clock=at(LATER))
    first.refresh_from_db()
    assert first.warnings == []


def test_a_later_file_that_is_loaded_ends_the_waiting_of_an_earlier_one(stage: Stage) -> None:
    """Else it would be shown as waiting for ever, for rows that nobody wants from it any more."""
    waiting = _load_at(stage, NOW, [_outcome(7)], "flight_outcome", "2")
    _load_at(stage, LATER, [_schedule(1)], digest="3")
    loaded = _load_at(stage, LATER, [_outcome(1)], "flight_outcome", "4", landed_at=LATER)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.waits_for) == ("rejected", "")
    assert waiting.reasons == [f"superseded by delivery {loaded.pk}, a later file of the same day"]
