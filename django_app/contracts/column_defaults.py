"""What Django itself would write into the columns that a file does not have."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import CharField, Field, Model, TextField
from django.db.models.fields import NOT_PROVIDED
from django.utils import timezone

from hotclub.contract import SourceContract


@dataclass(slots=True)
class Defaults:
    """The values that a new row gets in addition to those of the file.

    Attributes:
        constants: column → one value for every row.
        per_row: fields whose default is a function; it is called once for each row.
        on_change: column → value that is written whenever a row changes (``auto_now``).
        required: columns that a new row needs and that have neither a column of the file nor a default.
    """

    constants: dict[str, Any] = field(default_factory=dict)
    per_row: list[Field[Any, Any]] = field(default_factory=list)
    on_change: dict[str, Any] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)

    @property
    def per_row_columns(self) -> list[str]:
        """The columns of `per_row`, in its order."""
        return [f.column for f in self.per_row if f.column is not None]


def defaults_of(model: type[Model], in_file: set[str], now: dt.datetime) -> Defaults:
    """Return what completes a new row of a model.

    Args:
        model: the table's model.
        in_file: the columns that the file has.
        now: the value of ``auto_now`` and ``auto_now_add``.
    """
    found = Defaults()
    for model_field in _own_fields(model):
        column = model_field.column
        if column is None or column in in_file or _is_made_by_the_database(model_field):
            continue
        if getattr(model_field, "auto_now", False) or getattr(model_field, "auto_now_add", False):
            value = _prepared(model_field, _moment(model_field, now))
            found.constants[column] = value
            if model_field.auto_now:  # type: ignore[attr-defined]  # looked for above
                found.on_change[column] = value
        elif model_field.has_default():
            if callable(model_field.default):
                found.per_row.append(model_field)
            else:
                found.constants[column] = _prepared(model_field, model_field.get_default())
        elif model_field.blank and not model_field.null and isinstance(model_field, CharField | TextField):
            # Django writes the empty text where nothing is given, and the model says that it may be empty.
            found.constants[column] = ""
        elif not model_field.null:
            found.required.append(column)
    return found


def can_insert(contract: SourceContract) -> bool:
    """Return whether a source's file, with Django's defaults, has every column that a new row needs."""
    in_file = {c.target for c in contract.schema.columns}
    # The moment only fills auto_now columns, which does not change what is required.
    return not defaults_of(apps.get_model(contract.schema.django_model), in_file, timezone.now()).required


def missing_for_new_rows(model: type[Model], in_file: set[str]) -> list[str]:
    """Return the names of the fields that a new row needs and that have neither a column of the file nor a default."""
    required = set(defaults_of(model, in_file, timezone.now()).required)
    return [f.name for f in _own_fields(model) if f.column in required]


def _own_fields(model: type[Model]) -> Iterator[Field[Any, Any]]:
    """Yield the fields with a column in the model's own table: a model may inherit others, which are a parent's."""
    table = model._meta.db_table
    yield from (f for f in model._meta.concrete_fields if f.model._meta.db_table == table)


def values_of(fields: list[Field[Any, Any]], rows: int) -> list[tuple[Any, ...]]:
    """Call each field's default once a row; return the rows of prepared values."""
    return [tuple(_prepared(f, f.get_default()) for f in fields) for _ in range(rows)]


def _prepared(model_field: Field[Any, Any], value: Any) -> Any:
    return model_field.get_db_prep_save(value, connection)


def _moment(model_field: Field[Any, Any], now: dt.datetime) -> Any:
    kind = model_field.get_internal_type()
    local = timezone.localtime(now)
    return {"DateField": local.date(), "TimeField": local.time()}.get(kind, now)


def _is_made_by_the_database(model_field: Field[Any, Any]) -> bool:
    is_identity = model_field.primary_key and model_field.get_internal_type().endswith("AutoField")
    return bool(is_identity or model_field.generated or model_field.db_default is not NOT_PROVIDED)
