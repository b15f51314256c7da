"""Finds out why an expression may be null, where that is certain; what is unknown is taken for declared rightly."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from django.contrib.postgres.aggregates import Corr, RegrIntercept, RegrR2, RegrSlope
from django.contrib.postgres.fields import array, hstore
from django.contrib.postgres.fields.ranges import RangeEndsWith, RangeStartsWith
from django.db import models
from django.db.models import (
    Aggregate,
    Case,
    Subquery,
    Transform,
    Value,
    Window,
)
from django.db.models.expressions import (
    BaseExpression,
    Col,
    CombinedExpression,
    Exists,
    ExpressionWrapper,
    Ref,
    WindowFrame,
    WindowFrameExclusion,
)
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import (
    Cast,
    Coalesce,
    Extract,
    Greatest,
    Lag,
    Lead,
    Least,
    NthValue,
    NullIf,
)
from django.db.models.functions.datetime import TruncBase
from django.db.models.lookups import IsNull, Lookup
from django.db.models.sql.constants import LOUTER
from django.db.models.sql.where import AND, OR, WhereNode

from django_app.contracts.validation import sql_functions

#: Null where one of their parts is null, and not otherwise; functions are known by `sql_functions.is_strict`.
_STRICT: Final = (Cast, Extract, TruncBase, CombinedExpression, ExpressionWrapper, Transform, Ref)
#: Null only where all of their parts are null.
_FIRST_KNOWN: Final = (Coalesce, Greatest, Least)
#: Null for a single row, or where all of its values are the same.
_OF_A_LINE: Final = (Corr, RegrIntercept, RegrR2, RegrSlope)
#: Aliases with columns, and whole expressions.
_Columns = frozenset[Any]
_NONE: Final[_Columns] = frozenset()


def reason(query: models.sql.Query, node: Any) -> str:
    """Return why an expression may be null in the rows of a query, empty where nothing says so.

    Args:
        query: in which the expression stands; its filter may rule nulls out.
        node: the resolved expression.
    """
    return _reason(query, node, known=_proven(query.where, holds=True))


def is_ruled_out(query: models.sql.Query, name: str) -> bool:
    """Return whether a filter leaves no row in which the model's own field of this name is null."""
    field: Any = query.get_meta().get_field(name)
    table = field.model._meta.db_table
    own = query.get_initial_alias()
    # A field of a parent's table is read through a join.
    aliases = [own] if query.alias_map[own].table_name == table else query.table_map.get(table, [])
    proven = _proven(query.where, holds=True)
    return any((alias, field.column) in proven for alias in aliases)


def _reason(query: models.sql.Query, node: Any, known: _Columns) -> str:  # noqa: PLR0911  # one return for each kind
    if isinstance(node, Col):
        return _of_column(query, node, known)
    if node in known:
        return ""
    if isinstance(node, Value):
        return "Value(None) is null" if node.value is None else ""
    if isinstance(node, WhereNode):
        return _of_condition(query, node, known)
    if isinstance(node, Exists | IsNull):
        return ""
    if isinstance(node, Subquery):
        return "a Subquery may find no row"
    if missing := _missing_part(node):
        return missing
    if isinstance(node, Aggregate):
        return _of_aggregate(query, node, known)
    return _of_parts(query, node, known)


def _missing_part(node: Any) -> str:
    """Return why a part of a field's value may be missing."""
    if isinstance(node, KeyTransform | hstore.KeyTransform):
        key: Any = node  # the stubs lack the attribute of one of them
        return f"the key {key.key_name!r} of the field may be missing"
    if isinstance(node, array.IndexTransform):  # type: ignore[attr-defined]  # it is there, the stubs leave it out
        return "an array may be shorter than the index"
    if isinstance(node, RangeStartsWith | RangeEndsWith):
        return "a range may be empty or without a bound"
    return ""


def _of_parts(query: models.sql.Query, node: Any, known: _Columns) -> str:
    """Return why an expression is null that depends on its parts."""
    reason_of = partial(_reason, query, known=known)
    if isinstance(node, Case):
        return _of_case(query, node, known)
    if isinstance(node, Window):
        return _of_window(node) or reason_of(_parts(node)[0])
    if isinstance(node, NullIf):
        return "NullIf is null where both are equal"
    if isinstance(node, _FIRST_KNOWN):
        reasons = [reason_of(part) for part in _parts(node)]
        return reasons[0] if all(reasons) else ""
    if isinstance(node, (*_STRICT, Lookup)) or sql_functions.is_strict(node):
        return _first(map(reason_of, _parts(node)))
    return ""


def _parts(node: Any) -> list[Any]:
    return [part for part in node.get_source_expressions() if part is not None]


def _of_case(query: models.sql.Query, node: Case, known: _Columns) -> str:
    """Return why a Case is null: what a When holds for is known in its result, and what none holds for in the default."""
    if isinstance(node.default, Value) and node.default.value is None:
        return "a Case without default is null where no When holds"
    left = known
    for case in node.cases:
        found = _reason(query, case.result, left | _proven(case.condition, holds=True))
        if found:
            return found
        left |= _proven_unless(case.condition)
    return _reason(query, node.default, left)


def _first(reasons: Iterable[str]) -> str:
    return next((text for text in reasons if text), "")


