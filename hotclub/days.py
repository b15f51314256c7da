"""Days: the one form in which they are written, local days as intervals of UTC, and partitions of a tenant's day."""

from __future__ import annotations

import argparse
import datetime as dt
from zoneinfo import ZoneInfo

from hotclub.errors import InvalidInputError


def parse_day(text: object) -> dt.date | None:
    """Return the day of ``YYYY-MM-DD``, None for anything else.

    `date.fromisoformat` also reads ``20131101`` and ``2013-W44-5``: one day must have one name.
    """
    try:
        day = dt.date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return day if day is not None and day.isoformat() == text else None


def day_argument(text: str) -> dt.date:
    """Return the day of a command line's argument: the `type` of an argument in argparse.

    Raises:
        argparse.ArgumentTypeError: it is not written as ``YYYY-MM-DD``.
    """
    day = parse_day(text)
    if day is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2013-11-01")
    return day


def day_interval(day: dt.date, timezone: str) -> tuple[dt.datetime, dt.datetime]:
    """Return the UTC instants [start, end) of a local calendar day; 23 or 25 h where clocks change.

    Raises:
        InvalidInputError: it begins or ends outside of the years 1 to 9999.
    """
    zone = ZoneInfo(timezone)
    try:
        start = dt.datetime.combine(day, dt.time(), tzinfo=zone)
        end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), tzinfo=zone)
        return start.astimezone(dt.UTC), end.astimezone(dt.UTC)
    except OverflowError as error:
        raise InvalidInputError.of("day", f"{day} does not lie within the years 1 to 9999 in UTC") from error


def partition_key(tenant: str | None, day: dt.date) -> str:
    """Return the asset partition of one tenant's day, ``"EWR.2013-11-01"``; without a tenant of the day, ``"2013-11-01"``."""
    return day.isoformat() if tenant is None else f"{tenant}.{day.isoformat()}"


def parse_partition_key(key: str) -> tuple[str | None, dt.date]:
    """Return tenant and day of an asset partition; None for the tenant where the key is a day alone.

    Raises:
        InvalidInputError: the key is neither ``<tenant>.<YYYY-MM-DD>`` nor ``<YYYY-MM-DD>``.
    """
    tenant, dot, text = key.rpartition(".")
    day = parse_day(text)
    if day is None or bool(tenant) != bool(dot):
        raise InvalidInputError.of(
            "partition",
            f"{key!r} is not <tenant>.<YYYY-MM-DD>, such as EWR.2013-11-01, or without a tenant 2013-11-01",
        )
    return tenant or None, day
