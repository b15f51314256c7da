"""Staged rows into the flights table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from django_app.flights.models import Flight, OriginHistory
from django_app.ingest import tasks
from django_app.ingest.loading import delivery_load
from django_app.ingest.models import Delivery

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

NOW = dt.datetime(2013, 11, 1, 12, tzinfo=dt.UTC)
DAY = dt.date(2013, 11, 1)
Stage = Callable[[str, list[dict[str, Any]]], None]


def _schedule(number: int = 1, **changes: Any) -> dict[str, Any]:
    row = {
        "carrier": "UA",
        "flight_number": number,
        "origin": "EWR",
        "destination": "IAH",
        "tail_number": "N14228",
        "scheduled_departure": "2013-11-01T05:15:00-04:00",
        "scheduled_arrival": "2013-11-01T08:19:00-04:00",
        "distance": 1400,
    }
    return row | changes


def _outcome(number: int = 1, **changes: Any) -> dict[str, Any]:
    row = {
        "carrier": "UA",
        "flight_number": number,
        "origin": "EWR",
        "scheduled_departure": "2013-11-01T05:15:00-04:00",
        "departed_at": "2013-11-01T05:20:00-04:00",
        "departure_delay": 5,
        "landed_at": "2013-11-01T08:30:00-04:00",
        "arrival_delay": 11,
        "cancelled": "false",
    }
    return row | changes


def _delivery(source: str = "flight_schedule", digest: str = "1") -> Delivery:
    return Delivery.objects.create(
        source=source, tenant_id="EWR", data_date=DAY, sha256=digest * 64, size_bytes=1,
        archive_path="/nowhere", status="loading", attempts=1,
    )  # fmt: skip


def _load(
    stage: Stage, rows: list[dict[str, Any]], source: str = "flight_schedule", digest: str = "1"
) -> Delivery:
    delivery = _delivery(source, digest)
    stage(str(delivery.pk), rows)
    delivery_load(delivery_id=delivery.pk, now=NOW)
    delivery.refresh_from_db()
    return delivery


def _counts(delivery: Delivery) -> tuple[Any, ...]:
    return (delivery.rows_staged, delivery.rows_loaded, delivery.rows_changed, delivery.rows_unchanged)


def test_rows_load_with_their_types(stage: Stage) -> None:
    """Text becomes the columns' types; times are the instants that the file means."""
    delivery = _load(stage, [_schedule()])
    flight = Flight.objects.get(scheduled_departure__date=DAY)
    assert (delivery.status, _counts(delivery)) == ("loaded", (1, 1, 1, 0))
    assert flight.scheduled_departure == dt.datetime(2013, 11, 1, 9, 15, tzinfo=dt.UTC)
    assert (flight.carrier_id, flight.number, flight.distance, flight.cancelled) == ("UA", 1, 1400.0, False)


def test_a_time_without_offset_is_the_sources_own(stage: Stage) -> None:
    """New York's zone, which the source declares, and Django still reads instants right afterwards."""
    _load(stage, [_schedule(scheduled_departure="2013-11-01 05:15:00")])
    flight = Flight.objects.get(scheduled_departure__date=DAY)
    assert flight.scheduled_departure == dt.datetime(2013, 11, 1, 9, 15, tzinfo=dt.UTC)


def test_loading_again_changes_only_what_differs(stage: Stage) -> None:
    """The same rows in another delivery are unchanged; one that differs is changed, and keeps its key."""
    _load(stage, [_schedule(1), _schedule(2)])
    keys = set(Flight.objects.filter(scheduled_departure__date=DAY).values_list("pk", flat=True))
    again = _load(stage, [_schedule(1), _schedule(2, tail_number="N24211"), _schedule(3)], digest="2")
    assert _counts(again) == (3, 3, 2, 1)
    flights = Flight.objects.filter(scheduled_departure__date=DAY)
    assert keys < set(flights.values_list("pk", flat=True))
    assert flights.get(number=2).tail_number_id == "N24211"


def test_a_task_delivered_twice_loads_once(stage: Stage) -> None:
    """The second finds the delivery loaded and does nothing."""
    delivery = _delivery()
    stage(str(delivery.pk), [_schedule()])
    assert delivery_load(delivery_id=delivery.pk, now=NOW) is True
    assert delivery_load(delivery_id=delivery.pk, now=NOW) is False


