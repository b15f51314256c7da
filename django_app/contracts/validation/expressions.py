"""Finds in resolved Django expressions what a feature view may not contain."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

from django.contrib.postgres.aggregates import StringAgg
from django.core.exceptions import FieldError
from django.db import models
from django.db.models import Aggregate, Case, Func, Lookup, Value, Window
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import (
    Cast,
    ConcatPair,
    Extract,
    FirstValue,
    Lag,
    LastValue,
    Lead,
    Now,
    NthValue,
    Ntile,
    Random,
    RowNumber,
)
from django.db.models.functions.datetime import TruncBase
from django.db.models.lookups import IExact, PatternLookup, Regex
from django.db.models.sql.where import ExtraWhere

from django_app.contracts.validation import sql_functions
from hotclub.errors import ContractError

#: Windows that number rows, or take the value of one by its place.
_BY_POSITION: Final = (FirstValue, Lag, LastValue, Lead, NthValue, Ntile, RowNumber)


def walk(node: Any) -> Iterator[Any]:
    """Yield an expression, condition or query, and whatever is in it, subqueries too."""
    yield node
    children = node.get_source_expressions() if hasattr(node, "get_source_expressions") else ()
    for child in children:
        if child is not None:
            yield from walk(child)
    if isinstance(node, models.sql.Query):
        for part in _parts_of_query(node):
            yield from walk(part)


def _parts_of_query(query: models.sql.Query) -> Iterator[Any]:
    """Yield what a query is made of: its filter, values, order, conditions of joins, and the queries of a union."""
    yield from conditions_of(query)
    yield from query.annotations.values()
    yield from query.order_by
    yield from query.combined_queries


def conditions_of(query: models.sql.Query) -> Iterator[Any]:
    """Yield the filter of a query, and the conditions of its joins."""
    yield query.where
    for join in query.alias_map.values():
        relation = getattr(join, "filtered_relation", None)
        if relation is not None and relation.resolved_condition is not None:
            yield relation.resolved_condition


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
        if isinstance(part, Now | Random) or sql_functions.words_of(part) & sql_functions.UNSTABLE:
            raise ContractError(
                f"{where}: {type(part).__name__}() gives another value at every read; a view of features must not"
            )
        if isinstance(part, ExtraWhere) or (isinstance(part, models.sql.Query) and part.extra):
            raise ContractError(f"{where}: extra() adds SQL that nothing can be said of; write expressions")
        _refuse_no_order(part, where)
        _refuse_moment_of_import(part, where)
        _refuse_text_of_moment(part, where)
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


def _refuse_no_order(part: Any, where: str) -> None:
    """Refuse what depends on the order of rows, and is given none."""
    taken = part.get_source_expressions()[0] if isinstance(part, Window) else part
    kinds: Any = _BY_POSITION if isinstance(part, Window) else StringAgg
    if isinstance(taken, kinds) and not getattr(part, "order_by", None):
        raise ContractError(
            f"{where}: {type(taken).__name__} without an order gives another value at every read; write order_by='pk' or another "
            "order in it"
        )


def _refuse_moment_of_import(part: Any, where: str) -> None:
    """Refuse a moment that nobody writes by hand: one that was taken when ``ml.py`` was imported."""
    value = part.value if isinstance(part, Value) else part.rhs if isinstance(part, Lookup) else None
    for moment in value if isinstance(value, list | tuple) else (value,):
        # The last moment of a day ends in 999999.
        if isinstance(moment, dt.datetime) and moment.microsecond not in (0, 999_999):
            raise ContractError(
                f"{where}: {moment.isoformat(sep=' ')} was taken when ml.py was imported, so that the contract would change with "
                f"every import; write a fixed moment, such as datetime({moment.year}, {moment.month}, {moment.day}, tzinfo=UTC)"
            )


def _refuse_text_of_moment(part: Any, where: str) -> None:
    """Refuse a moment as a text or in a function by hand: PostgreSQL writes and reads it in the session's zone."""
    if isinstance(part, PatternLookup | Regex | IExact | ConcatPair):
        found = part.get_source_expressions()
    elif isinstance(part, Func) and not isinstance(part, Aggregate) and not sql_functions.is_djangos(part):
        known = sql_functions.names_zone(part) or kind_of(part) == "datetime"
        found = [] if known else [e for e in part.get_source_expressions() if not sql_functions.names_zone(e)]
    else:
        found = []
    if sql_functions.casts_to_moment(part) or any(kind_of(each) == "datetime" for each in found):
        raise ContractError(
            f"{where}: {type(part).__name__} of a moment depends on the session's time zone; take a part of it: "
            'Extract…(..., tzinfo=ZoneInfo("…")), or a date: TruncDate(..., tzinfo=ZoneInfo("…"))'
        )


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
