"""Compiles the declaration of a source to its contract. Needs Django's models and no database."""

from __future__ import annotations

import inspect

from django_app.contracts.compilation.model_compiler import app_label_of
from django_app.contracts.validation.source_checks import check_source, jsonable
from django_app.contracts.validation.source_columns import compile_columns, field_of, tenant_column
from hotclub.contract import CheckSpec, SourceContract, SourcePolicy, SourceSchema
from hotclub.declarations import Source


def compile_source(cls: type[Source], *, version: int, policy_revision: int) -> SourceContract:
    """Return the contract of a declared source.

    Raises:
        DeclarationError: the declaration cannot be a contract; with every problem: attribute, what was found, the fix.
    """
    check_source(cls)
    columns = compile_columns(cls)
    schema = SourceSchema(
        django_model=cls.model._meta.label,
        table=cls.model._meta.db_table,
        natural_key=tuple(field_of(cls.model, name).column for name in cls.natural_key),
        tenant_path=cls.tenant,
        tenant_column=tenant_column(cls),
        timezone=cls.timezone,
        columns=columns,
    )
    policy = SourcePolicy(
        checks=tuple(CheckSpec(c.expectation, c.severity, jsonable(c.arguments)) for c in cls.checks),
        doc=inspect.cleandoc(cls.__doc__ or ""),
        ambiguous_times=cls.ambiguous_times,
    )
    return SourceContract(
        cls.name, app_label_of(cls), version, schema=schema, policy=policy, policy_revision=policy_revision
    )
