"""The SQL of a feature view, of columns that have no problem."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import DEFAULT_DB_ALIAS, connections, models

from django_app.contracts.compilation.sql_parameters import typed, untyped
from django_app.contracts.compilation.view_columns import PREFIX, ViewColumns
from django_app.contracts.validation import expressions, field_types
from django_app.contracts.validation.declaration_problems import label_of
from django_app.contracts.validation.entity_keys import key_type
from django_app.contracts.validation.feature_checks import SECONDS
from hotclub import declarations, names
from hotclub.columns import postgres_type
from hotclub.contract import FeatureSpec, ViewSpec
from hotclub.declarations import MLModel
from hotclub.errors import ContractError


def view_spec(columns: ViewColumns, features: tuple[FeatureSpec, ...], *, typed_values: bool) -> ViewSpec:
    """Return the view of a model whose columns have no problem.

    Args:
        columns: as `view_columns` gives them.
        features: in the order of the view's columns.
        typed_values: whether values in the SQL name their types; older files have them without.

    Raises:
        ContractError: a value cannot be kept in a contract, or the rows are empty whatever the table holds.
    """
    where = label_of(columns.cls)
    query = columns.query()
    try:
        sql, params = query.get_compiler(connection=connections[DEFAULT_DB_ALIAS]).as_sql()
    except (EmptyResultSet, FullResultSet) as error:
        raise ContractError(
            f"{where}.rows: the filter holds for no row, whatever the table has; write one that some rows pass"
        ) from error
    inner_sql, values = typed(sql, params, where)
    old = None if typed_values else untyped(params)
    if old is not None:
        inner_sql, values = sql, old
    label_sql, label_values_ = _label_column(columns, where)
    listed = ", ".join(_outer_columns(columns, query, features, label_sql))
    return ViewSpec(
        sql=f"SELECT {listed} FROM ({inner_sql}) r",
        # The label's column stands before the rows that it is read from.
        params=(*label_values_, *values),
        reads=tuple(sorted(set(_tables(query)))),
    )


def _tables(query: models.sql.Query) -> Iterator[str]:
    """Yield the tables that a query reads, those of its subqueries too."""
    for alias, join in query.alias_map.items():
        if query.alias_refcount[alias]:
            yield join.table_name
    for node in expressions.walk(query):
        if isinstance(node, models.sql.Query) and node is not query:
            yield from _tables(node)


def _label_column(columns: ViewColumns, where: str) -> tuple[str, tuple[Any, ...]]:
    """Return the label as a number: itself, or the number of its class; -1 where it is none of them."""
    column = f"r.{PREFIX}{names.COLUMN_LABEL}"
    values = columns.classes.values
    if values is not None:
        cases = " ".join(f"WHEN {column} = %s THEN {number}" for number in range(len(values)))
        sql, params = typed(
            f"(CASE WHEN {column} IS NULL THEN NULL {cases} ELSE -1 END)", values, f"{where}.classes"
        )
        return sql, params
    # PostgreSQL makes no float of a boolean.
    return (f"{column}::int" if columns.label_type == "boolean" else column), ()


def _outer_columns(
    columns: ViewColumns, query: models.sql.Query, features: tuple[FeatureSpec, ...], label: str
) -> Iterator[str]:
    """Name, cast and order the columns: keys keep their type, so that an index on them still serves."""
    cls = columns.cls
    entity_type = key_type(query.annotations[PREFIX + names.COLUMN_ENTITY].output_field, label_of(cls))
    tenant = f"r.{PREFIX}{names.COLUMN_TENANT}" if cls.tenant is not None else "NULL"
    event_time = "NULL"
    if cls.event_time is not None:
        event_time = _moment(cls, query, names.COLUMN_EVENT_TIME)
    yield f"r.{PREFIX}{names.COLUMN_ENTITY}::{entity_type} AS {names.COLUMN_ENTITY}"
    yield f"{tenant}::text AS {names.COLUMN_TENANT}"
    yield f"{event_time}::timestamptz AS {names.COLUMN_EVENT_TIME}"
    yield f"{label}::float8 AS {names.COLUMN_LABEL}"
    if cls.split_by is not None:
        yield f"r.{PREFIX}{names.COLUMN_SPLIT}::text AS {names.COLUMN_SPLIT}"
    for spec in features:
        column = f"r.{PREFIX}{spec.name}"
        declared = cls.features[spec.name]
        if isinstance(declared, declarations.Age):
            then = _moment(cls, query, spec.name)
            column = f"(EXTRACT(EPOCH FROM ({event_time} - {then})) / {SECONDS[declared.unit]}.0)"
        yield f'{column}::{postgres_type(spec)} AS "{spec.name}"'


def _moment(cls: type[MLModel], query: models.sql.Query, name: str) -> str:
    """Return the SQL of a column as a moment: a date begins at midnight in the model's own zone."""
    column = f"r.{PREFIX}{name}"
    if field_types.type_of(query.annotations[PREFIX + name]) == "date":
        return f"({column}::timestamp AT TIME ZONE '{cls.timezone}')"
    return column
