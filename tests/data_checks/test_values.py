"""Which texts are values, asked of PostgreSQL itself, and that what is loaded can be read in Python."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import psycopg
import pytest

from data_checks.values import BATCH, FIRST_MOMENT, FORMS, LAST_MOMENT, clock_query, is_value
from hotclub.contract import ColumnSpec

ACCEPTED = {
    "integer": ["0", "42", "-5", "+5", " 5", "5 ", "\t5", "007", "2147483647", "-2147483648"],
    "bigint": ["9223372036854775807"],
    "float8": ["1", "1.5", "-1.5", "+.5", "5.", "1e5", "1.5E-10", " 1.5 ", "1e308", "0"],
    "numeric": ["1", "1.50", "-0.01", ".5", "1e3", "123456789012345678901234567890.5"],
    "boolean": ["t", "F", "true", "FALSE", "yes", "No", "y", "n", "on", "OFF", "1", "0", " true "],
    "date": ["2013-11-01", "0001-01-01", "9999-12-31", " 2013-11-01 ", "2012-02-29"],
    "timestamptz": [
        "2013-11-01 05:15", "2013-11-01T05:15", "2013-11-01T05:15:00", "2013-11-01T05:15:00-05:00",
        "2013-11-01T05:15:00.123456Z", "2013-11-01 05:15:00 UTC", "2013-11-01 05:15-0500", "2013-11-01 05:15 +05",
        "2013-11-01T23:59:59.999999999z", "0001-01-02T00:00Z", "9999-12-30T23:59:59Z", "2013-11-01T05:15-12:00",
    ],
    "uuid": [
        "123e4567-e89b-12d3-a456-426614174000", "123E4567E89B12D3A456426614174000",
        "{123e4567-e89b-12d3-a456-426614174000}",
    ],
}  # fmt: skip
REFUSED = {
    "integer": [
        "0x211", "0b1", "0o7", "1_0", "\uff11\uff12", "١٢", "1.0", "1e3", "- 5", "--5", "1,000", "5\u00a0", "\ufeff5", "5\u200b",
        "5\n", "2147483648", "NaN", "five", "",
    ],
    "bigint": ["9223372036854775808", "0x1", "1_0"],
    "float8": [
        "1e400", "-1e400", "1e-400", "NaN", "nan", "Infinity", "-inf", "0x1p3", "1_0.5", "\uff11.\uff15", "1,5", ".", "e5", "1e",
        "1 5", "- 1", "1.5f", "1.5\u00a0", "$5", "5%",
    ],
    "numeric": ["NaN", "Infinity", "1_0", "0x1F", "1e1000", "1,5", "\uff11\uff12"],
    "boolean": ["tr", "fal", "ye", "of", "2", "ja", "truefalse", "\uff54", "-"],
    "date": [
        "0044-03-15 BC", "infinity", "-infinity", "today", "epoch", "2013-02-30", "0000-01-01", "10000-01-01", "13-11-01",
        "2013-11-1", "20131101", "01.11.2013", "11/01/2013", "2013-11-01 00:00", "\uff12\uff10\uff11\uff13-11-01", "2013-305", "J2451187",
    ],
    "timestamptz": [
        "0044-03-15 12:00:00 BC", "9999-12-31T23:59-05:00", "9999-12-31 00:00Z", "0001-01-01T00:00Z", "10000-01-01 00:00",
        "294276-12-31 00:00", "2013-11-01 05:15 PST", "2013-11-01 05:15 America/New_York", "2013-11-01 05:15:60",
        "2013-11-01 24:00", "2013-11-01 25:00", "2013-11-01 05:60", "2013-11-01T05:15+16:00", "2013-11-01T05:15-23:59",
        "2013-11-01T05:15+99:99", "infinity", "now", "2013-11-01", "2013-11-01 05:15 PM", "2013-11-01T05:15Z junk",
        "20131101T051500Z", "2013-11-01 allballs", "2013-02-29T05:15", "0000-06-01 00:00",
    ],
    "uuid": [
        "123e4567-e89b-12d3-a456-42661417400", "{123e4567-e89b-12d3-a456-426614174000", "123e-4567e89b12d3a456426614174000",
        "urn:uuid:123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-42661417400g",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def connection(stager_url: str) -> Iterator[psycopg.Connection]:
    """A session in the zone of New York."""
    with psycopg.connect(stager_url, autocommit=True) as connection:
        connection.execute("SET TimeZone = 'America/New_York'")
        yield connection


def is_one(connection: psycopg.Connection, type_: str, text: str) -> bool:
    """Return whether a text is a value of a type."""
    condition = is_value(ColumnSpec("v", "v", type_, nullable=True), "v")
    row = connection.execute(
        f"SELECT {condition.replace('%', '%%')} FROM (SELECT %s::text AS v) t", [text]
    ).fetchone()
    assert row is not None
    return bool(row[0])


@pytest.mark.parametrize(("type_", "text"), [(t, v) for t, values in ACCEPTED.items() for v in values])
def test_value_is_accepted_and_can_be_loaded(connection: psycopg.Connection, type_: str, text: str) -> None:
    """A plain value is one, and PostgreSQL's cast of it, which the load makes, can be read in Python."""
    assert is_one(connection, type_, text)
    assert connection.execute(f"SELECT %s::{type_}", [text]).fetchone() is not None


