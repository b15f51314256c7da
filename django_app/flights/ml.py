"""The ML life of the flights: what airports deliver, and what is predicted an hour before departure.

No tail number among the features: the data has the aircraft that flew, not the one that was planned. Its
last landed leg is there. No month: it does not help, and a model trained to October has never seen November.
"""

# ruff: noqa: RUF012  # declarations are class attributes, read once and never changed
from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Extract, ExtractHour, ExtractIsoWeekDay, ExtractMinute

from django_app.flights.models import Flight
from django_app.flights.services.history import LATE
from hotclub.declarations import Category, Check, Feature, MLModel, Number, Source

ZONE = "America/New_York"
NEW_YORK = ZoneInfo(ZONE)
NATURAL_KEY = ("carrier", "number", "origin", "scheduled_departure")
_HOUR = ExtractHour("scheduled_departure", tzinfo=NEW_YORK)


class FlightSchedule(Source):
    """What an airport publishes the evening before: tomorrow's departures, without any outcome."""

    model = Flight
    natural_key = NATURAL_KEY
    tenant = "origin__tenant"
    timezone = ZONE
    columns = {
        "carrier": "carrier",
        "flight_number": "number",
        "origin": "origin",
        "destination": "destination",
        "tail_number": "tail_number",
        "scheduled_departure": "scheduled_departure",
        "scheduled_arrival": "scheduled_arrival",
        "distance": "distance",
    }
    checks = (
        Check("ExpectColumnValuesToNotBeNull", column="destination"),
        Check("ExpectColumnValuesToBeBetween", column="distance", min_value=1, max_value=12_500),
        Check(
            "ExpectColumnPairValuesAToBeGreaterThanB",
            column_A="scheduled_arrival",
            column_B="scheduled_departure",
        ),
        Check("ExpectTableRowCountToBeBetween", min_value=100, max_value=2_000, severity="warning"),
    )


class FlightOutcome(Source):
    """What an airport reports the evening after: when the day's flights left and landed."""

    model = Flight
    natural_key = NATURAL_KEY
    tenant = "origin__tenant"
    timezone = ZONE
    columns = {
        "carrier": "carrier",
        "flight_number": "number",
        "origin": "origin",
        "scheduled_departure": "scheduled_departure",
        "departed_at": "departed_at",
        "departure_delay": "departure_delay",
        "landed_at": "landed_at",
        "arrival_delay": "arrival_delay",
        "cancelled": "cancelled",
    }
    checks = (
        # Early by more than two hours, or late by more than two days, is a typing error.
        Check("ExpectColumnValuesToBeBetween", column="arrival_delay", min_value=-120, max_value=2880),
        Check("ExpectColumnValuesToBeBetween", column="departure_delay", min_value=-120, max_value=2880),
        Check("ExpectColumnValuesToNotBeNull", column="arrival_delay", mostly=0.8, severity="warning"),
    )


def _weather() -> dict[str, Feature]:
    units = {
        "temperature": "°F",
        "dew_point": "°F",
        "humidity": "%",
        "wind_direction": "degrees",
        "wind_speed": "mph",
        "wind_gust": "mph",
        "precipitation": "in",
        "pressure": "mbar",
        "visibility": "mi",
    }
    return {
        name: Number(
            f"weather__{name}",
            nullable=True,
            unit=unit,
            group="weather",
            doc=f"{name.replace('_', ' ')} at the origin in the last full clock hour known an hour before departure",
        )
        for name, unit in units.items()
    }


def _history() -> dict[str, Feature]:
    features: dict[str, Feature] = {}
    subjects = {
        "route": ("route_history", "flights on this route"),
        "carrier_route": ("carrier_route_history", "flights of this carrier on this route"),
        "origin": ("origin_history", "flights out of the origin"),
        "carrier": ("carrier_history", "flights of this carrier out of New York"),
    }
    for subject, (join, whose) in subjects.items():
        for suffix, span in (("3h", "3 hours"), ("1d", "day")):
            landed = f"{whose} that landed in the last {span} known an hour before departure"
            features[f"{subject}_delay_{suffix}"] = Number(
                f"{join}__mean_delay_{suffix}",
                nullable=True,
                unit="min",
                group="history",
                doc=f"mean arrival delay of {landed}",
            )
            features[f"{subject}_late_{suffix}"] = Number(
                f"{join}__late_share_{suffix}",
                nullable=True,
                minimum=0,
                maximum=1,
                group="history",
                doc=f"share 15 minutes late or more of {landed}",
            )
    return features


