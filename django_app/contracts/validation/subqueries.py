"""Subqueries as values: each must give one row, and always the same one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import Exists, Func
from django.db.models.expressions import Col, RawSQL
from django.db.models.lookups import Exact, In
from django.db.models.sql.where import AND, WhereNode

from django_app.contracts.validation import joins, sql_functions
from django_app.contracts.validation.expressions import walk
from hotclub.errors import ContractError

_Column = tuple[str | None, str | None]
_AGGREGATE: Final = ".values('order').annotate(n=Count('pk')).values('n')"


def refuse_doubtful(node: Any) -> None:
    """Refuse a subquery that may give several rows, or any one of several.

    The first would be an error at every read of the view, the second another value.

    Args:
        node: a resolved expression or condition.

    Raises:
        ContractError: there is one; with the fix.
    """
    for query in _values(node):
        label = query.get_meta().label
        if "?" in query.order_by:
            raise ContractError(
                f"order_by('?') gives another row of {label} at every read; order by a field, such as .order_by('-pk')"
            )
        if _names_one_row(query):
            continue
        if _limit(query) == 1:
            if not _is_ordered(query):
                raise ContractError(
                    f"without an order the first row of {label} is any of them; write .order_by('-pk') or another order "
                    "before [:1]"
                )
        elif not _is_aggregated(query):
            raise ContractError(
                f"a Subquery has one value, and this one may give several rows of {label}; aggregate it: {_AGGREGATE}, take "
                "the first by an order: .order_by('-pk')[:1], or filter by a field that is unique"
            )


def _values(node: Any) -> Iterator[models.sql.Query]:
    """Yield the queries whose one row is a value; not those of Exists, of a list, or of an array."""
    if isinstance(node, Exists | ArraySubquery):
        children = list(_inside(node.query))
    elif isinstance(node, models.sql.Query):
        yield node
        children = list(_inside(node))
    elif isinstance(node, In):
        children = [node.lhs, *_inside(getattr(node.rhs, "query", node.rhs))]
    else:
        children = node.get_source_expressions() if hasattr(node, "get_source_expressions") else []
    for child in children:
        if child is not None:
            yield from _values(child)


def _inside(query: Any) -> Iterator[Any]:
    """Yield the expressions of a query, those of the parts of a union too; none of a list of values."""
    if isinstance(query, models.sql.Query):
        yield from (query.where, *query.annotations.values())
        for part in query.combined_queries:
            yield from _inside(part)


def _limit(query: models.sql.Query) -> int | None:
    return None if query.high_mark is None else query.high_mark - query.low_mark


def _is_ordered(query: models.sql.Query) -> bool:
    by_model = query.default_ordering and bool(query.get_meta().ordering)
    return bool(query.order_by or query.extra_order_by or by_model) or _is_aggregated(query)


def _is_aggregated(query: models.sql.Query) -> bool:
    """Return whether a query has one group at most, or may have: what a function by hand does is not known."""
    if any(_is_unknown(part) for value in query.annotation_select.values() for part in walk(value)):
        return True
    if not isinstance(query.group_by, tuple):
        return False
    fixed = _fixed(query)
    columns = [part for group in query.group_by for part in walk(group) if isinstance(part, Col)]
    return all((column.alias, column.target.column) in fixed for column in columns)


def _is_unknown(part: Any) -> bool:
    return isinstance(part, RawSQL) or (isinstance(part, Func) and not sql_functions.is_djangos(part))


def _names_one_row(query: models.sql.Query) -> bool:
    """Return whether the filter holds for one row at most: it gives a value to all fields of a unique constraint."""
    if query.combinator or joins.multiplying(query):
        return False
    fixed = _fixed(query)
    aliases = [alias for alias in query.alias_map if _is_one_to_one(query, alias)]
    return any(
        all((alias, column) in fixed for column in columns)
        for alias in aliases
        for columns in _unique_columns(query, alias)
    )


def _is_one_to_one(query: models.sql.Query, alias: str) -> bool:
    """Return whether a joined row belongs to one row of the query's own table."""
    step: Any = query.alias_map[alias]
    while getattr(step, "parent_alias", None) is not None:
        field = getattr(step.join_field, "field", step.join_field)  # a reverse relation is known by its field
        if not field.unique:
            return False
        step = query.alias_map[step.parent_alias]
    return True


def _unique_columns(query: models.sql.Query, alias: str) -> Iterator[list[str]]:
    """Yield the columns of each unique constraint of an alias's table."""
    join: Any = query.alias_map[alias]
    relation = getattr(join, "join_field", None)
    model: Any = query.model if relation is None else relation.related_model
    meta = model._meta
    columns = {field.name: field.column for field in meta.concrete_fields}
    yield from ([field.column] for field in meta.concrete_fields if field.unique)
    together = [*meta.unique_together, *(each.fields for each in meta.total_unique_constraints)]
    yield from ([columns[name] for name in names] for names in together if set(names) <= columns.keys())
    yield [field.column for field in meta.pk_fields]


def _fixed(query: models.sql.Query) -> frozenset[_Column]:
    """Return the columns that have one value in all rows of a query."""
    return frozenset(_fixed_by(query.where, set(query.alias_map)))


def _fixed_by(node: Any, own: set[str]) -> Iterator[_Column]:
    if isinstance(node, WhereNode):
        if node.connector == AND and not node.negated:
            for child in node.children:
                yield from _fixed_by(child, own)
    elif isinstance(node, Exact) and isinstance(node.lhs, Col):
        # Equal to another column of the same query says nothing.
        others = {part.alias for part in walk(node.rhs) if isinstance(part, Col)}
        if not others & own:
            yield node.lhs.alias, node.lhs.target.column
