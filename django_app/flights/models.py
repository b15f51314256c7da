"""Flights of 2013 out of New York City's three airports, and the weather there."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Func

from django_app.flights.history_models import (
    AircraftHistory,
    CarrierHistory,
    CarrierRouteHistory,
    OriginHistory,
    RouteHistory,
)
from django_app.tenants.models import Tenant

__all__ = [
    "AircraftHistory",
    "Airport",
    "Carrier",
    "CarrierHistory",
    "CarrierRouteHistory",
    "Flight",
    "HourlyWeather",
    "OriginHistory",
    "Plane",
    "RouteHistory",
]


class Airport(models.Model):
    """An airport by its FAA code. Those that deliver data are tenants."""

    code = models.CharField(max_length=4, primary_key=True)
    name = models.CharField(max_length=120)
    latitude = models.FloatField(help_text="degrees, north is positive")
    longitude = models.FloatField(help_text="degrees, east is positive")
    timezone = models.CharField(max_length=64, blank=True, help_text="IANA name; empty where unknown")
    tenant = models.OneToOneField(
        Tenant,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="airport",
        help_text="who delivers its data",
    )

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.code


class Carrier(models.Model):
    """An airline by its IATA code."""

    code = models.CharField(max_length=3, primary_key=True)
    name = models.CharField(max_length=120)

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.code


class Plane(models.Model):
    """An aircraft by its tail number."""

    tail_number = models.CharField(max_length=8, primary_key=True)
    year = models.PositiveSmallIntegerField(null=True, blank=True, help_text="of manufacture")
    kind = models.CharField(max_length=40, blank=True)
    manufacturer = models.CharField(max_length=60, blank=True)
    model = models.CharField(max_length=40, blank=True)
    engines = models.PositiveSmallIntegerField(null=True, blank=True)
    seats = models.PositiveSmallIntegerField(null=True, blank=True)
    engine = models.CharField(max_length=30, blank=True)

    class Meta:
        ordering = ("tail_number",)

    def __str__(self) -> str:
        return self.tail_number


class HourlyWeather(models.Model):
    """One hour's observation at an airport.

    The file's hour is cut from the time of a report that comes at minute 51, and precipitation is what fell
    until then: an hour's row is known when the hour is over, one hour before the departures of the hour after
    the next.
    """

    airport = models.ForeignKey(Airport, models.CASCADE, related_name="weather")
    observed_hour = models.DateTimeField(
        help_text="start of the UTC hour that was observed; known when it is over"
    )
    departure_hour = models.DateTimeField(
        help_text="the hour whose departures this is the last row known in time for: observed_hour plus 2 h"
    )
    temperature = models.FloatField(null=True, help_text="°F")
    dew_point = models.FloatField(null=True, help_text="°F")
    humidity = models.FloatField(null=True, help_text="relative, %")
    wind_direction = models.FloatField(null=True, help_text="degrees")
    wind_speed = models.FloatField(null=True, help_text="mph")
    wind_gust = models.FloatField(null=True, help_text="mph")
    precipitation = models.FloatField(null=True, help_text="in")
    pressure = models.FloatField(null=True, help_text="sea level, mbar")
    visibility = models.FloatField(null=True, help_text="mi")

    class Meta:
        verbose_name_plural = "hourly weather"
        ordering = ("airport", "departure_hour")
        constraints = (
            models.UniqueConstraint(
                fields=("airport", "departure_hour"), name="flights_weather_once_per_departure_hour"
            ),
        )

    def __str__(self) -> str:
        return f"{self.airport_id} {self.observed_hour:%Y-%m-%d %H:%M}"


def _joined(to: type[models.Model], **fields: str) -> Any:
    """Return a join by equality of `fields` (own name → theirs), without a column or a constraint.

    It is a LEFT JOIN, which PostgreSQL answers for one flight as fast as for a day of them.
    """
    return models.ForeignObject(
        to,
        models.DO_NOTHING,
        from_fields=list(fields),
        to_fields=list(fields.values()),
        null=True,
        editable=False,
        related_name="+",
    )


class Flight(models.Model):
    """A scheduled departure and, once it is known, what became of it.

    Destinations and tail numbers may name airports and aircraft that are not in their tables: real
    deliveries do, and a flight that took place is worth more than a complete reference table.
    """

    # No index of its own: the unique constraint starts with it.
    carrier = models.ForeignKey(Carrier, models.PROTECT, db_index=False, related_name="flights")
    number = models.PositiveIntegerField(help_text="flight number")
    origin = models.ForeignKey(Airport, models.PROTECT, db_index=False, related_name="departures")
    destination = models.ForeignKey(
        Airport, models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="arrivals"
    )
    tail_number = models.ForeignKey(
        Plane, models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="flights"
    )
    scheduled_departure = models.DateTimeField(db_index=True)
    scheduled_arrival = models.DateTimeField()
    distance = models.FloatField(help_text="mi")

    departed_at = models.DateTimeField(null=True, blank=True)
    departure_delay = models.IntegerField(null=True, blank=True, help_text="min, negative when early")
    landed_at = models.DateTimeField(null=True, blank=True, help_text="scheduled arrival plus arrival delay")
    arrival_delay = models.IntegerField(null=True, blank=True, help_text="min, negative when early")
    cancelled = models.BooleanField(default=False, db_default=False)

    departure_hour = models.GeneratedField(
        expression=Func(
            F("scheduled_departure"),
            template=("date_bin(interval '1 hour', %(expressions)s, timestamptz '2000-01-01 00:00:00+00')"),
        ),
        output_field=models.DateTimeField(),
        db_persist=True,
        help_text="the hour of the scheduled departure, what weather and history join by",
    )

    weather = _joined(HourlyWeather, origin="airport", departure_hour="departure_hour")
    route_history = _joined(
        RouteHistory, origin="origin", destination="destination", departure_hour="departure_hour"
    )
    carrier_route_history = _joined(
        CarrierRouteHistory,
        carrier="carrier",
        origin="origin",
        destination="destination",
        departure_hour="departure_hour",
    )
    origin_history = _joined(OriginHistory, origin="origin", departure_hour="departure_hour")
    carrier_history = _joined(CarrierHistory, carrier="carrier", departure_hour="departure_hour")
    aircraft_history = _joined(AircraftHistory, tail_number="tail_number", departure_hour="departure_hour")

    class Meta:
        ordering = ("-scheduled_departure", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("carrier", "number", "origin", "scheduled_departure"), name="flights_flight_once"
            ),
        )
        indexes = (
            # A tenant's day, in the order it is read.
            models.Index(fields=("origin", "scheduled_departure"), name="flights_flight_origin"),
            # What history_refresh reads: the legs that landed in a span of days.
            models.Index(
                fields=("landed_at",),
                name="flights_flight_landed",
                condition=models.Q(landed_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.carrier_id} {self.number} {self.origin_id}-{self.destination_id}"
