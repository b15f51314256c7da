"""Which texts of a file are values of a column's type: narrower than what PostgreSQL's casts take.

PostgreSQL also reads ``0x211``, ``1_0``, ``infinity``, ``44-03-15 BC`` or ``24:00``. A file must say what it
means in one plain way, and what is loaded must be readable in Python: years 1 to 9999, numbers that are finite.
Blanks around a value mean nothing. The decisions are in docs/how-to/deliver-files.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from psycopg import sql

from hotclub.contract import ColumnSpec

_BLANKS: Final = "[ \\t]*"
_DATE: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
_OFFSET: Final = " ?([zZ]|UTC|[+-][0-9]{2}(:?[0-9]{2})?)"
_DECIMAL: Final = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?0*[0-9]{1,3})?"
_HEX: Final = "[0-9a-fA-F]"
_UUID: Final = f"({_HEX}{{32}}|{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}})"

#: Stands in a query for the rows that are checked.
BATCH: Final = "\0"
#: The first and the last moment that every time zone shows as a year from 1 to 9999.
FIRST_MOMENT: Final = "0001-01-02 00:00:00+00"
LAST_MOMENT: Final = "9999-12-30 23:59:59.999999+00"


@dataclass(frozen=True, slots=True)
class Form:
    """How a type is written.

    Attributes:
        pattern: a regular expression for the whole text without the blanks around it.
        words: what must hold, after "must be".
    """

    pattern: str
    words: str


_INTEGER: Final = "[+-]?[0-9]+"
FORMS: Final[dict[str, Form]] = {
    "integer": Form(_INTEGER, "a whole number such as 42, from -2147483648 to 2147483647"),
    "bigint": Form(_INTEGER, "a whole number such as 42, from -9223372036854775808 to 9223372036854775807"),
    "float8": Form(_DECIMAL, "a number such as 12.5 (digits and a point; at most 1.8e308)"),
    "numeric": Form(_DECIMAL, "a number such as 12.50 (digits and a point)"),
    "boolean": Form(
        "([tT]|[fF]|[yY]|[nN]|1|0|[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|[yY][eE][sS]|[nN][oO]|[oO][nN]|[oO][fF][fF])",
        "true or false (or t/f, yes/no, y/n, on/off, 1/0)",
    ),
    "date": Form(_DATE, "a date such as 2013-11-01"),
    "timestamptz": Form(
        f"{_DATE}[ T]{_TIME}({_OFFSET})?",
        "a date and time such as 2013-11-01T05:15:00-05:00, from 0001-01-02 to 9999-12-30",
    ),
    "uuid": Form(rf"({_UUID}|\{{{_UUID}\}})", "a UUID such as 123e4567-e89b-12d3-a456-426614174000"),
}


def form_of(column: ColumnSpec) -> Form:
    """Return how a column's values are written."""
    return FORMS.get(column.type) or Form(".*", f"of type {column.type}")


def _matches(name: str, pattern: str) -> str:
    return f"{name} ~ '^{_BLANKS}{pattern}{_BLANKS}$'"


def is_value(column: ColumnSpec, name: str) -> str:
    """Return an SQL condition: the text in the column `name`, an identifier, is a value of the column's type."""
    # CASE evaluates in order, so that no cast meets a text which it cannot read.
    valid = f"pg_input_is_valid({name}, '{column.type}')"
    if column.type == "timestamptz":
        inside = f"{name}::timestamptz BETWEEN '{FIRST_MOMENT}' AND '{LAST_MOMENT}'"
        valid = f"CASE WHEN {valid} THEN {inside} ELSE false END"
    return f"CASE WHEN {_matches(name, form_of(column).pattern)} THEN {valid} ELSE false END"


def clock_query(row: str, name: str, zone: str, *, skipped: bool) -> str:
    """Return a query over `BATCH` for times without an offset that the zone's clocks skip, or show twice.

    Args:
        row: the column with the row, an identifier.
        name: the column with the texts, an identifier.
        zone: the zone that such times are read in.
        skipped: those that do not exist, because clocks went forward; else those that come twice.

    A local time is read with the offset of the day before and of the day after. Where neither gives the same local
    time again it does not exist; where both do and they differ, it comes twice.
    """
    place = sql.Literal(zone).as_string()
    readable = f"{_matches(name, f'{_DATE}[ T]{_TIME}')} AND pg_input_is_valid({name}, 'timestamp')"
    # Every name of its own has a prefix: the file's columns may be called anything.
    before, after = (
        f"(hc_u {sign} interval '1 day') AT TIME ZONE {place} - (hc_u {sign} interval '1 day') AT TIME ZONE 'UTC'"
        for sign in "-+"
    )
    one, two = (f"hc_{which} AT TIME ZONE {place}" for which in ("one", "two"))
    condition = (
        f"{one} <> hc_t AND {two} <> hc_t"
        if skipped
        else f"hc_one <> hc_two AND {one} = hc_t AND {two} = hc_t"
    )
    # OFFSET 0 keeps each step's result; else PostgreSQL puts the steps into each other and computes them many times.
    return (
        f"SELECT {row}, {name} FROM (SELECT *, (hc_t - hc_before) AT TIME ZONE 'UTC' AS hc_one,"
        " (hc_t - hc_after) AT TIME ZONE 'UTC' AS hc_two"
        f" FROM (SELECT *, {before} AS hc_before, {after} AS hc_after"
        f" FROM (SELECT *, hc_t AT TIME ZONE {place} AS hc_u"
        f" FROM (SELECT {row}, {name}, CASE WHEN {readable} THEN {name}::timestamp END AS hc_t FROM {BATCH} OFFSET 0)"
        " AS hc_a OFFSET 0) AS hc_b OFFSET 0) AS hc_c OFFSET 0) AS hc_d"
        f" WHERE {condition}"
    )
