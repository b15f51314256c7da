"""What the flights app does when something else happens."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.dispatch import receiver

from django_app.flights.models import Flight
from django_app.flights.nycflights13 import NEW_YORK
from django_app.flights.services.history import KNOWN_BEFORE, MAX_WINDOW, history_refresh
from django_app.ingest.models import Delivery
from django_app.ingest.signals import delivery_loaded
from hotclub import days
from hotclub.contract import SourceContract

#: The longest that a flight of a day is in the air or late after the day's end.
_LATEST = dt.timedelta(days=2)


@receiver(delivery_loaded, dispatch_uid="flights.history")
def refresh_history(delivery: Delivery, contract: SourceContract, **_: Any) -> None:
    """Refresh the history of the hours that a loaded delivery touches.

    A schedule adds departures, whose hours are the day's own. Outcomes change what is known from the first
    landing on, until the last landing is out of every window.
    """
    if contract.schema.django_model != Flight._meta.label:
        return
    start, end = days.day_interval(delivery.day, NEW_YORK)
    if any(column.target == "landed_at" for column in contract.schema.columns):
        end += _LATEST + MAX_WINDOW + KNOWN_BEFORE
    history_refresh(start, end)
