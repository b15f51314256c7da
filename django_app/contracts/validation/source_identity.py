"""Columns of a source that would change what a row is known by elsewhere: a load must not rename rows that are there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django_app.contracts.validation.source_columns import field_of, target_field
from hotclub import declarations
from hotclub.declarations import MLModel, Source
from hotclub.errors import ContractError


def check_row_identity(cls: type[Source], path: str) -> None:
    """Check that a column does not change the identity of a row that the natural key has found.

    A load updates every column outside the natural key. Where such a column is the primary key, or is what foreign keys
    or a model's `entity` hold, the row would get another name: scores and other tables' rows would be of a row that is
    gone. Other unique fields may change, such as a customer's email.

    Args:
        cls: the declaration, whose columns and natural key name fields.
        path: what the column loads into.

    Raises:
        ContractError: it does; with what identifies rows by it, and the fix.
    """
    model = cls.model
    field = target_field(model, path)
    if field in [field_of(model, name) for name in cls.natural_key]:
        return
    holder = next(_holders(model, field), None)
    if holder is None:
        return
    keys = [each.name for each in model._meta.pk_fields] if field in model._meta.pk_fields else [field.name]
    key = ", ".join(repr(name) for name in keys) + ("," if len(keys) == 1 else "")
    raise ContractError(
        f"{field.name} is {holder}, and natural_key is without it: a file with another value would rename a row that is "
        f"there, and what is stored of the row would be lost; write natural_key = ({key}), or leave the column out"
    )


def _holders(model: Any, field: Any) -> Iterator[str]:
    """Yield what identifies the rows of a model by a field."""
    label = model._meta.label
    if field in model._meta.pk_fields:
        whole = len(model._meta.pk_fields) == 1
        yield f"the primary key of {label}" if whole else f"a part of the primary key of {label}"
    for relation in model._meta.get_fields(include_hidden=True):
        is_reverse = relation.auto_created and not relation.concrete
        if is_reverse and field in getattr(relation.field, "foreign_related_fields", ()):
            yield f"what {relation.field.model._meta.label}.{relation.field.name} refers to {label} by"
    for declared in declarations.models.values():
        if field in _entity_fields(declared):
            yield f"in the entity of the model {declared.name}"


def _entity_fields(cls: type[MLModel]) -> list[Any]:
    """Return the fields on the path to a model's entity; a wrong declaration, which is reported elsewhere, has none."""
    fields: list[Any] = []
    with suppress(Exception):
        declared: Any = cls
        model = declared.rows.model
        for step in declared.entity.split("__"):
            field = model._meta.pk if step == "pk" else model._meta.get_field(step)
            fields.append(field)
            model = field.related_model
    return fields