@pytest.mark.parametrize(("type_", "text"), [(t, v) for t, values in REFUSED.items() for v in values])
def test_other_texts_are_refused(connection: psycopg.Connection, type_: str, text: str) -> None:
    """What PostgreSQL reads in its own way, and what no type has, is no value."""
    assert not is_one(connection, type_, text)


def test_every_type_is_tried() -> None:
    """A new type comes with texts that it takes and texts that it refuses."""
    assert set(ACCEPTED) == set(REFUSED) == set(FORMS)


@pytest.mark.parametrize(
    "zone", ["Pacific/Kiritimati", "Pacific/Apia", "America/New_York", "Etc/GMT+12", "UTC"]
)
@pytest.mark.parametrize("moment", [FIRST_MOMENT, LAST_MOMENT])
def test_moments_at_the_ends_can_be_shown_in_every_zone(stager_url: str, zone: str, moment: str) -> None:
    """Pages and APIs show a time in a zone; a year before 1 or after 9999 would break them."""
    with psycopg.connect(stager_url) as connection:
        connection.execute("SELECT set_config('TimeZone', %s, false)", [zone])
        row = connection.execute("SELECT %s::timestamptz", [moment]).fetchone()
    assert row is not None
    assert isinstance(row[0].astimezone(ZoneInfo(zone)), dt.datetime)


@pytest.mark.parametrize(
    ("zone", "text", "skipped", "repeated"),
    [
        ("America/New_York", "2013-03-10 01:59:59", False, False),
        ("America/New_York", "2013-03-10 02:00", True, False),
        ("America/New_York", "2013-03-10T02:59:59.9", True, False),
        ("America/New_York", "2013-03-10 03:00", False, False),
        ("America/New_York", "2013-03-10 02:30-05:00", False, False),
        ("America/New_York", "2013-11-03 00:59", False, False),
        ("America/New_York", "2013-11-03 01:00", False, True),
        ("America/New_York", " 2013-11-03 01:59 ", False, True),
        ("America/New_York", "2013-11-03 02:00", False, False),
        ("America/New_York", "2013-11-03 01:30Z", False, False),
        ("America/New_York", "nope", False, False),
        ("Europe/Berlin", "2013-03-31 02:30", True, False),
        ("Europe/Berlin", "2013-10-27 02:30", False, True),
        ("Europe/Dublin", "2013-03-31 01:30", True, False),
        ("Europe/Dublin", "2013-10-27 01:30", False, True),
        ("Australia/Lord_Howe", "2013-10-06 02:15", True, False),
        ("Australia/Lord_Howe", "2013-10-06 02:30", False, False),
        ("Australia/Lord_Howe", "2013-04-07 01:45", False, True),
        ("Australia/Lord_Howe", "2013-04-07 01:29", False, False),
        ("Pacific/Apia", "2011-12-30 12:00", True, False),
        ("Pacific/Apia", "2011-12-31 00:00", False, False),
        ("UTC", "2013-03-10 02:30", False, False),
    ],
)
def test_local_times_near_a_clock_change(
    connection: psycopg.Connection, zone: str, text: str, skipped: bool, repeated: bool
) -> None:
    """A time without an offset that does not exist, or comes twice, is found; its neighbours and offsets are not."""
    batch = (
        psycopg.sql.SQL("(SELECT 1 AS r, {}::text AS v) AS b").format(psycopg.sql.Literal(text)).as_string()
    )

    def found(*, skipped: bool) -> bool:
        query = clock_query("r", "v", zone, skipped=skipped).replace(BATCH, batch)
        return connection.execute(query).fetchone() is not None

    assert (found(skipped=True), found(skipped=False)) == (skipped, repeated)
