"""Writes the files that an airport would deliver, from the data of 2013."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django_app.flights import nycflights13
from django_app.flights.ml import FlightOutcome, FlightSchedule
from hotclub.declarations import Source

KINDS: dict[str, type[Source]] = {"schedule": FlightSchedule, "flown": FlightOutcome}
_NEW_YORK = ZoneInfo(nycflights13.NEW_YORK)


def land(day: dt.date, kinds: Iterable[str], landing_root: Path) -> list[Path]:
    """Write each New York airport's files of a day into the landing folder, and return them.

    Times are ISO 8601 with New York's offset. A file is written as ``.part`` and renamed, so that no reader
    reads half of it.
    """
    rows = nycflights13.flights(day, day + dt.timedelta(days=1)).to_pylist()
    paths = []
    for kind in kinds:
        source = KINDS[kind]
        for airport in nycflights13.ORIGINS:
            own = (row for row in rows if row["origin_id"] == airport)
            path = landing_root / source.name / airport / f"{day.isoformat()}.csv"
            _write(path, source, own)
            paths.append(path)
    return paths


def _write(path: Path, source: type[Source], rows: Iterable[dict[str, Any]]) -> None:
    fields = {name: source.model._meta.get_field(field).attname for name, field in source.columns.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(fields)
        writer.writerows([_text(row[column]) for column in fields.values()] for row in rows)
    partial.replace(path)


def _text(value: object) -> object:
    if isinstance(value, dt.datetime):
        return value.astimezone(_NEW_YORK).isoformat()
    return str(value).lower() if isinstance(value, bool) else value
