"""``score_report``: batch scores compared with the actual flights."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_app.flights.reports import day_scores
from hotclub import days


class Command(BaseCommand):
    """Report how good the batch scores of a day were, compared with the baseline."""

    help = __doc__

    def add_arguments(self, parser: Any) -> None:
        """Declare the day and ``--json``."""
        parser.add_argument("day", type=days.day_argument, help="such as 2013-11-01")
        parser.add_argument("--json", action="store_true", help="one JSON object, for programs")

    def handle(self, *, day: dt.date, json: bool, **_: Any) -> None:
        """Print the report."""
        report = day_scores(day)
        if json:
            self.stdout.write(_json({"day": day.isoformat(), "models": report}))
            return
        if not report:
            raise CommandError(f"{day}: no batch of that day is done")
        for model, values in report.items():
            self.stdout.write(f"{model}, version {', '.join(values.pop('versions'))}")
            for name, value in values.items():
                self.stdout.write(
                    f"  {name:<22} {value:,.4g}" if isinstance(value, float) else f"  {name:<22} {value:,}"
                )


def _json(value: object) -> str:
    return json.dumps(value)
