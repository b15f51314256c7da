"""What a source's file columns must hold, read off the Django fields that they load into."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from django_app.registry.declared import label_of
from hotclub.contract import ColumnSpec
from hotclub.declarations import Source
from hotclub.errors import ContractError

_TYPES = {
    "CharField": "text",
    "TextField": "text",
    "SlugField": "text",
    "EmailField": "text",
    "URLField": "text",
    "UUIDField": "uuid",
    "SmallIntegerField": "integer",
    "IntegerField": "integer",
    "PositiveIntegerField": "integer",
    "PositiveSmallIntegerField": "integer",
    "AutoField": "integer",
    "BigAutoField": "bigint",
    "BigIntegerField": "bigint",
    "PositiveBigIntegerField": "bigint",
    "FloatField": "float8",
    "DecimalField": "numeric",
    "BooleanField": "boolean",
    "DateField": "date",
    "DateTimeField": "timestamptz",
}
_INTEGER_BOUNDS = {
    "SmallIntegerField": (-32768, 32767),
    "PositiveSmallIntegerField": (0, 32767),
    "IntegerField": (-2147483648, 2147483647),
    "PositiveIntegerField": (0, 2147483647),
}


def compile_columns(cls: type[Source]) -> tuple[ColumnSpec, ...]:
    """Return the columns of a source's files, in the declared order.

    Raises:
        ContractError: a column names no field, or a field that a text cannot be cast to.
    """
    return tuple(_column(cls, name, field) for name, field in cls.columns.items())


def _column(cls: type[Source], name: str, field_name: str) -> ColumnSpec:
    where = f"{label_of(cls)}.columns[{name!r}]"
    try:
        field: Any = cls.model._meta.get_field(field_name)
    except FieldDoesNotExist as error:
        raise ContractError(f"{where}: {error}") from error
    value = field.target_field if isinstance(field, models.ForeignKey) else field
    kind = value.get_internal_type()
    if kind not in _TYPES:
        raise ContractError(f"{where}: a {kind} cannot be loaded from a file")
    minimum, maximum = _bounds(value, kind)
    references = None
    if isinstance(field, models.ForeignKey):
        references = (field.related_model._meta.db_table, value.column)
    return ColumnSpec(
        name=name,
        target=field.column,
        type=_TYPES[kind],
        nullable=field.null or (field.blank and _TYPES[kind] == "text"),
        max_length=value.max_length if _TYPES[kind] == "text" else None,
        minimum=minimum,
        maximum=maximum,
        choices=tuple(str(choice[0]) for choice in field.flatchoices),
        references=references,
        reference_required=isinstance(field, models.ForeignKey) and field.db_constraint,
    )


def _bounds(field: Any, kind: str) -> tuple[float | None, float | None]:
    low, high = _INTEGER_BOUNDS.get(kind, (None, None))
    for validator in field.validators:
        if isinstance(validator, MinValueValidator) and not callable(validator.limit_value):
            low = validator.limit_value
        elif isinstance(validator, MaxValueValidator) and not callable(validator.limit_value):
            high = validator.limit_value
    return (None if low is None else float(low)), (None if high is None else float(high))


def tenant_column(cls: type[Source]) -> str | None:
    """Return the file column whose value decides the tenant, when it is the first step of the path.

    ``tenant = "origin__tenant"`` with a file column for ``origin`` gives that column's name.

    Raises:
        ContractError: the path's first step is not a field of the model.
    """
    if cls.tenant is None:
        return None
    first = cls.tenant.split("__")[0]
    try:
        cls.model._meta.get_field(first)
    except FieldDoesNotExist as error:
        raise ContractError(f"{label_of(cls)}.tenant: {error}") from error
    return next((name for name, field in cls.columns.items() if field == first), None)
