"""Days are written in one form; a local day is as long as its clocks say; partitions of a tenant's day."""

from __future__ import annotations

import argparse
import datetime as dt
import itertools

import pytest

from hotclub import days
from hotclub.errors import InvalidInputError

DAY = dt.date(2013, 11, 3)


def test_parse_day_reads_what_isoformat_writes() -> None:
    """Leap days too."""
    assert days.parse_day("2024-02-29") == dt.date(2024, 2, 29)


@pytest.mark.parametrize(
    "text",
    [
        "20131101",
        "2013-W44-5",
        "2013-11-1",
        " 2013-11-01",
        "2013-11-01T00:00",
        "2013-02-29",
        "\uff12013-11-01",
        "",
        None,
        DAY,
    ],
)
def test_parse_day_takes_one_form_alone(text: object) -> None:
    """`date.fromisoformat` takes some of these: one day must have one name."""
    assert days.parse_day(text) is None


def test_an_argument_is_a_day_or_refused_with_an_example() -> None:
    """The same one form for every command line."""
    assert days.day_argument("2013-11-01") == dt.date(2013, 11, 1)
    with pytest.raises(argparse.ArgumentTypeError, match="'2013-W44-5' is not a day such as 2013-11-01"):
        days.day_argument("2013-W44-5")


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
        ("UTC", dt.date(2013, 12, 31), "2013-12-31T00:00:00+00:00", 24),
    ],
)
def test_a_local_day_is_as_long_as_it_is(zone: str, day: dt.date, start: str, hours: float) -> None:
    """From midnight to midnight of the zone: 23, 23.5 or 25 hours where the clocks change."""
    first, end = days.day_interval(day, zone)
    assert (first.isoformat(), end - first, end.tzinfo) == (start, dt.timedelta(hours=hours), dt.UTC)


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Pacific/Apia"])
def test_days_follow_each_other(zone: str) -> None:
    """No instant of a year is in two days, and none is in no day."""
    year = [dt.date(2013, 1, 1) + dt.timedelta(days=n) for n in range(366)]
    for day, after in itertools.pairwise(year):
        assert days.day_interval(day, zone)[1] == days.day_interval(after, zone)[0]


@pytest.mark.parametrize(("day", "zone"), [(dt.date.max, "UTC"), (dt.date.min, "Europe/Berlin")])
def test_a_day_at_the_end_of_time_is_refused(day: dt.date, zone: str) -> None:
    """With the field and the years."""
    with pytest.raises(InvalidInputError) as told:
        days.day_interval(day, zone)
    (error,) = told.value.errors
    assert (error.field, error.message) == (
        "day",
        f"{day} does not lie within the years 1 to 9999 in UTC",
    )


@pytest.mark.parametrize(
    ("tenant", "key"), [("EWR", "EWR.2013-11-03"), ("a.b", "a.b.2013-11-03"), (None, "2013-11-03")]
)
def test_a_partition_is_taken_apart_as_it_was_made(tenant: str | None, key: str) -> None:
    """Also for a tenant with a dot, and of a source without tenants."""
    assert days.partition_key(tenant, DAY) == key
    assert days.parse_partition_key(days.partition_key(tenant, DAY)) == (tenant, DAY)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "EWR",
        ".2013-11-03",
        "EWR.",
        "2013-11-03.",
        "20131103",
        "EWR.2013-13-01",
        "EWR.20131101",
        "EWR.2013-W44-5",
    ],
)
def test_what_is_no_partition_is_refused(key: str) -> None:
    """With the field and an example."""
    with pytest.raises(InvalidInputError) as told:
        days.parse_partition_key(key)
    (error,) = told.value.errors
    assert (error.field, error.message) == (
        "partition",
        f"{key!r} is not <tenant>.<YYYY-MM-DD>, such as EWR.2013-11-01, or without a tenant 2013-11-01",
    )  # fmt: skip
