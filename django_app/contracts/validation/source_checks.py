"""Checks of a source's declaration, before it is compiled: every attribute, and every problem at once."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.db import models

from django_app.contracts.column_defaults import missing_for_new_rows
from django_app.contracts.validation import expectation_checks
from django_app.contracts.validation.attribute_checks import check_attributes, check_readable
from django_app.contracts.validation.declaration_problems import Problems
from django_app.contracts.validation.expectation_checks import FileColumns
from django_app.contracts.validation.shown_values import shown
from django_app.contracts.validation.source_columns import (
    check_natural_key,
    check_tenant,
    compile_column,
    field_of,
    target_field,
)
from django_app.contracts.validation.timezone_checks import check_timezone
from hotclub import declarations, names, severities
from hotclub.contract import ColumnSpec
from hotclub.declarations import Check, Source
from hotclub.errors import ContractError

_REQUIRED = ("model", "natural_key", "columns")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: What PostgreSQL keeps of a name.
_MAX_NAME_BYTES = 63
#: A table's columns in PostgreSQL, without staging's own.
_MAX_COLUMNS = 1599
#: Columns that every table of PostgreSQL has.
_SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")


def check_source(cls: type[Source]) -> None:
    """Check a source's declaration.

    Raises:
        DeclarationError: with every problem: the attribute, what was found, and the fix.
    """
    problems = Problems(cls)
    check_readable(cls, Source, problems)
    with problems.of("name"):
        _check_name(cls)
    check_attributes(cls, Source, _REQUIRED, problems)
    with problems.of("timezone"):
        check_timezone(cls.timezone)
    with problems.of("ambiguous_times"):
        _check_ambiguous_times(cls.ambiguous_times)
    model = None
    if hasattr(cls, "model"):
        with problems.of("model"):
            _check_model(cls.model)
            model = cls.model
    columns = _check_columns(cls, model, problems) if hasattr(cls, "columns") else None
    if model is not None:
        if columns is not None and hasattr(cls, "natural_key"):
            with problems.of("natural_key"):
                _check_natural_key(cls, model)
                if len(columns.declared) == len(columns.specs_by_name):
                    _check_that_rows_can_change(cls, model)
        with problems.of("tenant"):
            _check_text_or_none(cls.tenant, "a field path to the tenant")
            check_tenant(cls)
    with problems.of("checks"):
        _check_checks(cls.checks, columns, problems)
    problems.raise_any()


def notes(cls: type[Source]) -> list[str]:
    """Return what a person should know of a source that is declared correctly."""
    found = []
    in_file = {target_field(cls.model, path).column for path in cls.columns.values()}
    missing = missing_for_new_rows(cls.model, in_file)
    if missing:
        found.append(
            f"{cls.name} only updates rows that are there, because its files lack what a new row of {cls.model._meta.label} "
            f"needs: {', '.join(missing)}. To add rows too, give these fields a column or a default"
        )
    if not cls.model._meta.managed:
        key = ", ".join(cls.natural_key)
        found.append(
            f"Django does not manage the table of {cls.model._meta.label}, so nothing here says that ({key}) is unique in it"
        )
    return found


def jsonable(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a check's arguments as they come back from JSON.

    Raises:
        TypeError, ValueError: they are no JSON.
    """
    loaded: dict[str, Any] = json.loads(json.dumps(dict(arguments), allow_nan=False))
    return loaded