FEATURES: dict[str, Feature] = {
    "carrier": Category("carrier", pattern="[A-Z0-9]{2,3}", doc="IATA code of the airline"),
    "origin": Category("origin", pattern="[A-Z0-9]{3,4}", doc="FAA code of the airport"),
    "destination": Category(
        "destination", nullable=True, pattern="[A-Z0-9]{3,4}", doc="FAA code of the airport"
    ),
    "hour": Number(_HOUR, unit="h", minimum=0, maximum=23, doc="of scheduled departure, New York time"),
    "minute_of_day": Number(
        _HOUR * 60 + ExtractMinute("scheduled_departure", tzinfo=NEW_YORK),
        unit="min",
        minimum=0,
        maximum=1439,
        doc="of scheduled departure, New York time",
    ),
    "weekday": Number(
        ExtractIsoWeekDay("scheduled_departure", tzinfo=NEW_YORK),
        minimum=1,
        maximum=7,
        doc="of scheduled departure, New York time; Monday is 1",
    ),
    "distance": Number("distance", unit="mi", minimum=0, doc="along the great circle"),
    "scheduled_duration": Number(
        Extract(F("scheduled_arrival") - F("scheduled_departure"), "epoch") / 60.0,
        unit="min",
        minimum=0,
        doc="from scheduled departure to scheduled arrival",
    ),
    **_weather(),
    **_history(),
    "aircraft_delay": Number(
        "aircraft_history__last_delay",
        nullable=True,
        unit="min",
        group="history",
        doc="arrival delay of the aircraft's last leg that had landed an hour before departure",
    ),
    "aircraft_hours": Number(
        "aircraft_history__hours_since_landing",
        nullable=True,
        unit="h",
        minimum=0,
        group="history",
        doc="from that landing to an hour before the hour of departure",
    ),
}

PARAMETERS = {
    "learning_rate": 0.08,
    "max_depth": 6,
    "min_child_weight": 20,
    "subsample": 0.8,
    "colsample_bytree": 0.6,
    "num_boost_round": 400,
    "early_stopping_rounds": 30,
}


class ArrivalDelay(MLModel):
    """Will this flight arrive fifteen minutes late or more? Asked an hour before its scheduled departure.

    Cancelled flights are scored like all others, because nobody knows yet; they have no label.
    """

    rows = Flight.objects.all()
    tenant = "origin__tenant"
    event_time = "scheduled_departure"
    horizon = dt.timedelta(hours=1)
    timezone = ZONE
    label = Case(When(arrival_delay__gte=LATE, then=Value(1)), default=Value(0))
    label_known = Q(arrival_delay__isnull=False)
    task = "binary"
    metric = "roc_auc"
    gates = {"roc_auc": 0.70, "worse_than_champion_by": 0.005}
    baseline_by = ("carrier", "hour")
    score_on = FlightSchedule
    parameters = PARAMETERS
    features = FEATURES


class ArrivalMinutes(MLModel):
    """How many minutes late will this flight arrive? Asked an hour before its scheduled departure."""

    rows = Flight.objects.all()
    tenant = "origin__tenant"
    event_time = "scheduled_departure"
    horizon = dt.timedelta(hours=1)
    timezone = ZONE
    label = F("arrival_delay")
    label_known = Q(arrival_delay__isnull=False)
    task = "regression"
    metric = "rmse"
    gates = {"rmse": 40.0, "worse_than_champion_by": 0.5}
    baseline_by = ("carrier", "hour")
    score_on = FlightSchedule
    parameters = PARAMETERS
    features = FEATURES
