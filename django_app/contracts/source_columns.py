"""What a source's file columns must hold, read off the Django fields that they load into."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from django_app.contracts.declaration_problems import label_of
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
_NUMBERS = frozenset({"integer", "bigint", "float8", "numeric"})
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
    if field.model._meta.db_table != cls.model._meta.db_table:
        raise ContractError(
            f"{where}: {field_name} is a column of {field.model._meta.label}, which {cls.model._meta.label} inherits from;"
            f" a file loads into one table: declare a source with model = {field.model.__name__}"
        )
    if field.generated:
        raise ContractError(f"{where}: {field_name} is computed by the database; leave the column out")
    is_reference = isinstance(field, models.ForeignKey)
    value = field.target_field if is_reference else field
    kind = value.get_internal_type()
    if kind not in _TYPES:
        raise ContractError(f"{where}: a {kind} cannot be loaded from a file")
    # Dates and texts have bounds too, and no number to hold them to.
    minimum, maximum = _bounds(value, kind) if _TYPES[kind] in _NUMBERS else (None, None)
    return ColumnSpec(
        name=name,
        target=field.column,
        type=_TYPES[kind],
        nullable=field.null or (field.blank and _TYPES[kind] == "text"),
        max_length=value.max_length if _TYPES[kind] == "text" else None,
        minimum=minimum,
        maximum=maximum,
        choices=tuple(str(choice[0]) for choice in field.flatchoices),
        references=(field.related_model._meta.db_table, value.column) if is_reference else None,
        reference_required=is_reference and field.db_constraint,
    )


def _bounds(field: Any, kind: str) -> tuple[float | None, float | None]:
    low, high = _INTEGER_BOUNDS.get(kind, (None, None))
    for validator in field.validators:
        if isinstance(validator, MinValueValidator) and not callable(validator.limit_value):
            low = validator.limit_value
        elif isinstance(validator, MaxValueValidator) and not callable(validator.limit_value):
            high = validator.limit_value
    return (None if low is None else float(low)), (None if high is None else float(high))


def check_natural_key(cls: type[Source]) -> None:
    """Check that the table itself tells rows apart by the natural key, for every row and also where a part is null.

    Loading matches rows by the key (``INSERT … ON CONFLICT``): without such a constraint PostgreSQL refuses every file,
    and where nulls count as different, a row with one would be inserted again with each delivery. What Django does
    not manage is not looked at.

    Raises:
        ContractError: it does not; the message names the constraint to write.
    """
    meta = cls.model._meta
    where = f"{label_of(cls)}.natural_key"
    key = {meta.get_field(name).name for name in cls.natural_key}
    listed = ", ".join(repr(name) for name in cls.natural_key)
    if not meta.managed:
        return
    nullable = sorted(name for name in key if meta.get_field(name).null)
    found = [_unsuitable(constraint, nullable) for constraint in _unique_over(meta, key)]
    if None in found:
        return
    wanted = f"UniqueConstraint(fields=({listed}{',' if len(key) == 1 else ''})"
    wanted += ", nulls_distinct=False)" if nullable else ")"
    because = "; ".join(reason for reason in found if reason) or "it has none"
    raise ContractError(
        f"{where}: {meta.label} needs a unique constraint over exactly these fields that holds for every row ({because}); "
        f"add {wanted} to its Meta.constraints"
    )


def _unique_over(meta: Any, key: set[str]) -> list[models.UniqueConstraint]:
    """Return what makes exactly these fields unique, each in the form of a constraint."""
    declared = [
        c for c in meta.constraints if isinstance(c, models.UniqueConstraint) and set(c.fields) == key
    ]
    if any(set(together) == key for together in meta.unique_together):
        declared.append(models.UniqueConstraint(fields=tuple(key), name="unique_together"))
    if len(key) == 1 and meta.get_field(next(iter(key))).unique:
        declared.append(models.UniqueConstraint(fields=tuple(key), name="unique"))
    pk = [field.name for field in meta.pk_fields]
    if len(pk) > 1 and set(pk) == key:
        declared.append(models.UniqueConstraint(fields=tuple(key), name="primary_key"))
    return declared


def _unsuitable(constraint: models.UniqueConstraint, nullable: list[str]) -> str | None:
    """Return why a constraint does not tell every two rows apart; None when it does."""
    if constraint.condition is not None:
        return f"{constraint.name} has a condition"
    if constraint.deferrable is not None:
        return f"{constraint.name} is deferrable"
    if nullable and constraint.nulls_distinct is not False:
        return f"{', '.join(nullable)} may be null, and {constraint.name} takes two nulls as different"
    return None


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
