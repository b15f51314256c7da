"""``load_history``: the months before the demo's present."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_app.flights.nycflights13 import DataFilesError
from django_app.flights.services.history_load import history_load
from hotclub import days


class Command(BaseCommand):
    """Load airports, carriers, planes, weather and the flights from --from up to --until. Safe to repeat."""

    help = __doc__

    def add_arguments(self, parser: Any) -> None:
        """Declare ``--from`` and ``--until``."""
        parser.add_argument("--from", dest="start", type=days.day_argument, default=dt.date(2013, 1, 1))
        parser.add_argument(
            "--until",
            dest="end",
            type=days.day_argument,
            default=dt.date(2013, 11, 1),
            help="the first day that is not loaded",
        )

    def handle(self, *, start: dt.date, end: dt.date, **_: Any) -> None:
        """Load, with a line and the elapsed time for each step."""
        began = time.monotonic()

        def report(line: str) -> None:
            self.stdout.write(f"[{time.monotonic() - began:5.1f} s] {line}")
            self.stdout.flush()

        try:
            history_load(start=start, end=end, report=report)
        except DataFilesError as error:
            raise CommandError(str(error)) from error
