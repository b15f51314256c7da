"""What the fields of a Django model can be to a model of ML, before anyone looks at the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from django.contrib.auth import get_user_model
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import translation

from django_app.contracts.first_declaration.units import unit_of, without_unit

Kind: TypeAlias = Literal["boolean", "number", "text", "date", "moment", "time", "duration"]
AnyField: TypeAlias = "models.Field[Any, Any]"

#: The first that a field is an instance of decides: a DateTimeField is a DateField to Python.
_KINDS: tuple[tuple[tuple[type, ...], Kind], ...] = (
    ((models.BooleanField,), "boolean"),
    ((models.IntegerField, models.FloatField, models.DecimalField), "number"),
    ((models.DateTimeField,), "moment"),
    ((models.DateField,), "date"),
    ((models.TimeField,), "time"),
    ((models.DurationField,), "duration"),
    ((models.CharField, models.TextField), "text"),
)
#: Why a field is left out whose type is no value for a model.
_NO_VALUE: tuple[tuple[type, str], ...] = (
    (models.FileField, "a file's path says nothing of what is in it"),
    (models.UUIDField, "a UUID names a row and says nothing else"),
    (
        models.JSONField,
        "JSON has no one type; name a key of it in an expression: KT(...) or KeyTransform(...)",
    ),
    (models.BinaryField, "bytes are no value for a model"),
    (models.GenericIPAddressField, "an address names a machine and says nothing else"),
)
_POSITIVE = (
    models.PositiveIntegerField,
    models.PositiveSmallIntegerField,
    models.PositiveBigIntegerField,
)


@dataclass(frozen=True)
class Column:
    """A field that can be a feature, a label or a time.

    Attributes:
        name: the field's name.
        path: the field path of the value: for a foreign key a unique text of its parent, where there is one.
        kind: what the value is.
        parent: of a foreign key, Django's label of the model that it leads to.
        whole: whether a number has no decimals.
        automatic: whether Django sets it at each save.
    """

    name: str
    path: str
    kind: Kind
    nullable: bool
    unique: bool = False
    parent: str = ""
    whole: bool = False
    automatic: bool = False
    choices: tuple[tuple[Any, str], ...] = ()
    doc: str = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None

    @property
    def is_code(self) -> bool:
        """Whether its values are codes that a person chose from, or that name a parent."""
        return bool(self.parent or self.choices)


@dataclass(frozen=True)
class LeftOut:
    """A field that is no feature, and why."""

    name: str
    reason: str


def read_columns(model: type[models.Model]) -> tuple[list[Column], list[LeftOut]]:
    """Return the columns of a model in the order of its fields, and the fields that cannot be one."""
    columns: list[Column] = []
    left_out: list[LeftOut] = []
    with translation.override(None):
        for field in model._meta.get_fields():
            if field.auto_created and not field.concrete:
                continue
            if isinstance(field, models.ManyToManyField):
                left_out.append(LeftOut(field.name, "many values a row; aggregate them in a Subquery"))
            elif isinstance(field, models.Field) and field.concrete and not _is_key(field):
                found = _column(field)
                (columns if isinstance(found, Column) else left_out).append(found)  # type: ignore[arg-type]  # each list its type
    return columns, left_out


def kind_of_field(field: AnyField) -> Kind | None:
    """Return what a field's value is; None where it is no value for a model."""
    value: Any = field.output_field if isinstance(field, models.GeneratedField) else field
    return next((kind for classes, kind in _KINDS if isinstance(value, classes)), None)


def _is_key(field: AnyField) -> bool:
    """Return whether a field is the primary key, a parent's or a part of one of several columns."""
    parent_link = isinstance(field, models.OneToOneField) and field.remote_field.parent_link
    return field.primary_key or parent_link or isinstance(field, models.CompositePrimaryKey)


def _column(field: AnyField) -> Column | LeftOut:
    if isinstance(field, models.ForeignKey):
        return _foreign_key(field)
    kind = kind_of_field(field)
    if kind is None:
        reason = next((text for cls, text in _NO_VALUE if isinstance(field, cls)), "")
        return LeftOut(field.name, reason or f"{field.get_internal_type()} is no value for a model as it is")
    value: Any = field.output_field if isinstance(field, models.GeneratedField) else field
    minimum, maximum = _bounds(field) if kind == "number" else (None, None)
    return Column(
        field.name,
        field.name,
        kind,
        # The database computes it, from columns that may be null.
        nullable=field.null or isinstance(field, models.GeneratedField),
        unique=field.unique,
        whole=isinstance(value, models.IntegerField),
        automatic=bool(getattr(field, "auto_now", False)),
        choices=_choices(field),
        doc=_doc(field),
        unit=unit_of(str(field.verbose_name), str(field.help_text)) if kind == "number" else "",
        minimum=minimum,
        maximum=maximum,
    )


def _foreign_key(field: models.ForeignKey[Any, Any]) -> Column:
    """Return a foreign key as a category: by its own value where that is a text, else by a unique text of the parent."""
    parent: type[models.Model] = field.related_model
    target = field.target_field
    path, kind = field.name, kind_of_field(target)
    # A join to a parent that the table does not hold to would lose rows.
    constrained = getattr(field, "db_constraint", True)
    if kind != "text" and constrained and parent is not get_user_model():
        natural = next((f for f in parent._meta.concrete_fields if _is_natural(f)), None)
        if natural is not None:
            path, kind = f"{field.name}__{natural.name}", "text"
    return Column(
        field.name,
        path,
        "text" if kind == "text" else "number",
        nullable=field.null,
        unique=field.unique,
        parent=parent._meta.label,
        whole=True,
        doc=_doc(field),
    )


def _is_natural(field: AnyField) -> bool:
    return field.unique and not field.null and kind_of_field(field) == "text"


def _choices(field: AnyField) -> tuple[tuple[Any, str], ...]:
    return tuple((value, str(name)) for value, name in field.flatchoices if value is not None)


def _doc(field: AnyField) -> str:
    """Return the help text, else the verbose name where a person wrote one; a unit that has a place of its own left out."""
    help_text, name = (
        " ".join(without_unit(str(text)).split()) for text in (field.help_text, field.verbose_name)
    )
    return help_text or ("" if name == field.name.replace("_", " ") else name)


def _bounds(field: AnyField) -> tuple[float | None, float | None]:
    low: float | None = 0 if isinstance(field, _POSITIVE) else None
    high: float | None = None
    for validator in field.validators:
        limit = getattr(validator, "limit_value", None)
        # Django adds validators of the integer type's own range, which say nothing of the quantity.
        if callable(limit) or limit is None or abs(limit) >= 2**15 - 1:
            continue
        if isinstance(validator, MinValueValidator):
            low = limit
        elif isinstance(validator, MaxValueValidator):
            high = limit
    return (None if low is None else float(low)), (None if high is None else float(high))
