"""The columns of a model's feature view, and what is wrong with the expressions that they would be made of."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models import BooleanField, Case, ExpressionWrapper, F, FloatField, Q, When
from django.db.models.expressions import ResolvedOuterRef
from django.db.models.fields.json import KeyTransform

from django_app.contracts.compilation import label_values
from django_app.contracts.compilation.label_values import LabelClasses
from django_app.contracts.compilation.sql_parameters import typed
from django_app.contracts.validation import (
    expressions,
    feature_checks,
    field_types,
    joins,
    nullability,
    row_checks,
    subqueries,
)
from django_app.contracts.validation.declaration_problems import Problems, label_of
from django_app.contracts.validation.model_checks import TASKS, usable_features
from django_app.contracts.validation.shown_values import shown
from hotclub import declarations, names
from hotclub.declarations import Category, MLModel
from hotclub.errors import ContractError

#: An annotation may not be named like a field of the model, so inside the view all have this prefix.
PREFIX: Final = "hc_"
#: What a path to rows' time and what a row is split by may be.
_TIMES: Final = ("date", "datetime")
_GROUPS: Final = ("text", "integer", "float", "decimal", "uuid")


@dataclass
class ViewColumns:
    """What a feature view is made of, as far as the declaration can be read.

    Attributes:
        cls: the declaration.
        rows: its queryset, None where it has none.
        expressions: of each column by name.
        attributes: which attribute of the declaration each column is, for messages.
        classes: of the label.
        choices: of each category whose field has some.
    """

    cls: type[MLModel]
    rows: models.QuerySet[Any] | None = None
    expressions: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    classes: LabelClasses = field(default_factory=lambda: LabelClasses((), None))
    label_type: str = ""
    choices: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    def resolved(self, expression: Any, attribute: str) -> Any:
        """Return an expression as Django resolves it for the rows; it can be compiled, and a contract can keep its values.

        Raises:
            Exception: whatever Django says of an expression that does not fit.
        """
        assert self.rows is not None  # noqa: S101  # the caller looked
        name = f"{PREFIX}it"
        query = self.rows.annotate(**{name: expression}).values(name).query
        node = query.annotations[name]
        if isinstance(node, ResolvedOuterRef):
            raise ContractError("an OuterRef is for the inside of a Subquery; write F(…), or wrap it")
        field_types.type_of(node)
        _check_sql(query, f"{label_of(self.cls)}.{attribute}")
        return node

    def put(self, name: str, attribute: str, expression: Any) -> None:
        """Add a column."""
        self.expressions[name], self.attributes[name] = expression, attribute

    def query(self) -> models.sql.Query:
        """Return the query of all columns."""
        assert self.rows is not None  # noqa: S101  # the caller looked
        named = {PREFIX + name: expression for name, expression in self.expressions.items()}
        query: models.sql.Query = self.rows.annotate(**named).values(*named).query
        return query


def view_columns(cls: type[MLModel], problems: Problems) -> ViewColumns:
    """Return what the view of a model is made of, and note what is wrong with any of it."""
    columns = ViewColumns(cls)
    if not hasattr(cls, "rows"):
        return columns
    with problems.of("rows"):
        rows = row_checks.usable_rows(cls.rows)
        _check_sql(rows.values("pk").query, f"{label_of(cls)}.rows")
        columns.rows = rows
    if columns.rows is None:
        return columns
    with problems.of("entity"):
        row_checks.check_entity(columns.rows, cls.entity, label_of(cls))
        columns.put(names.COLUMN_ENTITY, "entity", F(cls.entity))
    _add_time(columns, problems)
    with problems.of("tenant"):
        if tenant := _path(cls.tenant):
            row_checks.check_tenant(columns.rows.model, tenant)
            columns.put(names.COLUMN_TENANT, "tenant", F(tenant))
    with problems.of("split_by"):
        if split_by := _path(cls.split_by):
            _add_split(columns, split_by)
    if hasattr(cls, "label"):
        _add_label(columns, problems)
    for name, feature in usable_features(cls).items():
        with problems.of(f"features[{name!r}]"):
            if feature_checks.is_name(name) and feature_checks.is_expression(feature.expression):
                _add_feature(columns, name, feature)
    _check_together(columns, problems)
    return columns


def _check_sql(query: models.sql.Query, where: str) -> None:
    """Compile a query whose values a contract must be able to keep."""
    joins.refuse_content_types(query)
    # About rows that can never be there is one message, when the view is made.
    with suppress(EmptyResultSet, FullResultSet):
        sql, params = query.get_compiler(connection=connections[DEFAULT_DB_ALIAS]).as_sql()
        typed(sql, params, where)


def _path(value: Any) -> str:
    """Return a declared field path, the empty text where there is none or something else, which is reported elsewhere."""
    return value if isinstance(value, str) else ""


def _add_time(columns: ViewColumns, problems: Problems) -> None:
    path = _path(getattr(columns.cls, "event_time", None))
    if not path:
        return
    with problems.of("event_time"):
        kind = field_types.type_of(columns.resolved(F(path), "event_time"))
        if kind not in _TIMES:
            raise ContractError(
                f"{path!r} is of type {kind}, and must be a date or a moment (DateField, DateTimeField)"
            )
        columns.put(names.COLUMN_EVENT_TIME, "event_time", F(path))


def _add_split(columns: ViewColumns, path: str) -> None:
    kind = field_types.type_of(columns.resolved(F(path), "split_by"))
    if kind not in _GROUPS:
        raise ContractError(
            f"{path!r} is of type {kind}; name a text, number, UUID or foreign key that groups rows, such as the customer"
        )
    columns.put(names.COLUMN_SPLIT, "split_by", F(path))


def _add_label(columns: ViewColumns, problems: Problems) -> None:
    cls = columns.cls
    label: Any = F(cls.label) if _path(cls.label) else cls.label
    with problems.of("label"):
        if isinstance(label, type) or not hasattr(label, "resolve_expression") or label == Q():
            raise ContractError(
                f"must be a field path or a Django expression, not {shown(label)}; write 'returned' or Q(…)"
            )
        node = columns.resolved(label, "label")
        if isinstance(node, KeyTransform) and field_types.type_of(node) == "json":
            label = _value_of_label_key(cls, node)
            node = columns.resolved(label, "label")
        columns.label_type = field_types.type_of(node)
        if _path(getattr(cls, "task", None)) in TASKS:
            field_types.refuse_conversion(node)
            label_values.check_type(cls.task, columns.label_type, node)
            with problems.of("classes"):
                columns.classes = label_values.label_classes(cls, columns.label_type, node)
        columns.put(names.COLUMN_LABEL, "label", label)
    if cls.label_known is not None:
        with problems.of("label_known"):
            _check_condition(columns)
            if names.COLUMN_LABEL in columns.expressions:
                # A condition is a value only where it is wrapped.
                value = ExpressionWrapper(label, BooleanField()) if isinstance(label, Q) else label
                known = Case(When(cls.label_known, then=value), default=None, output_field=FloatField())
                columns.put(names.COLUMN_LABEL, "label", known)


def _value_of_label_key(cls: type[MLModel], node: KeyTransform) -> Any:
    """Return the value of a key of a JSONField: a number to be predicted, or a text that is a class."""
    if getattr(cls, "task", None) == "regression":
        return field_types.value_of_key(node, "float")
    if len(cls.classes):
        return field_types.value_of_key(node, "text")
    raise ContractError(
        "a key of a JSONField may hold anything; name its values in classes, or write Cast(KT('data__late'), BooleanField())"
    )


def _check_condition(columns: ViewColumns) -> None:
    known = columns.cls.label_known
    if isinstance(known, type) or not getattr(known, "conditional", False):
        raise ContractError(f"must be a condition, not {shown(known)}; write Q(returned__isnull=False)")
    if isinstance(known, Q) and not known:
        raise ContractError("Q() holds always; leave it out, or write Q(returned__isnull=False)")
    if not _can_hold(columns.rows.filter(known)):  # type: ignore[union-attr]  # there, see view_columns
        raise ContractError(
            "holds for no row, so that no label would ever be known; write one that does, such as Q(returned__isnull=False)"
        )
    node = columns.resolved(known, "label_known")
    expressions.refuse_unstable(node, f"{label_of(columns.cls)}.label_known")
    # In the label's Case it could not be told from the label.
    joins.refuse_many(columns.rows.annotate(**{f"{PREFIX}it": known}).query, node)  # type: ignore[union-attr]  # there, see view_columns


def _can_hold(rows: models.QuerySet[Any]) -> bool:
    """Return whether a filter leaves some rows, as far as Django can tell without looking."""
    try:
        rows.query.get_compiler(connection=connections[DEFAULT_DB_ALIAS]).as_sql()
    except EmptyResultSet:
        return False
    return True


def _add_feature(columns: ViewColumns, name: str, feature: declarations.Feature) -> None:
    expression = F(feature.expression) if isinstance(feature.expression, str) else feature.expression
    attribute = f"features[{name!r}]"
    node = columns.resolved(expression, attribute)
    columns.put(name, attribute, field_types.as_declared(feature, expression, node))
    if isinstance(feature, Category):
        pairs = tuple((str(value), label) for value, label in label_values.choices_of(node))
        if pairs:
            columns.choices[name] = pairs
            feature_checks.check_choices(feature, [value for value, _ in pairs])


def _check_together(columns: ViewColumns, problems: Problems) -> None:
    """Check all columns in one query, as the view has them: joins of one multiply the aggregates of another."""
    where = label_of(columns.cls)
    query = None
    with problems.of("features"):
        query = columns.query()
    if query is None:
        return
    with problems.of("rows"):
        for condition in expressions.conditions_of(query):
            expressions.refuse_unstable(condition, f"{where}.rows")
            subqueries.refuse_doubtful(condition)
            joins.refuse_rows(condition)
        joins.refuse_multiplied(query, query.where)
    attributes = {PREFIX + name: attribute for name, attribute in columns.attributes.items()}
    for name, node in query.annotations.items():
        attribute = attributes.get(name, "rows")
        with problems.of(attribute):
            expressions.refuse_unstable(node, f"{where}.{attribute}")
            subqueries.refuse_doubtful(node)
            joins.refuse_rows(node)
            joins.refuse_many(query, node)
            joins.refuse_multiplied(query, node)
            joins.refuse_losing(query, columns.rows.query, node)  # type: ignore[union-attr]  # there, see view_columns
            _refuse_null(columns, query, name.removeprefix(PREFIX), node)
    if joins.multiplying(query) and not (query.group_by or query.distinct or problems.messages):
        problems.add("rows", f"{joins.names_of(query)} has many rows for one; {joins.FIX}")


def _refuse_null(columns: ViewColumns, query: models.sql.Query, name: str, node: Any) -> None:
    """Refuse a null where the declaration says that there is none."""
    feature = usable_features(columns.cls).get(name)
    is_time = name == names.COLUMN_EVENT_TIME and columns.attributes.get(name) == "event_time"
    if not is_time and (feature is None or feature.nullable is not False):
        return
    reason = nullability.reason(query, node)
    if not reason:
        return
    if is_time:
        raise ContractError(
            f"{columns.cls.event_time!r} may be null ({reason}), and a row without a time belongs to no day; filter rows: "
            f".filter({columns.cls.event_time}__isnull=False)"
        )
    raise ContractError(f"may be null ({reason}): set nullable=True, or filter rows so that it is not")
