"""Staged rows into the flights table."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from django_app.flights.models import Flight, OriginHistory
from django_app.ingest import selectors, tasks
from django_app.ingest.models import Delivery
from django_app.ingest.services import deliveries
from django_app.ingest.services.loading import MAX_WAIT, TooEarlyError, delivery_load
from django_app.ingest.services.row_loading import rows_load
from hotclub import names
from tests.conftest import Database

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2013, 11, 1, 12, tzinfo=dt.UTC)
DAY = dt.date(2013, 11, 1)
Stage = Callable[[str, list[dict[str, Any]]], None]


def at(moment: dt.datetime) -> Callable[[], dt.datetime]:
    """Return a clock that stands still."""
    return lambda: moment


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


def _delivery(source: str = "flight_schedule", digest: str = "1", **changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "source": source, "tenant_id": "EWR", "day": DAY, "sha256": digest * 64, "size_bytes": 1,
        "archive_path": "/nowhere", "status": "loading", "attempts": 1, "landed_at": NOW,
    }  # fmt: skip
    return Delivery.objects.create(**values | changes)


def _load(
    stage: Stage, rows: list[dict[str, Any]], source: str = "flight_schedule", digest: str = "1"
) -> Delivery:
    delivery = _delivery(source, digest)
    stage(str(delivery.pk), rows)
    delivery_load(delivery_id=delivery.pk, clock=at(NOW))
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
    assert delivery_load(delivery_id=delivery.pk, clock=at(NOW)) is True
    assert delivery_load(delivery_id=delivery.pk, clock=at(NOW)) is False
    delivery.refresh_from_db()
    assert delivery.loads == 1


def test_a_load_waits_for_a_contract_that_cannot_be_read(stage: Stage, settings: Any, tmp_path: Path) -> None:
    """Its file is being replaced, say: the rows are not at fault, so the delivery does not fail."""
    delivery = _delivery()
    stage(str(delivery.pk), [_schedule()])
    folder = tmp_path / "flight_schedule"
    folder.mkdir()
    (folder / "0001.json").write_text("{")
    settings.HOTCLUB_CONTRACTS = [tmp_path]
    tasks.delivery_load(str(delivery.pk))
    delivery.refresh_from_db()
    assert (delivery.status, "waits for its contract" in delivery.waits_for) == ("loading", True)
    del settings.HOTCLUB_CONTRACTS
    tasks.delivery_load(str(delivery.pk))
    delivery.refresh_from_db()
    assert delivery.status == "loaded"


def test_each_load_of_a_delivery_counts(stage: Stage) -> None:
    """What is scored follows loads: the rows that another load of the same file wrote are scored anew."""
    delivery = _delivery()
    stage(str(delivery.pk), [_schedule()])
    for _ in range(2):
        Delivery.objects.filter(pk=delivery.pk).update(status="loading")
        assert delivery_load(delivery_id=delivery.pk, clock=at(NOW)) is True
    delivery.refresh_from_db()
    assert delivery.loads == 2


def test_a_schedule_leaves_outcomes_alone(stage: Stage) -> None:
    """Columns that a file does not have keep their values."""
    _load(stage, [_schedule()])
    _load(stage, [_outcome()], "flight_outcome", "2")
    _load(stage, [_schedule(distance=1401)], digest="3")
    flight = Flight.objects.get(scheduled_departure__date=DAY)
    assert (flight.distance, flight.arrival_delay, flight.departure_delay) == (1401.0, 11, 5)


def test_outcomes_of_unknown_flights_are_a_warning(stage: Stage) -> None:
    """A file of outcomes cannot invent a flight: what has no schedule is counted and reported."""
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
        "destination: 2 rows not in flights_airport: BQN (line 2), SJU (line 1)",
        "tail_number: 1 row not in flights_plane: N0WHERE (line 2)",
    ]
    assert Flight.objects.get(scheduled_departure__date=DAY, number=1).destination_id == "SJU"


def test_an_unknown_carrier_is_refused(stage: Stage) -> None:
    """A reference that the table requires stops the load: nothing is written, and the reason names it."""
    delivery = _load(stage, [_schedule(1), _schedule(2, carrier="ZZ")])
    assert delivery.status == "rejected"
    assert delivery.reasons == ["carrier: 1 row not in flights_carrier: ZZ (line 2)"]
    assert not Flight.objects.filter(scheduled_departure__date=DAY).exists()


def test_what_postgresql_refuses_fails_the_delivery(stage: Stage) -> None:
    """A value that cannot be cast gives the delivery up at once, with PostgreSQL's words."""
    delivery = _delivery()
    stage(str(delivery.pk), [_schedule(distance="far")])
    tasks.delivery_load(str(delivery.pk))
    delivery.refresh_from_db()
    assert delivery.status == "failed"
    assert '"far"' in delivery.reasons[0]


def test_a_dropped_staging_table_takes_the_load_back() -> None:
    """Without its staging table a load is taken back and says so: its run ends, and the next one stages the file."""
    delivery = _delivery()
    tasks.delivery_load(str(delivery.pk))
    delivery.refresh_from_db()
    assert (delivery.status, "stages the file again" in delivery.waits_for) == ("landed", True)


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


