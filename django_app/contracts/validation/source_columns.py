"""What a source's file columns must hold, read off the Django fields that they load into."""

from __future__ import annotations

import math
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from django_app.contracts.validation.declaration_problems import label_of
from django_app.tenants.models import Tenant
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
    "SmallAutoField": "integer",
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
_OTHER_TYPES = "files hold texts, whole numbers, numbers, true or false, dates, times with a date, UUIDs, and keys of these kinds"
_NUMBERS = frozenset({"integer", "bigint", "float8", "numeric"})
_INTEGER_BOUNDS = {
    "SmallIntegerField": (-32768, 32767),
    "PositiveSmallIntegerField": (0, 32767),
    "SmallAutoField": (-32768, 32767),
    "IntegerField": (-2147483648, 2147483647),
    "PositiveIntegerField": (0, 2147483647),
}


def compile_columns(cls: type[Source]) -> tuple[ColumnSpec, ...]:
    """Return the columns of a source's files, in the declared order.

    Raises:
        ContractError: a column names no field, or a field that a text cannot be cast to.
    """
    return tuple(compile_column(cls, name, path) for name, path in cls.columns.items())


def compile_column(cls: type[Source], name: str, path: str) -> ColumnSpec:
    """Return one column of a source's files.

    Args:
        cls: the declaration.
        name: of the file's column.
        path: a field of the model, or a foreign key and, after ``__``, the parent's field that the file names it by.

    Raises:
        ContractError: there is no such field, or a text cannot be cast to it.
    """
    try:
        return _column(cls.model, name, path)
    except ContractError as error:
        raise ContractError(f"{label_of(cls)}.columns[{name!r}]: {error}") from error


def field_of(model: type[models.Model], name: str) -> Any:
    """Return a field of a model by its name.

    Raises:
        ContractError: there is none; with the nearest name.
    """
    meta: Any = model._meta
    try:
        return meta.get_field(name)
    except FieldDoesNotExist as error:
        if name == "pk":
            hint = f"write {meta.pk.name!r}"
        else:
            known = [field.name for field in meta.concrete_fields]
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
        raise ContractError(f"{meta.label} has no field {name!r}; {hint}") from error


def target_field(model: type[models.Model], path: str) -> Any:
    """Return the field of a model that a column's path writes to: of ``station__code`` the foreign key ``station``.

    Raises:
        ContractError: it is no field that a value can be written to.
    """
    field = field_of(model, path.split("__", maxsplit=1)[0])
    label, meta = f"{model._meta.label}.{field.name}", model._meta
    if field.many_to_many:
        raise ContractError(
            f"{label} is many-to-many and has no column; its pairs are rows of a table of their own: "
            "deliver them by a source into that model"
        )
    if field.auto_created and not field.concrete:
        raise ContractError(
            f"{label} is the reverse side of a foreign key of {field.related_model._meta.label} and has no column; "
            f"declare a source with model = {field.related_model.__name__}"
        )
    if getattr(field, "column", None) is None:
        raise ContractError(
            f"{label} ({type(field).__name__}) has no column; name the fields that it is made of"
        )
    if field.model._meta.db_table != meta.db_table:
        raise ContractError(
            f"{field.name} is a column of {field.model._meta.label}, which {meta.label} inherits from;"
            f" a file loads into one table: declare a source with model = {field.model.__name__}"
        )
    if field.generated:
        raise ContractError(f"{field.name} is computed by the database; leave the column out")
    return field


def _column(model: type[models.Model], name: str, path: str) -> ColumnSpec:
    field = target_field(model, path)
    reference = _reference(field, path.split("__")[1:])
    value = field if reference is None else reference.value
    kind = value.get_internal_type()
    if kind not in _TYPES:
        raise ContractError(f"{kind} cannot be loaded from a file; {_OTHER_TYPES}")
    _refuse_own_conversion(value)
    # Dates and texts have bounds too, and no number to hold them to.
    minimum, maximum = _bounds(value, kind) if _TYPES[kind] in _NUMBERS else (None, None)
    return ColumnSpec(
        name=name,
        target=field.column,
        type=_TYPES[kind],
        nullable=field.null or (field.blank and reference is None and _TYPES[kind] == "text"),
        max_length=value.max_length if _TYPES[kind] == "text" else None,
        minimum=minimum,
        maximum=maximum,
        choices=tuple(str(choice[0]) for choice in field.flatchoices if choice[0] is not None),
        references=None if reference is None else (reference.table, reference.column),
        reference_required=reference is not None and reference.required,
        reference_key=None if reference is None else reference.key,
    )


@dataclass(frozen=True, slots=True)
class _Reference:
    """How a file names a row of another table.

    Attributes:
        value: the field whose values the file holds.
        table: the other table.
        column: the one with these values.
        key: the column whose value is loaded, None where it is the same.
        required: whether an unknown row refuses the file.
    """

    value: Any
    table: str
    column: str
    key: str | None
    required: bool


