"""Compiles declarations to contracts. Needs Django's models and no database."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models import Case, F, FloatField, When

from django_app.contracts.declaration_checks import check_model
from django_app.contracts.declaration_problems import label_of
from django_app.contracts.entity_keys import key_type
from django_app.contracts.expressions import kind_of, refuse_unstable
from django_app.contracts.sql_parameters import typed, untyped
from hotclub import declarations, names
from hotclub.columns import postgres_type
from hotclub.contract import (
    FeatureSpec,
    ModelContract,
    ModelPolicy,
    ModelSchema,
    ViewSpec,
)
from hotclub.errors import ContractError

#: An annotation may not be named like a field of the model, so inside the view all have this prefix.
_PREFIX = "hc_"
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def compile_model(
    cls: type[declarations.MLModel], *, version: int, policy_revision: int, typed_values: bool = True
) -> ModelContract:
    """Return the contract of a declared model.

    Args:
        cls: the declaration.
        version: the number that the contract gets.
        policy_revision: likewise.
        typed_values: whether values in the view's SQL name their types; older files have them without.

    Raises:
        ContractError: the declaration cannot be a contract; the message names the attribute and the fix.
    """
    check_model(cls)
    entity = _field(cls.rows.model, cls.entity, f"{label_of(cls)}.entity")
    features = tuple(_feature_spec(name, feature) for name, feature in cls.features.items())
    schema = ModelSchema(
        django_model=cls.rows.model._meta.label,
        task=cls.task,
        entity=cls.entity,
        entity_type=key_type(entity, label_of(cls)),
        tenant_path=cls.tenant,
        event_time=cls.event_time,
        horizon_seconds=0 if cls.event_time is None else int(cls.horizon.total_seconds()),
        timezone=cls.timezone,
        classes=tuple(cls.classes),
        features=features,
        view=_compile_view(cls, features, typed_values=typed_values),
        split_by=cls.split_by,
    )
    policy = ModelPolicy(
        metric=cls.metric,
        gates=dict(cls.gates),
        baseline_by=tuple(cls.baseline_by),
        evaluate_days=None if cls.event_time is None else cls.evaluate_days,
        stopping_days=None if cls.event_time is None else cls.stopping_days,
        score_on=_source_name(cls),
        schedule=cls.schedule,
        parameters=dict(cls.parameters),
        doc=inspect.cleandoc(cls.__doc__ or ""),
        leakage_accepted=dict(cls.leakage_accepted),
    )
    return ModelContract(
        cls.name, app_label_of(cls), version, schema=schema, policy=policy, policy_revision=policy_revision
    )


def app_label_of(cls: type) -> str:
    """Return the label of the Django app that a declaration belongs to."""
    config = apps.get_containing_app_config(cls.__module__)
    if config is None:
        raise ContractError(f"{label_of(cls)}: its module is in no app of INSTALLED_APPS")
    return config.label


def _feature_spec(name: str, feature: declarations.Feature) -> FeatureSpec:
    return FeatureSpec(
        name=name,
        type=feature.type,  # type: ignore[arg-type]  # the feature classes name only these
        nullable=feature.nullable,
        unit=getattr(feature, "unit", ""),
        minimum=getattr(feature, "minimum", None),
        maximum=getattr(feature, "maximum", None),
        pattern=getattr(feature, "pattern", None),
        doc=feature.doc,
        group=feature.group,
    )


def _compile_view(
    cls: type[declarations.MLModel], features: Sequence[FeatureSpec], *, typed_values: bool
) -> ViewSpec:
    where = label_of(cls)
    inner: dict[str, Any] = {names.COLUMN_ENTITY: F(cls.entity)}
    paths = {
        names.COLUMN_EVENT_TIME: cls.event_time,
        names.COLUMN_TENANT: cls.tenant,
        names.COLUMN_SPLIT: cls.split_by,
    }
    inner |= {name: F(path) for name, path in paths.items() if path is not None}
    label = F(cls.label) if isinstance(cls.label, str) else cls.label
    if cls.label_known is not None:
        label = Case(When(cls.label_known, then=label), default=None, output_field=FloatField())
    inner[names.COLUMN_LABEL] = label
    for name, feature in cls.features.items():
        expression = feature.expression
        inner[name] = F(expression) if isinstance(expression, str) else expression
    query = _annotated(cls, inner)
    refuse_unstable(query.where, f"{where}.rows")
    for name in inner:
        refuse_unstable(query.annotations[_PREFIX + name], f"{where}: {name}")
    compiler = query.get_compiler(connection=connections[DEFAULT_DB_ALIAS])
    sql, params = compiler.as_sql()
    reads = sorted(
        {alias.table_name for name, alias in query.alias_map.items() if query.alias_refcount[name]}
    )
    inner_sql, values = typed(sql, params, where)
    old = None if typed_values else untyped(params)
    if old is not None:
        inner_sql, values = sql, old
    return ViewSpec(
        sql=f"SELECT {', '.join(_outer_columns(cls, query, features))} FROM ({inner_sql}) r",
        params=values,
        reads=tuple(reads),
    )


def _annotated(cls: type[declarations.MLModel], inner: dict[str, Any]) -> models.sql.Query:
    rows = cls.rows.all().order_by()
    for name, expression in inner.items():
        try:
            rows = rows.annotate(**{_PREFIX + name: expression})
        except (FieldError, FieldDoesNotExist, ValueError, TypeError) as error:
            raise ContractError(f"{label_of(cls)}: {name}: {error}") from error
    query: models.sql.Query = rows.values(*(_PREFIX + name for name in inner)).query
    return query


def _outer_columns(
    cls: type[declarations.MLModel], query: models.sql.Query, features: Sequence[FeatureSpec]
) -> list[str]:
    """Name, cast and order the columns: keys keep their type, so that an index on them still serves."""
    entity_type = key_type(query.annotations[_PREFIX + names.COLUMN_ENTITY].output_field, label_of(cls))
    tenant = f"r.{_PREFIX}{names.COLUMN_TENANT}" if cls.tenant is not None else "NULL"
    event_time = "NULL"
    if cls.event_time is not None:
        event_time = _moment(cls, query, names.COLUMN_EVENT_TIME, f"{label_of(cls)}.event_time")
    _refuse_temporal(query, names.COLUMN_LABEL, f"{label_of(cls)}.label")
    columns = [
        f"r.{_PREFIX}{names.COLUMN_ENTITY}::{entity_type} AS {names.COLUMN_ENTITY}",
        f"{tenant}::text AS {names.COLUMN_TENANT}",
        f"{event_time}::timestamptz AS {names.COLUMN_EVENT_TIME}",
        f"r.{_PREFIX}{names.COLUMN_LABEL}::float8 AS {names.COLUMN_LABEL}",
    ]
    if cls.split_by is not None:
        columns.append(f"r.{_PREFIX}{names.COLUMN_SPLIT}::text AS {names.COLUMN_SPLIT}")
    for spec in features:
        column = f"r.{_PREFIX}{spec.name}"
        declared = cls.features[spec.name]
        place = f"{label_of(cls)}.features[{spec.name!r}]"
        if isinstance(declared, declarations.Age):
            then = _moment(cls, query, spec.name, place)
            column = f"(EXTRACT(EPOCH FROM ({event_time} - {then})) / {_SECONDS[declared.unit]}.0)"
        else:
            _refuse_temporal(query, spec.name, place)
        columns.append(f'{column}::{postgres_type(spec)} AS "{spec.name}"')
    return columns


def _moment(cls: type[declarations.MLModel], query: models.sql.Query, name: str, where: str) -> str:
    """Return the SQL of a column as a moment: a date begins at midnight in the model's own zone."""
    column = f"r.{_PREFIX}{name}"
    kind = kind_of(query.annotations[_PREFIX + name])
    if kind == "datetime":
        return column
    if kind == "date":
        return f"({column}::timestamp AT TIME ZONE '{cls.timezone}')"
    raise ContractError(f"{where}: must be a date or a moment (DateField, DateTimeField)")


def _refuse_temporal(query: models.sql.Query, name: str, where: str) -> None:
    """Refuse a moment where a number or a text is wanted: printed, it would depend on the session's time zone."""
    kind = kind_of(query.annotations[_PREFIX + name])
    if kind == "duration":
        raise ContractError(f'{where}: a duration is no value for a model; write Extract(..., "epoch")')
    if kind:
        raise ContractError(
            f'{where}: a {kind} is no value for a model; use Age, or a part of it: Extract…(..., tzinfo=ZoneInfo("…"))'
        )


def _field(model: type[models.Model], name: str, where: str) -> models.Field[Any, Any]:
    try:
        return model._meta.pk if name == "pk" else model._meta.get_field(name)  # type: ignore[return-value]
    except FieldDoesNotExist as error:
        raise ContractError(f"{where}: {error}") from error


def _source_name(cls: type[declarations.MLModel]) -> str | None:
    source = cls.score_on
    if source is None:
        return None
    name = source if isinstance(source, str) else source.name
    if name not in declarations.sources:
        known = ", ".join(declarations.sources) or "none"
        raise ContractError(f"{label_of(cls)}.score_on: no source is named {name!r}; there are: {known}")
    return name
