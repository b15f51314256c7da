"""What was known one hour before the departures of an hour, by key: "as-of" rollups.

A row at `departure_hour` covers legs that had landed by `departure_hour` minus one hour, so it was known
an hour before every departure of that hour. Rows exist only for keys and hours that have departures.
Written by `history`, in one SQL pass.
"""

from __future__ import annotations

from django.db import models


class _History(models.Model):
    """The columns of each rollup. Null where no leg landed within the window."""

    departure_hour = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return " ".join(map(str, self.pk))


class _Delays(_History):
    mean_delay_3h = models.FloatField(null=True, help_text="mean arrival delay of 3 h, min")
    late_share_3h = models.FloatField(null=True, help_text="share of 3 h that was 15 min late or more")
    mean_delay_1d = models.FloatField(null=True, help_text="mean arrival delay of a day, min")
    late_share_1d = models.FloatField(null=True, help_text="share of a day that was 15 min late or more")

    class Meta:
        abstract = True


class RouteHistory(_Delays):
    """Arrival delays from one airport to another."""

    pk = models.CompositePrimaryKey("origin", "destination", "departure_hour")
    origin = models.CharField(max_length=4)
    destination = models.CharField(max_length=4)


class CarrierRouteHistory(_Delays):
    """Arrival delays of one carrier from one airport to another."""

    pk = models.CompositePrimaryKey("carrier", "origin", "destination", "departure_hour")
    carrier = models.CharField(max_length=3)
    origin = models.CharField(max_length=4)
    destination = models.CharField(max_length=4)


class OriginHistory(_Delays):
    """Arrival delays of flights out of one airport."""

    pk = models.CompositePrimaryKey("origin", "departure_hour")
    origin = models.CharField(max_length=4)


class CarrierHistory(_Delays):
    """Arrival delays of one carrier out of all airports."""

    pk = models.CompositePrimaryKey("carrier", "departure_hour")
    carrier = models.CharField(max_length=3)


class AircraftHistory(_History):
    """The last leg that an aircraft had landed."""

    pk = models.CompositePrimaryKey("tail_number", "departure_hour")
    tail_number = models.CharField(max_length=8)
    last_delay = models.FloatField(help_text="arrival delay of that leg, min")
    hours_since_landing = models.FloatField(help_text="from that landing to one hour before departure_hour")
