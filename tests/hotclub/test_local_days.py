"""A local day is as long as its clocks say."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from hotclub import names
from hotclub.errors import InvalidInputError


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("America/New_York", dt.date(2013, 11, 1), "2013-11-01T04:00:00+00:00", 24),
        ("America/New_York", dt.date(2013, 11, 3), "2013-11-03T04:00:00+00:00", 25),
        ("America/New_York", dt.date(2013, 3, 10), "2013-03-10T05:00:00+00:00", 23),
        ("Europe/Berlin", dt.date(2013, 3, 31), "2013-03-30T23:00:00+00:00", 23),
        ("Europe/Berlin", dt.date(2013, 10, 27), "2013-10-26T22:00:00+00:00", 25),
        ("Australia/Lord_Howe", dt.date(2013, 10, 6), "2013-10-05T13:30:00+00:00", 23.5),
        ("Pacific/Apia", dt.date(2013, 11, 1), "2013-10-31T10:00:00+00:00", 24),
        ("UTC", dt.date(2013, 11, 3), "2013-11-03T00:00:00+00:00", 24),
    ],
)
def test_a_local_day_is_as_long_as_it_is(zone: str, day: dt.date, start: str, hours: float) -> None:
    """From midnight to midnight of the zone: 23, 23.5 or 25 hours where the clocks change."""
    first, end = names.day_interval(day, zone)
    assert (first.isoformat(), end - first) == (start, dt.timedelta(hours=hours))


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Pacific/Apia"])
def test_days_follow_each_other(zone: str) -> None:
    """No instant of a year is in two days, and none is in no day."""
    days = [dt.date(2013, 1, 1) + dt.timedelta(days=n) for n in range(366)]
    for day, after in itertools.pairwise(days):
        assert names.day_interval(day, zone)[1] == names.day_interval(after, zone)[0]


def test_days_at_the_end_of_the_calendar() -> None:
    """They are refused under their field."""
    with pytest.raises(InvalidInputError, match="1 to 9999"):
        names.day_interval(dt.date(9999, 12, 31), "UTC")
