"""Compiles declarations to contracts. Needs Django's models and no database."""

from __future__ import annotations

import inspect
from typing import Any

from django.apps import apps

from django_app.contracts.compilation.view_columns import ViewColumns, view_columns
from django_app.contracts.compilation.view_sql import view_spec
from django_app.contracts.validation import row_checks
from django_app.contracts.validation.attribute_checks import check_readable
from django_app.contracts.validation.declaration_problems import Problems, label_of
from django_app.contracts.validation.entity_keys import key_type
from django_app.contracts.validation.model_checks import check_model
from django_app.contracts.validation.shown_values import shown
from hotclub import declarations
from hotclub.contract import (
    FeatureSpec,
    ModelContract,
    ModelPolicy,
    ModelSchema,
    ViewSpec,
)
from hotclub.errors import ContractError


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
    problems = Problems(cls)
    check_readable(cls, declarations.MLModel, problems)
    with problems.of("name"):
        app_label_of(cls)
    with problems.of("name"):
        check_model(cls)
    columns = view_columns(cls, problems)
    with problems.of("score_on"):
        score_on = _source_name(cls)
    problems.raise_any()
    features = tuple(_feature_spec(name, feature) for name, feature in cls.features.items())
    view = ViewSpec("")
    with problems.of("rows"):
        view = view_spec(columns, features, typed_values=typed_values)
    problems.raise_any()
    schema, policy = _schema(columns, features, view), _policy(columns, score_on)
    return ModelContract(
        cls.name, app_label_of(cls), version, schema=schema, policy=policy, policy_revision=policy_revision
    )


def _schema(columns: ViewColumns, features: tuple[FeatureSpec, ...], view: ViewSpec) -> ModelSchema:
    cls, rows = columns.cls, columns.rows
    assert rows is not None  # noqa: S101  # else there was a problem
    return ModelSchema(
        django_model=rows.model._meta.label,
        task=cls.task,
        entity=cls.entity,
        entity_type=key_type(row_checks.check_entity(rows, cls.entity, label_of(cls)), label_of(cls)),
        tenant_path=cls.tenant,
        event_time=cls.event_time,
        horizon_seconds=0 if cls.event_time is None else int(cls.horizon.total_seconds()),
        timezone=cls.timezone,
        classes=columns.classes.names,
        features=features,
        view=view,
        split_by=cls.split_by,
    )


def _policy(columns: ViewColumns, score_on: str | None) -> ModelPolicy:
    cls = columns.cls
    return ModelPolicy(
        metric=cls.metric,
        gates=dict(cls.gates),
        baseline_by=tuple(cls.baseline_by),
        evaluate_days=None if cls.event_time is None else cls.evaluate_days,
        stopping_days=None if cls.event_time is None else cls.stopping_days,
        score_on=score_on,
        schedule=cls.schedule,
        parameters=dict(cls.parameters),
        doc=inspect.cleandoc(cls.__doc__ or ""),
        leakage_accepted=dict(cls.leakage_accepted),
        choices=columns.choices,
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


def _source_name(cls: type[declarations.MLModel]) -> str | None:
    """Return the name of the source whose loads are scored, None where none is.

    Raises:
        ContractError: there is none of that name, or its deliveries would not be scored in full.
    """
    declared: Any = cls.score_on
    if declared is None:
        return None
    if isinstance(declared, type) and issubclass(declared, declarations.Source):
        if declared in [each.cls for each in declarations.unregistered]:
            return None  # reported with the source
        declared = getattr(declared, "name", declared)
    if not isinstance(declared, str) or declared not in declarations.sources:
        known = ", ".join(declarations.sources) or "none"
        raise ContractError(f"no source is named {shown(declared)}; there are: {known}")
    source = declarations.sources[declared]
    if getattr(cls, "event_time", None) is not None:
        if source.timezone != cls.timezone:
            raise ContractError(
                f"a day of {declared} begins at midnight in {shown(source.timezone)}, and one of this model in "
                f"{shown(cls.timezone)}: rows near midnight would not be scored; set both to one timezone"
            )
        return declared
    delivered: Any = getattr(source, "model", None)
    rows: Any = getattr(getattr(cls, "rows", None), "model", None)
    if rows is None or not hasattr(delivered, "_meta"):
        return declared  # reported where they are declared
    if delivered._meta.concrete_model is not rows._meta.concrete_model:
        raise ContractError(
            f"{declared} delivers rows of {delivered._meta.label}, and these rows are of {rows._meta.label}: without an "
            "event_time what is scored are the delivered rows themselves; name a source of that model, or None"
        )
    return declared
