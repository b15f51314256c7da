"""The flights' commands: history, files of a day, users, score report."""

from __future__ import annotations

import csv
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from django_app.flights import nycflights13
from django_app.flights.models import Flight, HourlyWeather
from django_app.scoring.models import Batch, Prediction
from hotclub import contract_files, days
from tests.django_app.scoring.conftest import CONTRACTS
from tests.history import FIRST, LAST

pytestmark = pytest.mark.django_db


def _checksum() -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        # Named and ordered: the parts of a UNION may run side by side.
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT '{table}' AS name, count(*), sum(hashtext(f::text)::bigint) FROM {table} f"
                for table in ("flights_flight", "flights_carrierroutehistory", "flights_aircrafthistory")
            )
            + " ORDER BY name"
        )
        return tuple(cursor.fetchall())


def test_loading_again_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Every row, its key included, is as it was; each step tells the time that has gone by."""
    before = _checksum()
    call_command("load_history", start=FIRST, end=LAST)
    assert _checksum() == before
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("[") and " s] " in line for line in lines)
    assert any("0 of them new or different" in line for line in lines)


def test_times_are_utc() -> None:
    """The file's own UTC hour agrees with ours, and a flight lands after it left, in any zone."""
    table = nycflights13.flights(dt.date(2013, 11, 2), dt.date(2013, 11, 5))
    departures, arrivals = (table[c].to_pylist() for c in ("scheduled_departure", "scheduled_arrival"))
    spans = [end - start for start, end in zip(departures, arrivals, strict=True)]
    assert min(spans) > dt.timedelta(minutes=30)
    assert max(spans) < dt.timedelta(hours=13)
    first = next(
        row for row in table.to_pylist()
        if (row["carrier_id"], row["number"], row["origin_id"]) == ("US", 1895, "EWR")
    )  # fmt: skip
    # 05:00 in New York, daylight saving time; 06:51 in Charlotte, the same zone.
    assert first["scheduled_departure"] == dt.datetime(2013, 11, 2, 9, 0, tzinfo=dt.UTC)


def test_weather_is_known_in_time() -> None:
    """An observed hour is over one hour before the departures that it is joined to."""
    row = HourlyWeather.objects.order_by("pk").first()
    assert row.departure_hour - row.observed_hour == dt.timedelta(hours=2)


def test_land_writes_what_an_airport_would(settings: Any) -> None:
    """Two files for each airport; the schedule has no outcome in it; times carry New York's offset."""
    call_command("land", dt.date(2013, 11, 3))
    landing = Path(settings.HOTCLUB_LANDING)
    files = sorted(str(path.relative_to(landing)) for path in landing.rglob("*") if path.is_file())
    assert files == [
        f"{source}/{tenant}/2013-11-03.csv"
        for source in ("flight_outcome", "flight_schedule")
        for tenant in ("EWR", "JFK", "LGA")
    ]
    schedule = landing / "flight_schedule/EWR/2013-11-03.csv"
    rows = list(csv.DictReader(schedule.read_text().splitlines()))
    contract = contract_files.find_source("flight_schedule", [CONTRACTS])
    assert list(rows[0]) == [column.name for column in contract.schema.columns]
    assert {row["origin"] for row in rows} == {"EWR"}
    # Clocks went back that night: every flight of the morning is in standard time.
    assert {row["scheduled_departure"][-6:] for row in rows} == {"-05:00"}
    start, end = days.day_interval(dt.date(2013, 11, 3), "America/New_York")
    assert all(start <= dt.datetime.fromisoformat(row["scheduled_departure"]) < end for row in rows)


def test_demo_users_are_made_once(monkeypatch: pytest.MonkeyPatch, client: Any) -> None:
    """Running twice leaves three people with their first passwords; the data owner belongs to EWR alone."""
    for password in ("first", "second"):
        for who in ("ADMIN", "ENGINEER", "OWNER"):
            monkeypatch.setenv(f"HOTCLUB_{who}_PASSWORD", f"{who}-{password}")
        call_command("demo_users")
    people = User.objects.filter(username__in=("admin", "engineer", "owner"))
    assert people.count() == 3
    owner = people.get(username="owner")
    assert (owner.is_staff, owner.is_superuser) == (True, False)
    assert list(owner.tenant_memberships.values_list("tenant", "role")) == [("EWR", "data_owner")]
    assert owner.has_perm("ingest.view_delivery")
    assert not owner.has_perm("ingest.change_delivery")
    assert client.login(username="owner", password="OWNER-first")


def test_demo_users_name_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without passwords nobody is made."""
    for who in ("ADMIN", "ENGINEER", "OWNER"):
        monkeypatch.delenv(f"HOTCLUB_{who}_PASSWORD", raising=False)
    with pytest.raises(CommandError, match="HOTCLUB_ADMIN_PASSWORD, HOTCLUB_ENGINEER_PASSWORD"):
        call_command("demo_users")


def test_the_service_token_is_the_given_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed token replaces the old; one too short is refused."""
    from rest_framework.authtoken.models import Token

    for key in ("a" * 40, "b" * 40):
        monkeypatch.setenv("HOTCLUB_SERVICE_TOKEN", key)
        call_command("ensure_accounts")
        call_command("ensure_accounts")
    assert list(Token.objects.filter(user__username="airflow").values_list("key", flat=True)) == ["b" * 40]
    monkeypatch.setenv("HOTCLUB_SERVICE_TOKEN", "short")
    with pytest.raises(CommandError, match="20 to 40"):
        call_command("ensure_accounts")


def test_score_report_compares_with_what_was_flown(capsys: pytest.CaptureFixture[str]) -> None:
    """Scores that are the labels themselves are perfect; cancelled flights count as scored, without outcome."""
    contract = contract_files.find_model("arrival_delay", [CONTRACTS])
    day = dt.date(2013, 10, 20)
    start, end = days.day_interval(day, "America/New_York")
    batch = Batch.objects.create(
        model_name="arrival_delay", model_version="7", package_digest="d", contract_fingerprint=contract.fingerprint,
        contract_version=1, tenant_id="EWR", key="k", day=day, start=start, end=end, status="done",
    )  # fmt: skip
    flights = Flight.objects.filter(origin="EWR", scheduled_departure__gte=start, scheduled_departure__lt=end)
    Prediction.objects.bulk_create(
        Prediction(
            batch=batch, entity=str(flight.pk), tenant_id="EWR", event_time=flight.scheduled_departure,
            score=float((flight.arrival_delay or 0) >= 15),
        )
        for flight in flights
    )  # fmt: skip
    call_command("score_report", day, json=True)
    report = json.loads(capsys.readouterr().out)["models"]["arrival_delay"]
    assert report["rows_scored"] == flights.count()
    assert report["rows_with_outcome"] == flights.filter(arrival_delay__isnull=False).count()
    assert (report["roc_auc"], report["brier"]) == (1.0, 0.0)
    assert 0.4 < report["baseline_roc_auc"] < 0.9
    call_command("score_report", day)
    assert "arrival_delay, version 7" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("land", "2013-W44-5"),
        ("score_report", "2013-W44-5"),
        ("load_history", "--from", "2013-W44-5"),
        ("load_history", "--until", "2013-W44-5"),
    ],
)
def test_a_day_has_one_form(arguments: tuple[str, ...]) -> None:
    """Other forms of ISO 8601 are a wrong argument, refused with an example."""
    with pytest.raises(CommandError, match="'2013-W44-5' is not a day such as 2013-11-01"):
        call_command(*arguments)
