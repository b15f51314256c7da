"""Checks of an argument of a declared `Check`: its JSON type, its limits, and whether a column can have such a value."""

from __future__ import annotations

import datetime as dt
import re
import string
import warnings
from collections.abc import Iterable
from typing import Any

from django_app.contracts.validation.shown_values import shown
from hotclub.expectations import Argument

_NUMBERS = ("integer", "bigint", "float8", "numeric")
_MOMENTS = ("date", "timestamptz")
_WORDS = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "True or False",
    "array": "a list",
    "object": "a dict",
}
_JSON_TYPES: tuple[tuple[type, tuple[str, ...]], ...] = (
    (bool, ("boolean",)),
    (int, ("integer", "number")),
    (float, ("number",)),
    (str, ("string",)),
    (list, ("array",)),
    (tuple, ("array",)),
    (dict, ("object",)),
)
#: Groups that PostgreSQL's regular expressions do not have, and the options that may be at their beginning.
_GROUP = re.compile(r"(?<!\\)\(\?(?!:|=|!|<=|<!|#)")
_OPTIONS = re.compile(r"^\(\?[bceimnpqstwx]+\)")
#: Escapes for the bounds of words that PostgreSQL has and Python does not.
_WORD_BOUNDS = re.compile(r"(\\\\)|\\[mMyY]")
_QUERY_HINT = "write {batch} where the delivered rows are, such as SELECT * FROM {batch} WHERE price < 0, and {{ for a brace"


def wanted(said: Argument) -> str:
    """Return what an argument takes, in words."""
    if said.choices:
        return f"one of {', '.join(map(repr, said.choices))}"
    words = " or ".join(_WORDS[kind] for kind in said.types)
    return f"{words} of {' or '.join(_WORDS[kind] for kind in said.items)}" if said.items else words


def json_types(value: Any) -> tuple[str, ...]:
    """Return the types of JSON that a value is of; none where JSON has no such value."""
    return next((types for kind, types in _JSON_TYPES if isinstance(value, kind)), ())


def value_problem(value: Any, said: Argument) -> str | None:
    """Return what is wrong with an argument's value by its type and limits; None when nothing is."""
    problem = _json_problem(value)
    if problem is not None:
        return problem
    if not set(json_types(value)) & set(said.types) or (said.choices and value not in said.choices):
        return f"{shown(value)} must be {wanted(said)}"
    return _limit_problem(value, said) or _items_problem(value, said)


def _limit_problem(value: Any, said: Argument) -> str | None:
    if not isinstance(value, int | float):
        return None
    share = ": a share of the rows, such as 0.95" if (said.minimum, said.maximum) == (0, 1) else ""
    if said.minimum is not None and value < said.minimum:
        return f"{value} must be at least {said.minimum:g}{share}"
    if said.maximum is not None and value > said.maximum:
        return f"{value} must be at most {said.maximum:g}{share}"
    return None


def _items_problem(value: Any, said: Argument) -> str | None:
    if not isinstance(value, list | tuple):
        return None
    if not value:
        return "the list is empty; give at least one value, or leave the check out"
    wrong = [part for part in value if said.items and not set(json_types(part)) & set(said.items)]
    return f"{shown(wrong[0])} must be {' or '.join(_WORDS[kind] for kind in said.items)}" if wrong else None


def _json_problem(value: Any) -> str | None:
    """Return why a value is no JSON; None when it is."""
    if isinstance(value, dict):
        wrong = [key for key in value if not isinstance(key, str)]
        return f"the key {shown(wrong[0])} must be a text" if wrong else _first_problem(value.values())
    if isinstance(value, list | tuple):
        return _first_problem(value)
    if isinstance(value, float) and value - value != 0:
        return f"{value} is no number that JSON has"
    if json_types(value):
        return None
    if isinstance(value, dt.date | dt.time):
        return f'{shown(value)} must be written as a text, such as "{value.isoformat()}"'
    hints = {set: "write a list", frozenset: "write a list", type(None): "leave the argument out"}
    return (
        f"{shown(value)} is no value that JSON has{f'; {hint}' if (hint := hints.get(type(value))) else ''}"
    )


def _first_problem(values: Iterable[Any]) -> str | None:
    return next((problem for problem in map(_json_problem, values) if problem), None)


def value_of_column(key: str, value: Any, kind: str) -> str | None:
    """Return why a value can be none of the column's; None when it can, or the column's type is not known."""
    if kind in _NUMBERS:
        right, example = "number" in json_types(value), "a number"
    elif kind in _MOMENTS:
        right = isinstance(value, str) and moment_of(value) is not None
        example = 'a date or time as text, such as "2013-11-01"'
    elif kind == "boolean":
        right, example = isinstance(value, bool), "True or False"
    elif kind in ("text", "uuid"):
        right, example = isinstance(value, str), "a text"
    else:
        return None
    return None if right else f"{key}: {shown(value)} must be {example}, as the column is of type {kind}"


def moment_of(text: str) -> dt.datetime | None:
    """Return a date or time as a moment to compare with; one without an offset as if it were UTC."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)


def pattern_problem(pattern: str) -> str | None:
    """Return why PostgreSQL would refuse a pattern, as far as that can be said without asking it."""
    text = _OPTIONS.sub("", pattern)
    other = _GROUP.search(text)
    if other is not None:
        return f"it has no group {text[other.start() : other.start() + 4]!r} at character {other.start() + 1}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # [[:alpha:]], which is PostgreSQL's
            re.compile(_WORD_BOUNDS.sub(lambda found: found[1] or r"\b", text))
    except re.error as error:
        return str(error)
    return None


def query_problem(query: str) -> str | None:
    """Return what is wrong with a query over the delivered rows."""
    try:
        places = [place for _, place, _, _ in string.Formatter().parse(query) if place is not None]
    except ValueError as error:
        return f"{error}; {_QUERY_HINT}"
    other = [place for place in places if place != "batch"]
    if other:
        return f"{{{other[0]}}} is not known; {_QUERY_HINT}"
    if "batch" not in places:
        return f"it does not read the delivered rows; {_QUERY_HINT}"
    if not re.match(r"\s*(select|with)\b", query, re.IGNORECASE):
        return f"it must be a SELECT; {_QUERY_HINT}"
    return "it must be one statement; leave out the semicolon" if ";" in query else None
