"""Finds joins that give several rows for one: a feature view has one row for each row of its queryset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.contrib.postgres import aggregates as postgres
from django.db import models
from django.db.models import Aggregate, Max, Min, Subquery, Window
from django.db.models.expressions import Col
from django.db.models.fields.reverse_related import ForeignObjectRel
from django.db.models.sql.constants import INNER
from django.db.models.sql.where import WhereNode

from django_app.contracts.validation import expressions, sql_functions
from hotclub.errors import ContractError

#: Aggregates that are the same when each row comes twice.
_SAME_FOR_COPIES: Final = (Max, Min, postgres.BoolAnd, postgres.BoolOr, postgres.BitAnd, postgres.BitOr)
FIX: Final = "aggregate it in a Subquery: Subquery(Line.objects.filter(order=OuterRef('pk')).values('order').annotate(n=Count('pk')).values('n'))"


def multiplying(query: models.sql.Query) -> list[str]:
    """Return the aliases of a query's joins that have several rows for one of what they are joined to."""
    return [
        alias
        for alias, join in query.alias_map.items()
        if query.alias_refcount[alias] and _is_multiplying(join)
    ]


def _is_multiplying(join: Any) -> bool:
    # A foreign key seen from its other end; many-to-many joins begin with one of these.
    relation = getattr(join, "join_field", None)
    if not isinstance(relation, ForeignObjectRel):
        return False
    field: Any = relation.field
    if field.unique:
        return False
    meta = field.model._meta
    together = [*meta.unique_together, *(constraint.fields for constraint in meta.total_unique_constraints)]
    return not any(tuple(names) == (field.name,) for names in together)


def names_of(query: models.sql.Query, aliases: list[str] | None = None) -> str:
    """Return what multiplying joins are called in a field path."""
    found = multiplying(query) if aliases is None else aliases
    joins: list[Any] = [query.alias_map[alias] for alias in found]
    return ", ".join(repr(_name_of(join.join_field)) for join in joins)


def _name_of(relation: Any) -> str:
    """Return a relation's name in a field path; a many-to-many field's joins are those of a hidden model."""
    for field in relation.model._meta.get_fields():
        if field.many_to_many and getattr(field.remote_field, "through", None) is relation.related_model:
            return str(field.name)
    return str(relation.name)


def refuse_many(query: models.sql.Query, node: Any) -> None:
    """Refuse an expression that has several values for one row.

    Args:
        query: all columns of the view together.
        node: the expression, as it stands in that query.

    Raises:
        ContractError: it has; with the relation and the fix.
    """
    many = set(multiplying(query))
    outside = set[str]()
    for column in _columns(node, inside_aggregates=False):
        outside |= _above(query, column.alias) & many
    if outside:
        raise ContractError(f"{names_of(query, sorted(outside))} has many rows for one; {FIX}")


def refuse_rows(node: Any) -> None:
    """Refuse a function that gives several rows for one, such as ``unnest()``.

    Args:
        node: the expression; in a subquery of it such a function is right.

    Raises:
        ContractError: there is one.
    """
    for part in _parts(node):
        found = sql_functions.row_functions(part)
        if found:
            raise ContractError(
                f"{' and '.join(found)} gives several rows for one; take one value by its index: "
                "'tags__0', or count: 'tags__len'"
            )


def refuse_content_types(query: models.sql.Query) -> None:
    """Refuse a GenericRelation: its join holds the number of a content type, which each database gives anew.

    Raises:
        ContractError: there is one.
    """
    for part in expressions.walk(query):
        if isinstance(part, models.sql.Query):
            for join in part.alias_map.values():
                relation: Any = getattr(join, "join_field", None)
                field = getattr(relation, "field", relation)
                # Its class cannot be imported in a project without content types.
                if hasattr(field, "content_type_field_name"):
                    raise ContractError(
                        f"{field.name!r} is a GenericRelation, joined by the number that this database gave to the content "
                        "type, and another database gives another; write a Subquery that filters by content_type__app_label, "
                        "content_type__model and object_id=OuterRef('pk')"
                    )