def _flights() -> Any:
    return Flight.objects.filter(scheduled_departure__date=DAY)


@pytest.mark.parametrize("source", ["flight_schedule", "flight_outcome"])
def test_rows_of_another_tenant_refuse_the_delivery(stage: Stage, source: str) -> None:
    """A file of EWR with a flight of JFK writes nothing, and the reason names the column and the row."""
    theirs = _delivery(digest="1", tenant_id="JFK")
    stage(str(theirs.pk), [_schedule(2, origin="JFK")])
    delivery_load(delivery_id=theirs.pk, clock=at(NOW))
    _load(stage, [_schedule(1)], digest="2")
    before = list(_flights().order_by("pk").values())
    rows = {
        "flight_schedule": [_schedule(1, distance=1), _schedule(2, origin="JFK", distance=1), _schedule(3)],
        "flight_outcome": [_outcome(1), _outcome(2, origin="JFK")],
    }
    delivery = _load(stage, rows[source], source, "3")
    assert delivery.status == "rejected"
    assert delivery.reasons == ["origin: 1 row (line 2) does not belong to EWR, the tenant that delivers"]
    assert list(_flights().order_by("pk").values()) == before


def test_new_rows_of_another_tenant_or_of_none_refuse_the_delivery(stage: Stage) -> None:
    """Rows that nobody had are looked at after they are written, and are gone again; IAH has no tenant."""
    delivery = _load(stage, [_schedule(1), _schedule(2, origin="JFK"), _schedule(3, origin="IAH")])
    assert delivery.status == "rejected"
    assert delivery.reasons == ["origin: 2 rows (lines 2, 3) do not belong to EWR, the tenant that delivers"]
    assert not _flights().exists()


def test_the_tenant_counts_where_the_file_does_not_name_it(stage: Stage) -> None:
    """By a key without the airport, JFK's file meets EWR's flight: refused. EWR's own file is not."""
    _load(stage, [_schedule(1)])
    contract = selectors.source_contract("flight_outcome")
    columns = tuple(c for c in contract.schema.columns if c.name != "origin")
    key = tuple(c for c in contract.schema.natural_key if c != "origin_id")
    schema = replace(contract.schema, columns=columns, natural_key=key, tenant_column=None)
    contract = replace(contract, schema=schema)
    row = {name: value for name, value in _outcome(1).items() if name != "origin"}
    staged = str(uuid.uuid4())
    stage(staged, [row])
    refused = rows_load(contract=contract, delivery_id=staged, tenant="JFK", now=NOW)
    assert refused.refusals == [
        "carrier, flight_number, scheduled_departure: 1 row (line 1) does not belong to JFK, the tenant that delivers"
    ]
    assert _flights().get().arrival_delay is None
    assert rows_load(contract=contract, delivery_id=staged, tenant="EWR", now=NOW).changed == 1
    assert _flights().get().arrival_delay == 11


def test_outcomes_wait_for_their_schedule(stage: Stage) -> None:
    """While the day's schedule is on its way nothing is written; once it is loaded, no row is lost."""
    schedule = _delivery(digest="1", status="checking")
    outcome = _delivery("flight_outcome", "2", started_at=timezone.now())
    stage(str(outcome.pk), [_outcome(1)])
    tasks.delivery_load(str(outcome.pk))
    outcome.refresh_from_db()
    assert (outcome.status, outcome.waits_for) == (
        "loading",
        "1 row without a match: waits for the flight_schedule of 2013-11-01, which is checking",
    )
    Delivery.objects.filter(pk=schedule.pk).update(status="loading")
    stage(str(schedule.pk), [_schedule(1)])
    assert delivery_load(delivery_id=schedule.pk, clock=at(NOW))
    assert delivery_load(delivery_id=outcome.pk, clock=at(NOW))
    outcome.refresh_from_db()
    assert (outcome.status, _counts(outcome), outcome.warnings) == ("loaded", (1, 1, 1, 0), [])
    assert outcome.waits_for == ""


@pytest.mark.parametrize(
    "changes", [{"status": "rejected"}, {"tenant_id": "JFK"}, {"day": DAY + dt.timedelta(days=1)}]
)
def test_outcomes_do_not_wait_for_what_cannot_help(stage: Stage, changes: dict[str, Any]) -> None:
    """A schedule that is final, another tenant's or another day's is not waited for."""
    _delivery(digest="1", **{"status": "checking"} | changes)
    delivery = _load(stage, [_outcome(1)], "flight_outcome", "2")
    assert delivery.status == "waiting"
    assert "none of its 1 rows" in delivery.waits_for


def test_outcomes_do_not_wait_in_their_load_for_ever(stage: Stage) -> None:
    """After ten minutes the load ends without a row, and the delivery waits: its schedule is still on its way."""
    _delivery(digest="1", status="checking")
    delivery = _delivery("flight_outcome", "2", started_at=NOW)
    stage(str(delivery.pk), [_outcome(1)])
    with pytest.raises(TooEarlyError):
        delivery_load(delivery_id=delivery.pk, clock=at(NOW + MAX_WAIT))
    late = NOW + MAX_WAIT + dt.timedelta(seconds=1)
    assert delivery_load(delivery_id=delivery.pk, clock=at(late)) is False
    delivery.refresh_from_db()
    assert (delivery.status, delivery.rows_unmatched, delivery.finished_at) == ("waiting", 1, None)


