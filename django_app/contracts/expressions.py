"""Finds in resolved Django expressions what a feature view may not contain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import FieldError
from django.db import models
from django.db.models import Case, Func, Lookup
from django.db.models.expressions import CombinedExpression, RawSQL
from django.db.models.functions import Cast, Extract, Now, Random
from django.db.models.functions.datetime import TruncBase

from hotclub.errors import ContractError

#: Functions of PostgreSQL that give another value at every read, whichever class calls them.
_UNSTABLE = frozenset(
    [
        "NOW",
        "CURRENT_TIMESTAMP",
        "CURRENT_DATE",
        "CURRENT_TIME",
        "LOCALTIME",
        "LOCALTIMESTAMP",
        "STATEMENT_TIMESTAMP",
        "CLOCK_TIMESTAMP",
        "TRANSACTION_TIMESTAMP",
        "RANDOM",
        "GEN_RANDOM_UUID",
        "UUIDV7",
    ]
)


def walk(node: Any) -> Iterator[Any]:
    """Yield an expression, condition or query, and whatever is in it, subqueries too."""
    yield node
    children = node.get_source_expressions() if hasattr(node, "get_source_expressions") else ()
    for child in children:
        if child is not None:
            yield from walk(child)
    if isinstance(node, models.sql.Query):
        yield from walk(node.where)
        for annotation in node.annotations.values():
            yield from walk(annotation)


def _words(part: Any) -> set[str]:
    """Return what a function is called in SQL, in capitals: by its class, by hand, in a template or in raw SQL."""
    if isinstance(part, RawSQL):
        return set(re.findall(r"\w+", part.sql.upper()))
    if not isinstance(part, Func):
        return set()
    called = part.extra.get("function", part.function), part.extra.get("template", part.template)
    return set(re.findall(r"\w+", " ".join(map(str, called)).upper()))


def kind_of(node: Any) -> str:
    """Return ``datetime``, ``date``, ``time`` or ``duration`` for an expression or field of that type, else ``""``."""
    field = node
    if not isinstance(node, models.Field):
        try:
            field = getattr(node, "output_field", None)
        except (FieldError, AttributeError):
            return ""
    # A DateTimeField is a DateField to Python.
    for kind, base in (
        ("datetime", models.DateTimeField),
        ("date", models.DateField),
        ("time", models.TimeField),
        ("duration", models.DurationField),
    ):
        if isinstance(field, base):
            return kind
    return ""


def refuse_unstable(node: Any, where: str) -> None:
    """Refuse an expression whose value depends on the session or the moment of reading.

    Args:
        node: a resolved expression or query.
        where: what to name in the message: ``flights.ArrivalDelay.features['hour']``.

    Raises:
        ContractError: a part of a time without an explicit zone, a date taken for a moment or a moment for a date
            without one, the current time, or a random number.
    """
    for part in walk(node):
        if isinstance(part, Now | Random) or _words(part) & _UNSTABLE:
            raise ContractError(
                f"{where}: {type(part).__name__}() gives another value at every read; a view of features must not"
            )
        if isinstance(part, Extract | TruncBase) and part.tzinfo is None:
            if kind_of(part.get_source_expressions()[0]) == "datetime":
                raise ContractError(
                    f"{where}: {type(part).__name__} of a time without a zone depends on the session's time zone; "
                    f'write {type(part).__name__}(..., tzinfo=ZoneInfo("…"))'
                )
        elif isinstance(part, Cast):
            _refuse_cast(part, where)
        elif isinstance(part, Case | Func | Lookup | CombinedExpression):
            _refuse_mixture(part, where)


def _refuse_cast(part: Cast, where: str) -> None:
    """Refuse a cast between a moment and anything else: PostgreSQL would use the session's zone."""
    source, target = kind_of(part.get_source_expressions()[0]), kind_of(part)
    if "datetime" in (source, target) and source != target:
        name = type(part.output_field).__name__
        raise ContractError(
            f"{where}: Cast to {name} of a {source or 'text or number'} depends on the session's time zone; to get a date or "
            'a part of a moment write TruncDate(..., tzinfo=ZoneInfo("…")) or Extract…; a date needs no Cast: as '
            "event_time and in Age it begins at midnight in the model's zone"
        )


def _refuse_mixture(part: Any, where: str) -> None:
    """Refuse dates compared with moments, and a moment made of a date: both take the session's zone."""
    if isinstance(part, Case):
        children = [case.result for case in part.cases] + [part.default]
    else:
        children = part.get_source_expressions()
    kinds = {kind_of(child) for child in children if child is not None}
    if {"date", "datetime"} <= kinds:
        raise ContractError(
            f"{where}: a date compared with a moment depends on the session's time zone; "
            'turn the moment into a date: TruncDate(..., tzinfo=ZoneInfo("…"))'
        )
    if isinstance(part, CombinedExpression) and {"date", "duration"} <= kinds:
        raise ContractError(
            f"{where}: a date and a duration make a moment without a zone, which depends on the session's time zone; "
            "keep moments in a DateTimeField, or count days: Age takes a date"
        )
