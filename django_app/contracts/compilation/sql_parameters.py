"""Values of expressions, as a contract file keeps them: plain JSON, with PostgreSQL's type written into the SQL.

psycopg sends a value with its type; a contract's view is text, in which a value without a type takes that of its
neighbour: ``at - '7 days'`` would be the difference of two moments.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import ipaddress
import json
import math
import re
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from psycopg import Binary
from psycopg.types.json import Json, Jsonb

from django_app.contracts.validation.text_checks import check_text
from hotclub.errors import ContractError

Parameter = str | int | float | bool | None

_PLACE = re.compile(r"%%|%s")
_ARRAY_TYPES = {bool: "boolean", int: "bigint", float: "float8", str: "text"}


def typed(sql: str, params: Sequence[object], where: str) -> tuple[str, tuple[Parameter, ...]]:
    """Return SQL in which each place names the type of its value, and the values as JSON has them.

    Args:
        sql: with ``%s`` places.
        params: one value per place, as Django's compiler gives them.
        where: what to name in the message.

    Raises:
        ContractError: a value that a contract cannot keep.
    """
    kept: list[Parameter] = []
    values = iter(params)

    def place(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%%"
        text, plain = _place(next(values), where)
        kept.extend(plain)
        return text

    return _PLACE.sub(place, sql), tuple(kept)


def untyped(params: Sequence[object]) -> tuple[Parameter, ...] | None:
    """Return the values as older contract files keep them, None where they could not.

    Contract files in this form stay readable; a declaration that compiled to it has not changed.
    """
    kept: list[Parameter] = []
    for value in params:
        if isinstance(value, dt.datetime | dt.date | dt.time):
            kept.append(value.isoformat())
        elif isinstance(value, decimal.Decimal | uuid.UUID):
            kept.append(str(value))
        elif value is None or isinstance(value, str | int | float | bool):
            kept.append(value)
        else:
            return None
    return tuple(kept)


def _place(value: object, where: str) -> tuple[str, list[Parameter]]:
    """Return the text of one place, with a ``%s`` for each of its values."""
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, Binary):  # Django wraps bytes for psycopg
        value = value.obj
    if isinstance(value, float) and not math.isfinite(value):
        return "%s::float8", [str(value)]
    if isinstance(value, str):
        _check_text(value, where)
    if value is None or isinstance(value, str | int | float | bool):
        return "%s", [value]
    if isinstance(value, list | tuple):
        return _array(value, where)
    if isinstance(value, Json | Jsonb):
        dumps = value.dumps or json.dumps
        text = dumps(value.obj)
        return "%s::jsonb", [text.decode() if isinstance(text, bytes) else text]
    kind, text = _scalar(value, where)
    return f"%s::{kind}", [text]


def _check_text(text: str, where: str) -> None:
    try:
        check_text(text)
    except ContractError as error:
        raise ContractError(f"{where}: {error}") from error


def _scalar(value: object, where: str) -> tuple[str, str]:
    """Return PostgreSQL's type of a value, and its text in a form that no session setting changes."""
    for base, kind, write in _SCALARS:
        if isinstance(value, base):
            aware = isinstance(value, dt.datetime | dt.time) and value.tzinfo is not None
            return (f"{kind}tz" if aware else kind), write(value)
    raise ContractError(
        f"{where}: a value of type {type(value).__name__} cannot be kept in a contract; "
        "use text, numbers, dates, times, durations, Decimal, UUID, bytes, JSON, or lists of them"
    )


def _seconds(value: dt.timedelta) -> str:
    # Seconds alone: a day of an interval is 23 or 25 hours long where the session's clocks change.
    seconds, micros = divmod(value // dt.timedelta(microseconds=1), 1_000_000)
    return f"{seconds} seconds {micros} microseconds"


#: Python's type, PostgreSQL's, and how it is written. A datetime is a date to Python, so it comes first.
_SCALARS: tuple[tuple[Any, str, Callable[[Any], str]], ...] = (
    (dt.datetime, "timestamp", dt.datetime.isoformat),
    (dt.date, "date", dt.date.isoformat),
    (dt.time, "time", dt.time.isoformat),
    (dt.timedelta, "interval", _seconds),
    (decimal.Decimal, "numeric", str),
    (uuid.UUID, "uuid", str),
    (bytes | bytearray | memoryview, "bytea", lambda value: "\\x" + bytes(value).hex()),
    (ipaddress.IPv4Address | ipaddress.IPv6Address, "inet", str),
    (ipaddress.IPv4Interface | ipaddress.IPv6Interface, "inet", str),
)


def _array(value: Sequence[Any], where: str) -> tuple[str, list[Parameter]]:
    if not value:
        return "%s", ["{}"]
    items = [item.value if isinstance(item, enum.Enum) else item for item in value]
    present = [item for item in items if item is not None]
    kind = next(
        (name for base, name in _ARRAY_TYPES.items() if present and isinstance(present[0], base)), None
    )
    if kind is None and present and not isinstance(present[0], list | tuple):
        kind = _scalar(present[0], where)[0]
    parts = [_place(item, where) for item in items]
    text = f"ARRAY[{', '.join(part for part, _ in parts)}]"
    return (f"{text}::{kind}[]" if kind else text), [plain for _, plains in parts for plain in plains]