def refuse_losing(query: models.sql.Query, rows: models.sql.Query, node: Any) -> None:
    """Refuse an expression whose join leaves rows out that the queryset has.

    Django joins a key that is not null with an INNER JOIN; without a constraint in the database the row that it names may
    be missing.

    Args:
        query: all columns of the view together.
        rows: the rows as they are declared, whose own joins are meant.
        node: the expression, as it stands in that query.

    Raises:
        ContractError: it does; with the key and the fix.
    """
    meant = {alias for alias in rows.alias_map if rows.alias_refcount[alias]}
    for column in _columns(node, inside_aggregates=True):
        for alias in _above(query, column.alias) - meant:
            join: Any = query.alias_map[alias]
            key: Any = getattr(join, "join_field", None)
            if join.join_type == INNER and getattr(join, "filtered_relation", None) is not None:
                raise ContractError(
                    f"rows whose {key.name!r} does not fit the condition of the FilteredRelation would be left out; read the value "
                    "in a Subquery, or write Case(When(…))"
                )
            # A ForeignObject has no constraint at all.
            unsure = isinstance(key, models.ForeignObject) and not getattr(key, "db_constraint", False)
            if unsure and join.join_type == INNER:
                raise ContractError(
                    f"{key.name!r} has no constraint in the database, and rows whose key names nothing would be left out; set "
                    f"null=True on it, filter rows: .filter({key.name}__in=…), or read the value in a Subquery"
                )


def refuse_multiplied(query: models.sql.Query, node: Any) -> None:
    """Refuse an aggregate that another join of the query multiplies.

    Args:
        query: all columns of the view together: joins of one multiply the aggregates of another.
        node: an expression or condition, as it stands in that query.

    Raises:
        ContractError: it is so; with the relation and the fix.
    """
    many = multiplying(query)
    # Groups and their aggregates are made before windows, and distinct() after them.
    if many and not query.group_by and any(isinstance(part, Window) for part in _parts(node)):
        raise ContractError(
            f"a Window sees each row once for each row of {names_of(query)}, which is joined too; {FIX}"
        )
    if (
        query.group_by
        and not isinstance(node, Window)
        and any(isinstance(part, Window) for part in _parts(node))
    ):
        raise ContractError(
            f"a Window inside of {type(node).__name__} cannot stand beside a joined aggregate, because PostgreSQL would group by "
            f"it; leave the aggregate's join out: {FIX}"
        )
    for aggregate in _aggregates(node) if many else ():
        if isinstance(aggregate, _SAME_FOR_COPIES) or getattr(aggregate, "distinct", False):
            continue
        own = set[str]()
        for column in _columns(aggregate, inside_aggregates=True):
            own |= _above(query, column.alias) & set(many)
        if own != set(many) or not _is_chain(query, many):
            others = [alias for alias in many if alias not in own] or many
            raise ContractError(
                f"{type(aggregate).__name__} counts rows once for each row of {names_of(query, others)}, which is joined "
                f"too; {FIX}"
            )


def _above(query: models.sql.Query, alias: str | None) -> set[str]:
    """Return an alias and those that it is joined to, up to the rows' own table."""
    found = set[str]()
    while alias is not None and alias in query.alias_map:
        found.add(alias)
        alias = getattr(query.alias_map[alias], "parent_alias", None)
    return found


def _is_chain(query: models.sql.Query, aliases: list[str]) -> bool:
    """Return whether each of some joins is joined to the one before it: then a row of the last comes once."""
    return any(set(aliases) <= _above(query, alias) for alias in aliases)


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, Subquery | models.sql.Query):
        return  # a query of its own has joins and aggregates of its own
    if isinstance(node, WhereNode):
        yield from node.children
        return
    if hasattr(node, "get_source_expressions"):
        yield from (child for child in node.get_source_expressions() if child is not None)


def _parts(node: Any) -> Iterator[Any]:
    yield node
    for child in _children(node):
        yield from _parts(child)


def _columns(node: Any, *, inside_aggregates: bool) -> Iterator[Col]:
    """Yield the columns of an expression; those of aggregates only where asked for, or where a window is over them.

    Of a subquery they are those that an OuterRef in it names.
    """
    if isinstance(node, Col):
        yield node
    elif isinstance(node, Subquery | models.sql.Query):
        yield from node.get_external_cols()
    elif isinstance(node, Window):
        for child in _children(node):
            yield from _columns(child, inside_aggregates=True)
    elif inside_aggregates or not isinstance(node, Aggregate):
        for child in _children(node):
            yield from _columns(child, inside_aggregates=inside_aggregates)


def _aggregates(node: Any) -> Iterator[Aggregate]:
    if isinstance(node, Aggregate):
        yield node
    elif not isinstance(node, Window):
        for child in _children(node):
            yield from _aggregates(child)