def _check_name(cls: type[Source]) -> None:
    name: Any = getattr(cls, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ContractError(
            f"{shown(name)} must be a text of lower case letters, digits and _, starting with a letter, "
            "at most 40 characters"
        )


def _check_ambiguous_times(severity: Any) -> None:
    if not isinstance(severity, str) or severity not in severities.SERIOUS:
        allowed = " or ".join(f'"{each}"' for each in severities.SERIOUS)
        raise ContractError(f"{shown(severity)} must be {allowed}")


def _check_text_or_none(value: Any, what: str) -> None:
    if value is not None and (not isinstance(value, str) or not value):
        raise ContractError(f"{shown(value)} must be {what}, or None")


def _check_model(model: Any) -> None:
    if isinstance(model, models.QuerySet | models.Manager):
        raise ContractError(f"{shown(model)} must be the model's class: write {model.model.__name__}")
    if isinstance(model, models.Model):
        raise ContractError(f"{shown(model)} must be the model's class: write {type(model).__name__}")
    if not isinstance(model, type) or not issubclass(model, models.Model):
        raise ContractError(f"{shown(model)} must be a Django model's class: import it and write its name")
    if model is models.Model:
        raise ContractError(
            "models.Model is every model's base and has no table; write a model that inherits from it"
        )
    meta = model._meta
    if meta.abstract:
        raise ContractError(f"{meta.label} is abstract and has no table; write a model that inherits from it")
    if meta.swapped:
        raise ContractError(
            f"{meta.label} was replaced by {meta.swapped} in the settings and has no table; write that model"
        )
    if meta.proxy:
        concrete: Any = meta.concrete_model
        raise ContractError(
            f"{meta.label} is a proxy, whose table is that of {concrete._meta.label}; write model = {concrete.__name__}"
        )
    if meta.app_label not in apps.app_configs or model not in apps.all_models[meta.app_label].values():
        raise ContractError(f"{meta.label} is no model of an app in INSTALLED_APPS; add its app there")
    if '"' in meta.db_table:
        raise ContractError(
            f"{meta.label} has the table {meta.db_table!r}, a name with quotes; put the table into the search path of the login instead"
        )


def _check_columns(
    cls: type[Source], model: type[models.Model] | None, problems: Problems
) -> FileColumns | None:
    """Note the problems of each column; return the columns, None where there are none."""
    declared: Any = cls.columns
    if not isinstance(declared, Mapping) or not declared:
        problems.add(
            "columns",
            f'{shown(declared)} must be a dict of file column and model field, such as {{"placed": "placed_at"}}',
        )
        return None
    if len(declared) > _MAX_COLUMNS:
        problems.add("columns", f"{len(declared):,} columns; a table has at most {_MAX_COLUMNS:,}")
    specs: dict[str, ColumnSpec] = {}
    by_field: dict[str, str] = {}
    for name, path in declared.items():
        place = f"columns[{shown(name)}]"
        with problems.of(place):
            _check_column_name(name)
            if not isinstance(path, str) or not path:
                raise ContractError(f"{shown(path)} must be the name of a field of the model")
            if model is None:
                continue
            spec = compile_column(cls, name, path)
            specs[name] = spec
            other = by_field.setdefault(spec.target, name)
            if other != name:
                raise ContractError(
                    f"{path!r} is loaded from {shown(other)} already; leave one of the two out"
                )
    return FileColumns(tuple(declared), specs)


def _check_column_name(name: Any) -> None:
    if not isinstance(name, str) or not name:
        raise ContractError(
            f"{shown(name)} must be the name of a column of the file, a text that is not empty"
        )
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > _MAX_NAME_BYTES:
        raise ContractError(
            f"the name has {size} bytes; PostgreSQL keeps {_MAX_NAME_BYTES}: agree on a shorter one"
        )
    if name in (names.COLUMN_ROW, *_SYSTEM_COLUMNS):
        whose = "staging's own" if name == names.COLUMN_ROW else "a column of PostgreSQL's own in every table"
        raise ContractError(f"{name!r} is {whose}; rename the column")
    if not name.isprintable() or name != name.strip():
        raise ContractError(
            "the name has blanks around it or characters that cannot be seen; rename the column, or a file that looks "
            "right would be refused"
        )


def _check_natural_key(cls: type[Source], model: type[models.Model]) -> None:
    key: Any = cls.natural_key
    if isinstance(key, str):
        raise ContractError(f"{shown(key)} must be a tuple of the model's field names: write ({key!r},)")
    if not isinstance(key, Sequence) or not key:
        raise ContractError(f"{shown(key)} must be a tuple of the model's field names, at least one")
    wrong = [shown(name) for name in key if not isinstance(name, str)]
    if wrong:
        raise ContractError(f"{', '.join(wrong)} must be a field's name, a text")
    found = Problems(cls)
    loaded = set(_loaded_fields(cls))
    fields: list[str] = []
    for name in key:
        with found.of("natural_key"):
            fields.append(_key_field(model, name, loaded, fields))
    found.raise_any()
    check_natural_key(cls)


def _check_that_rows_can_change(cls: type[Source], model: type[models.Model]) -> None:
    """Refuse a file of keys alone, whose rows could neither be added nor change anything."""
    loaded = {target_field(model, path).column for path in cls.columns.values()}
    missing = missing_for_new_rows(model, loaded)
    if missing and loaded == {field_of(model, name).column for name in cls.natural_key}:
        raise ContractError(
            f"the file has no column but the key, and a new row would lack {', '.join(missing)}, so that it could change "
            "nothing; add what it is to change to columns"
        )


def _loaded_fields(cls: type[Source]) -> Iterator[str]:
    """Yield the names of the fields that the columns load into; a wrong column is reported elsewhere."""
    for path in cls.columns.values():
        with suppress(Exception):
            yield target_field(cls.model, path).name


def _key_field(model: type[models.Model], name: str, loaded: set[str], before: list[str]) -> str:
    if "__" in name:
        raise ContractError(f"{name!r} must be a field's name: write {name.split('__', maxsplit=1)[0]!r}")
    field: str = field_of(model, name).name
    if field in before:
        raise ContractError(f"{name!r} is there twice; leave one out")
    if field not in loaded:
        raise ContractError(f"the file has no column for {name!r}; add one to columns")
    return field


def _check_checks(checks: Any, columns: FileColumns | None, problems: Problems) -> None:
    if isinstance(checks, Check):
        raise ContractError(f"{shown(checks)} must be a tuple: write a comma after it, (Check(...),)")
    if isinstance(checks, str) or not isinstance(checks, Sequence):
        raise ContractError(f"{shown(checks)} must be a tuple of Check")
    for number, check in enumerate(checks):
        place = f"checks[{number}]"
        if not isinstance(check, declarations.Check):
            problems.add(place, f"{shown(check)} must be a Check")
            continue
        with problems.of(place):
            expectation_checks.check_declared(check, columns, functools.partial(problems.add, place))