def _reference(field: Any, steps: list[str]) -> _Reference | None:
    """Return what a path refers to; None where the field is no foreign key."""
    if not isinstance(field, models.ForeignKey):
        if steps:
            raise ContractError(
                f"{field.model._meta.label}.{field.name} is no foreign key, so nothing comes after its name; "
                f"write {field.name!r}"
            )
        return None
    parent: Any = field.related_model
    foreign: Any = field  # its stubs lack an attribute
    key: Any = field.target_field
    if len(steps) > 1:
        raise ContractError(
            f"{'__'.join((field.name, *steps))!r} goes more than one step; name a field of {parent._meta.label} that is "
            f"unique by itself, such as '{field.name}__{_unique_names(parent)[0]}'"
        )
    by = _natural_field(parent, steps[0]) if steps else key
    value = by
    while isinstance(value, models.ForeignKey):  # the key of a model that inherits from another
        value = value.target_field
    return _Reference(
        value,
        parent._meta.db_table,
        by.column,
        None if by == key else key.column,
        # By another field there is no key to load where the row is not there.
        required=foreign.db_constraint or (by != key and not foreign.null),
    )


def _natural_field(parent: type[models.Model], name: str) -> Any:
    """Return the field of a parent that its rows are told apart by.

    Raises:
        ContractError: two rows may have the same value, or it is no value of the parent's own table.
    """
    field = target_field(parent, name)
    meta = parent._meta
    if isinstance(field, models.ForeignKey) and not field.primary_key:
        raise ContractError(f"{meta.label}.{name} is a foreign key itself; name a field with a value")
    if not field.unique and None not in [_unsuitable(c, []) for c in _unique_over(meta, {field.name})]:
        raise ContractError(
            f"{meta.label}.{name} is not unique by itself, so a value may name two rows; "
            f"unique are: {', '.join(_unique_names(parent))}; or add unique=True to it"
        )
    return field


def _unique_names(model: type[models.Model]) -> list[str]:
    """Return the fields of a model that are unique by themselves, the key last."""
    unique = [field for field in model._meta.concrete_fields if field.unique]
    return [field.name for field in sorted(unique, key=lambda field: field.primary_key)]


def _refuse_own_conversion(field: Any) -> None:
    """Refuse a field of a class that changes values on their way into the database: a load by SQL would not."""
    for method in ("get_prep_value", "get_db_prep_value", "get_db_prep_save", "pre_save"):
        owner = next(base for base in type(field).__mro__ if method in vars(base))
        if not owner.__module__.startswith("django."):
            raise ContractError(
                f"{field.model._meta.label}.{field.name} is a {type(field).__name__}, whose {method} changes values on their "
                "way into the database, and a file is loaded by SQL without it; load into a field of Django's own class"
            )


def _bounds(field: Any, kind: str) -> tuple[float | None, float | None]:
    low, high = _INTEGER_BOUNDS.get(kind, (None, None))
    for validator in field.validators:
        if isinstance(validator, MinValueValidator) and not callable(validator.limit_value):
            low = validator.limit_value
        elif isinstance(validator, MaxValueValidator) and not callable(validator.limit_value):
            high = validator.limit_value
    return _finite(low), _finite(high)


def _finite(limit: Any) -> float | None:
    """Return a bound as a number; an infinite one is none."""
    return None if limit is None or not math.isfinite(limit) else float(limit)


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
    key = {field_of(cls.model, name).name for name in cls.natural_key}
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
    first = field_of(cls.model, cls.tenant.split("__")[0])
    return next((name for name, path in cls.columns.items() if target_field(cls.model, path) == first), None)


def check_tenant(cls: type[Source]) -> None:
    """Check that the tenant path leads to a tenant, by foreign keys of which each names one row.

    Raises:
        ContractError: it does not; the message names the step.
    """
    where, path = f"{label_of(cls)}.tenant", cls.tenant
    if path is None:
        return
    model: Any = cls.model
    passed: list[str] = []
    for step in path.split("__"):
        if issubclass(model, Tenant):
            raise ContractError(f"{where}: {path!r} goes on after the tenant; write {'__'.join(passed)!r}")
        try:
            field = field_of(model, step)
        except ContractError as error:
            raise ContractError(f"{where}: {path!r}: {error}") from error
        if not isinstance(field, models.ForeignKey):
            kind = "many-to-many" if field.many_to_many else f"a {type(field).__name__}"
            raise ContractError(
                f"{where}: {path!r}: {model._meta.label}.{step} is {kind}; every step must be a foreign key, which names one row"
            )
        model = field.related_model
        passed.append(step)
    if not issubclass(model, Tenant):
        raise ContractError(
            f"{where}: {path!r} leads to {model._meta.label}; it must lead to {Tenant._meta.label}"
            f"{_tenant_hint(model, path)}"
        )


def _tenant_hint(model: type[models.Model], path: str) -> str:
    """Return the path that is one step longer, where there is one."""
    found = [
        field.name
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and issubclass(field.related_model, Tenant)
    ]
    return f", such as {path}__{found[0]}" if found else "; or set tenant = None for files without a tenant"