def _of_window(node: Any) -> str:
    """Return why a window has no row to take a value from."""
    taken = _parts(node)[0]
    name = type(taken).__name__
    if isinstance(taken, NthValue) or (
        isinstance(taken, Lag | Lead) and len(taken.get_source_expressions()) < 3
    ):
        return f"{name} without default is null at the edge"
    if isinstance(node.frame, WindowFrame) and _leaves_row_out(node.frame) and not _is_count(taken):
        return f"{name} is null at the edge, where no row is in its frame"
    return ""


def _leaves_row_out(frame: Any) -> bool:
    """Return whether a frame may have no row at all: the row itself is outside of it."""
    start, end = frame.start.value, frame.end.value
    excluded = getattr(frame, "exclusion", None) in (
        WindowFrameExclusion.CURRENT_ROW,
        WindowFrameExclusion.GROUP,
    )
    return excluded or (start or 0) > 0 or (end or 0) < 0


def _is_count(node: Any) -> bool:
    return isinstance(node, Aggregate) and str(node.function).upper() in ("COUNT", "REGR_COUNT")


def _of_column(query: models.sql.Query, node: Col, known: _Columns) -> str:
    alias, target = node.alias, node.target
    if (alias, target.column) in known:
        return ""
    missing = _missing_row(query, alias, known)
    if missing:
        return missing
    # Whether a computed column is null depends on its expression: Django does not say.
    if target.null and not getattr(target, "generated", False):
        return f"{target.name} is a nullable {'foreign key' if target.is_relation else 'column'} of {target.model._meta.label}"
    return ""


def _missing_row(query: models.sql.Query, alias: str | None, known: _Columns) -> str:
    """Return why the row that a column belongs to may be missing."""
    while alias is not None and alias in query.alias_map:
        join: Any = query.alias_map[alias]
        field = getattr(join, "join_field", None)
        if getattr(join, "join_type", None) == LOUTER and not _is_always_there(join, field, known):
            name = getattr(field, "name", alias)
            return f"the row that {name!r} leads to may be missing"
        alias = getattr(join, "parent_alias", None)
    return ""


def _is_always_there(join: Any, field: Any, known: _Columns) -> bool:
    if getattr(join, "filtered_relation", None) is not None:
        return False
    # Without a constraint in the database, what the key names may be missing.
    if not isinstance(field, models.ForeignKey) or not getattr(field, "db_constraint", True):
        return False
    return not field.null or (join.parent_alias, field.column) in known


def _of_aggregate(query: models.sql.Query, node: Aggregate, known: _Columns) -> str:
    name = type(node).__name__
    if _is_count(node):
        return ""
    if node.filter is not None:
        return f"{name} with a filter is null where no row passes"
    if isinstance(node, _OF_A_LINE) or str(node.function).endswith("_SAMP"):
        return f"{name} of a single row is null"
    inner = _first(_reason(query, part, known) for part in _parts(node))
    return f"{name} of no rows is null: {inner}; or set its default=" if inner else ""


def _of_condition(query: models.sql.Query, node: WhereNode, known: _Columns) -> str:
    """Return why a condition is neither true nor false: a comparison with null is null.

    ``Q(x=1, x__isnull=False)`` is false for a null, and ``Q(x=1) | Q(x=None)`` is true.
    """
    if node.connector not in (AND, OR):
        return ""
    decided = node.connector == OR
    checks = [c for c in node.children if isinstance(c, IsNull) and bool(c.rhs) == decided]
    guarded = known.union(*(_strict_columns(check.lhs) for check in checks)) if checks else known
    return _first(_reason(query, child, guarded) for child in node.children)


def _proven(node: Any, *, holds: bool) -> _Columns:
    """Return the columns that are not null wherever a condition holds, or where it is false."""
    if isinstance(node, WhereNode):
        return _proven_by_children(node, holds=holds != node.negated)
    if isinstance(node, IsNull):
        return _strict_columns(node.lhs) if bool(node.rhs) != holds else _NONE
    if isinstance(node, Lookup):
        return _strict_columns(node.lhs) | _strict_columns(node.rhs)
    return _NONE


def _proven_by_children(node: WhereNode, *, holds: bool) -> _Columns:
    """Return what the children prove, whether their condition is negated or not."""
    if not node.children or node.connector not in (AND, OR):
        return _NONE
    found = [_proven(child, holds=holds) for child in node.children]
    # An AND that holds has every child holding, an OR that is false has every child false.
    every = holds == (node.connector == AND)
    return frozenset.union(*found) if every else frozenset.intersection(*found)


def _proven_unless(node: Any) -> _Columns:
    """Return the columns that are not null wherever a condition is false or null."""
    if isinstance(node, IsNull):
        return _strict_columns(node.lhs) if node.rhs else _NONE
    if not isinstance(node, WhereNode) or not node.children or node.connector not in (AND, OR):
        return _NONE
    if node.negated:
        # Only what is never null itself is true where it is not false.
        two_valued = all(isinstance(child, IsNull) for child in node.children)
        return _proven_by_children(node, holds=True) if two_valued else _NONE
    found = [_proven_unless(child) for child in node.children]
    return frozenset.union(*found) if node.connector == OR else frozenset.intersection(*found)


def _strict_columns(node: Any) -> _Columns:
    """Return the columns whose null makes an expression null, and the expression itself where it is none of them."""
    if isinstance(node, Col):
        return frozenset({(node.alias, node.target.column)})
    if isinstance(node, Ref):
        return _strict_columns(_parts(node)[0])
    if isinstance(node, _STRICT) or sql_functions.is_strict(node):
        return frozenset({node}).union(*(_strict_columns(part) for part in _parts(node)))
    return frozenset({node}) if isinstance(node, BaseExpression) else _NONE
