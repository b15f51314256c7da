"""The interval of event times that a batch is about."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from hotclub import days
from hotclub.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Interval:
    """Event times from `start` up to and without `end`; `day` where it is one."""

    start: dt.datetime
    end: dt.datetime
    day: dt.date | None = None

    @classmethod
    def of_day(cls, day: dt.date, timezone: str) -> Interval:
        """Return a calendar day of a model's own zone."""
        return cls(*days.day_interval(day, timezone), day)

    @classmethod
    def between(cls, start: dt.datetime, end: dt.datetime) -> Interval:
        """Return [start, end).

        Raises:
            InvalidInputError: it is empty.
        """
        if end <= start:
            raise InvalidInputError.of("end", "must be later than start")
        return cls(start, end)