def test_a_delivery_does_not_overwrite_its_correction(stage: Stage) -> None:
    """One that landed earlier and loads later is rejected, and says for which."""
    older = _delivery(digest="1")
    newer = _delivery(digest="2", status="loaded", landed_at=NOW + dt.timedelta(seconds=1))
    stage(str(older.pk), [_schedule(1)])
    assert delivery_load(delivery_id=older.pk, clock=at(NOW)) is False
    older.refresh_from_db()
    assert (older.status, older.reasons) == (
        "rejected",
        [f"superseded by delivery {newer.pk}, a later file of the same day"],
    )
    assert older.finished_at == NOW
    assert not _flights().exists()


@pytest.mark.parametrize(("becomes", "then"), [("loaded", "rejected"), ("rejected", "loaded")])
def test_a_correction_that_is_loading_decides_first(stage: Stage, becomes: str, then: str) -> None:
    """The older file waits for it: it is superseded by one that is loaded, and loaded after one that is refused."""
    older = _delivery(digest="1")
    newer = _delivery(digest="2", landed_at=NOW + dt.timedelta(seconds=1))
    stage(str(older.pk), [_schedule(1)])
    with pytest.raises(TooEarlyError, match=str(newer.pk)):
        delivery_load(delivery_id=older.pk, clock=at(NOW))
    Delivery.objects.filter(pk=newer.pk).update(status=becomes)
    delivery_load(delivery_id=older.pk, clock=at(NOW))
    older.refresh_from_db()
    assert older.status == then


def test_a_correction_that_came_to_nothing_supersedes_nothing(stage: Stage) -> None:
    """What was rejected, or landed for another day or tenant, does not stand in the way."""
    later = NOW + dt.timedelta(seconds=1)
    _delivery(digest="2", status="rejected", landed_at=later)
    _delivery(digest="3", status="loaded", landed_at=later, tenant_id="JFK")
    _delivery(digest="4", status="loaded", landed_at=later, day=DAY + dt.timedelta(days=1))
    assert _load(stage, [_schedule(1)]).status == "loaded"


@pytest.fixture
def other(database: Database) -> Any:
    """A session of another worker."""
    with psycopg.connect(database.url(names.ROLE_APP)) as session:
        yield session
        session.rollback()


@pytest.mark.parametrize("asked", ["load again", "request", "start", "report"])
def test_nobody_waits_for_the_row_of_a_running_load(
    database: Database, other: psycopg.Connection, asked: str
) -> None:
    """A second task, Airflow's repeated request, the sweep and a late report answer at once; nothing is lost."""
    key = uuid.uuid4()
    with psycopg.connect(database.url(names.ROLE_APP), autocommit=True) as outside:
        outside.execute(
            "INSERT INTO ingest_delivery (id, source, tenant_id, day, sha256, size_bytes, archive_path,"
            " status, attempts, attempt_limit, loads, dag_run_id, only_updates, waits_for, reasons, warnings, landed_at)"
            " VALUES (%s, 'flight_schedule', 'EWR', %s, '', 1, '', 'loading', 1, 5, 0, '', '', '', '[]', '[]', %s)",
            [key, DAY, NOW],
        )
        try:
            other.execute("SELECT FROM ingest_delivery WHERE id = %s FOR UPDATE", [key])
            with connection.cursor() as cursor:
                # It fails instead of hanging where it does wait.
                cursor.execute("SET LOCAL lock_timeout = '1s'")
            if asked == "load again":
                assert delivery_load(delivery_id=key, clock=at(NOW)) is False
            elif asked == "request":
                assert deliveries.delivery_load_request(delivery_id=key).status == "loading"
            elif asked == "start":
                deliveries.delivery_start(delivery_id=key, airflow=None, now=NOW)  # type: ignore[arg-type]  # is not asked
            else:
                with pytest.raises(deliveries.DeliveryStateError, match="loading"):
                    deliveries.check_run_record(delivery_id=key, report={}, now=NOW)
        finally:
            other.rollback()
            outside.execute("DELETE FROM ingest_delivery WHERE id = %s", [key])


def test_deliveries_of_one_day_load_one_at_a_time(stage: Stage, other: psycopg.Connection) -> None:
    """While another of the same source, tenant and day loads, this one is left for the sweep."""
    delivery = _delivery()
    stage(str(delivery.pk), [_schedule(1)])
    lock = f"ingest.load flight_schedule EWR {DAY}"
    other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [lock])
    with pytest.raises(TooEarlyError, match="same source, tenant and day"):
        delivery_load(delivery_id=delivery.pk, clock=at(NOW))
    other.rollback()
    assert delivery_load(delivery_id=delivery.pk, clock=at(NOW)) is True