def test_a_schedule_leaves_outcomes_alone(stage: Stage) -> None:
    """Columns that a file does not bring keep their values."""
    _load(stage, [_schedule()])
    _load(stage, [_outcome()], "flight_outcome", "2")
    _load(stage, [_schedule(distance=1401)], digest="3")
    flight = Flight.objects.get(scheduled_departure__date=DAY)
    assert (flight.distance, flight.arrival_delay, flight.departure_delay) == (1401.0, 11, 5)


def test_outcomes_of_unknown_flights_are_a_warning(stage: Stage) -> None:
    """A file of outcomes cannot invent a flight: what has no schedule is counted and told of."""
    _load(stage, [_schedule(1)])
    delivery = _load(stage, [_outcome(1), _outcome(77)], "flight_outcome", "2")
    assert (delivery.status, _counts(delivery)) == ("loaded", (2, 1, 1, 0))
    assert len(delivery.warnings) == 1
    assert "1 row" in delivery.warnings[0]


def test_unknown_airports_and_aircraft_are_warnings(stage: Stage) -> None:
    """They load, and each column says how many rows name what is not known."""
    rows = [_schedule(1, destination="SJU"), _schedule(2, destination="BQN", tail_number="N0WHERE")]
    delivery = _load(stage, rows)
    assert delivery.status == "loaded"
    assert delivery.warnings == [
        "destination: 2 rows not in flights_airport: BQN, SJU",
        "tail_number: 1 row not in flights_plane: N0WHERE",
    ]
    assert Flight.objects.get(scheduled_departure__date=DAY, number=1).destination_id == "SJU"


def test_an_unknown_carrier_is_refused(stage: Stage) -> None:
    """A reference that the table requires stops the load: nothing is written, and the reason names it."""
    delivery = _load(stage, [_schedule(1), _schedule(2, carrier="ZZ")])
    assert delivery.status == "rejected"
    assert delivery.reasons == ["carrier: 1 row not in flights_carrier: ZZ"]
    assert not Flight.objects.filter(scheduled_departure__date=DAY).exists()


def test_what_postgresql_refuses_fails_the_delivery(stage: Stage) -> None:
    """A value that cannot be cast gives the delivery up at once, with PostgreSQL's words."""
    delivery = _delivery()
    stage(str(delivery.pk), [_schedule(distance="far")])
    tasks.delivery_load(str(delivery.pk))
    delivery.refresh_from_db()
    assert delivery.status == "failed"
    assert '"far"' in delivery.reasons[0]


def test_a_dropped_staging_table_waits_for_the_sweep() -> None:
    """Without its staging table a delivery stays as it is; another DAG run will stage the file again."""
    delivery = _delivery()
    tasks.delivery_load(str(delivery.pk))
    delivery.refresh_from_db()
    assert delivery.status == "loading"


def test_a_loaded_schedule_has_its_history(stage: Stage) -> None:
    """The rollups of the hours that a schedule asks for are there with the rows."""
    hour = dt.datetime(2013, 11, 1, 9, tzinfo=dt.UTC)
    assert not OriginHistory.objects.filter(departure_hour=hour).exists()
    _load(stage, [_schedule()])
    assert OriginHistory.objects.filter(departure_hour=hour, origin="EWR").exists()


def test_outcomes_reach_the_history_of_later_departures(stage: Stage) -> None:
    """What landed counts for departures that are scheduled at least an hour after the landing's hour."""
    late = _schedule(
        2, scheduled_departure="2013-11-01T12:15:00-04:00", scheduled_arrival="2013-11-01T15:19:00-04:00"
    )
    _load(stage, [_schedule(1), late])
    noon = OriginHistory.objects.get(origin="EWR", departure_hour=dt.datetime(2013, 11, 1, 16, tzinfo=dt.UTC))
    assert noon.mean_delay_1d is None
    _load(stage, [_outcome(1)], "flight_outcome", "2")
    noon.refresh_from_db()
    assert noon.mean_delay_1d == 11.0
