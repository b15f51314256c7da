"""History features: nothing of the future, and a refresh equals a build."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest
from django.db import connection, transaction

from django_app.contracts.models import ContractVersion
from django_app.flights.models import Flight, HourlyWeather
from django_app.flights.services.history import history_refresh
from hotclub.contract import ModelContract

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)
START = dt.datetime(2013, 10, 18, 4, tzinfo=dt.UTC)
END = dt.datetime(2013, 10, 27, 4, tzinfo=dt.UTC)
TABLES = ("routehistory", "carrierroutehistory", "originhistory", "carrierhistory", "aircrafthistory")


def _contract() -> ModelContract:
    return ModelContract.from_json(ContractVersion.objects.get(name="arrival_delay", version=1).content)


def _features(pk: int) -> dict[str, Any]:
    contract = _contract()
    with connection.cursor() as cursor:
        columns = ", ".join(f'"{name}"' for name in contract.feature_names)
        cursor.execute(f"SELECT {columns} FROM {contract.view} WHERE entity = %s", [pk])
        return dict(zip(contract.feature_names, cursor.fetchone(), strict=True))


def _falsify_after(moment: dt.datetime) -> None:
    """Rewrite to extremes whatever becomes known after `moment`: landings, departures, weather."""
    soon = moment + dt.timedelta(seconds=1)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE flights_flight SET arrival_delay = 2000, landed_at = %(soon)s, cancelled = false,"
            " departed_at = greatest(departed_at, %(soon)s), departure_delay = 2000"
            " WHERE (landed_at > %(moment)s OR landed_at IS NULL)"
            "  AND scheduled_departure BETWEEN %(moment)s - interval '3 days' AND %(moment)s + interval '1 day'",
            {"moment": moment, "soon": soon},
        )
    # An hour's row is known when the hour is over.
    later = HourlyWeather.objects.filter(
        observed_hour__gt=moment - HOUR, observed_hour__lt=moment + dt.timedelta(days=1)
    )
    later.update(
        temperature=-500, dew_point=-500, humidity=-500, wind_direction=-500, wind_speed=-500, wind_gust=-500,
        precipitation=-500, pressure=-500, visibility=-500,
    )  # fmt: skip


def _content(table: str, start: dt.datetime, end: dt.datetime) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT t::text FROM flights_{table} t WHERE departure_hour >= %s AND departure_hour < %s ORDER BY 1",
            [start, end],
        )
        return cursor.fetchall()


@pytest.mark.timeout(600)
def test_features_know_nothing_of_what_comes_later() -> None:
    """Whatever is known only after an hour before departure may be anything: no feature moves, at 200 moments."""
    flights = list(
        Flight.objects.filter(scheduled_departure__gte=START, scheduled_departure__lt=END)
        .order_by("pk")
        .values_list("pk", "scheduled_departure", "departure_hour")
    )
    leaks = {}
    for pk, departure, hour in random.Random(13).sample(flights, 200):
        before = _features(pk)
        with transaction.atomic():
            _falsify_after(departure - HOUR)
            history_refresh(hour, hour + HOUR)
            after = _features(pk)
            transaction.set_rollback(True)
        if after != before:
            leaks[pk] = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert leaks == {}


def test_the_leakage_test_can_see_a_leak() -> None:
    """Rewriting what *was* known at that moment does move features: the test above is not blind."""
    pk, departure, hour = (
        Flight.objects.filter(scheduled_departure__gte=START, aircraft_history__last_delay__isnull=False)
        .order_by("pk")
        .values_list("pk", "scheduled_departure", "departure_hour")
        .first()
    )
    before = _features(pk)
    _falsify_after(departure - 12 * HOUR)
    history_refresh(hour, hour + HOUR)
    after = _features(pk)
    moved = {name for name in before if before[name] != after[name]}
    assert {"origin_delay_3h", "origin_late_1d", "carrier_delay_1d", "temperature"} <= moved


@pytest.mark.parametrize("table", TABLES)
def test_a_refresh_equals_the_build(table: str) -> None:
    """Refreshing any hours writes the rows that the build of everything wrote."""
    start, end = START + 3 * HOUR, START + 40 * HOUR
    before = _content(table, START, END)
    assert len(before) > 100
    history_refresh(start, end)
    assert _content(table, START, END) == before


def test_history_by_hand() -> None:
    """The means and shares of a route's last three hours are those that a loop over the flights gives."""
    flight = (
        Flight.objects.filter(scheduled_departure__gte=START, route_history__mean_delay_3h__isnull=False)
        .select_related("route_history")
        .order_by("pk")[300]
    )
    known = flight.departure_hour - HOUR
    legs = Flight.objects.filter(
        origin=flight.origin_id,
        destination=flight.destination_id,
        landed_at__lte=known,
        landed_at__gt=known - 3 * HOUR,
    )
    delays = list(legs.values_list("arrival_delay", flat=True))
    row = flight.route_history
    assert row.mean_delay_3h == pytest.approx(sum(delays) / len(delays))
    assert row.late_share_3h == pytest.approx(sum(delay >= 15 for delay in delays) / len(delays))


def test_last_leg_by_hand() -> None:
    """An aircraft's row is its newest landing at least an hour before the hour of departure."""
    flight = (
        Flight.objects.filter(scheduled_departure__gte=START, aircraft_history__last_delay__isnull=False)
        .select_related("aircraft_history")
        .order_by("-pk")
        .first()
    )
    known = flight.departure_hour - HOUR
    last = (
        Flight.objects.filter(tail_number=flight.tail_number_id, landed_at__lte=known)
        .order_by("-landed_at", "-arrival_delay")
        .first()
    )
    row = flight.aircraft_history
    assert row.last_delay == last.arrival_delay
    assert row.hours_since_landing == pytest.approx((known - last.landed_at) / HOUR)
