"""``land``: what airports deliver for a day."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_app.conf import hotclub_settings
from django_app.flights.nycflights13 import DataFilesError
from django_app.flights.sample_files import KINDS, land
from hotclub import days


class Command(BaseCommand):
    """Put each New York airport's files of a day of 2013 where deliveries land."""

    help = __doc__

    def add_arguments(self, parser: Any) -> None:
        """Declare the day and ``--kind``."""
        parser.add_argument("day", type=days.day_argument, help="such as 2013-11-01")
        parser.add_argument("--kind", choices=(*KINDS, "both"), default="both")

    def handle(self, *, day: dt.date, kind: str, **_: Any) -> None:
        """Write the files and name them."""
        if day.year != 2013:
            raise CommandError(f"{day}: the data is of 2013")
        try:
            paths = land(day, KINDS if kind == "both" else (kind,), hotclub_settings.landing)
        except DataFilesError as error:
            raise CommandError(str(error)) from error
        for path in paths:
            self.stdout.write(f"landed {path}")
