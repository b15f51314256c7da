"""Holds the type that is declared for a feature against the type that its expression gives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import FieldError
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models import BooleanField, FloatField, IntegerField
from django.db.models.expressions import Col
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Cast

from hotclub.declarations import Age, Boolean, Category, Feature, Number
from hotclub.errors import ContractError

#: What PostgreSQL calls a column → what it is. A project's own field classes are known by their column.
_KINDS: Final = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r".*\[\d*\]$", "array"),
        (r"bool", "boolean"),
        (r"(small|big)?(int|integer|serial)\b|int[248]\b", "integer"),
        (r"double precision|real|float", "float"),
        (r"numeric|decimal", "decimal"),
        (r"varchar|character|char|text|citext", "text"),
        (r"uuid", "uuid"),
        (r"json", "json"),
        (r"date$", "date"),
        (r"timestamp with time zone|timestamptz", "datetime"),
        (r"timestamp", "datetime without a zone"),
        (r"time", "time"),
        (r"interval", "duration"),
        (r"inet|cidr", "address"),
        (r"bytea", "binary"),
        (r"hstore", "hstore"),
        (r"(int4|int8|num|date|ts|tstz)range", "range"),
    )
)
NUMBERS: Final = ("integer", "float", "decimal")
_MOMENTS: Final = ("date", "datetime")


def type_of(node: Any) -> str:
    """Return what kind of value a resolved expression gives: integer, float, decimal, text, boolean, uuid, json and others.

    Raises:
        ContractError: Django cannot tell.
    """
    try:
        field: Any = node.output_field
    except (FieldError, AttributeError) as error:
        raise ContractError(
            f"Django cannot tell its type ({error}); give it an output_field=, such as TextField() or FloatField()"
        ) from error
    if isinstance(field, models.GeneratedField):
        field = field.output_field
    column = field.db_type(connections[DEFAULT_DB_ALIAS]) if field is not None else None
    if type(field) is models.Field:
        raise ContractError(
            "Django cannot tell its type; give it an output_field=, such as TextField() or FloatField()"
        )
    if column is None:
        raise ContractError(f"a {type(field).__name__} is no single column; name one of its fields")
    return next((kind for pattern, kind in _KINDS if pattern.match(column.lower())), column)


def is_foreign_key(node: Any) -> bool:
    """Return whether a resolved expression is the column of a foreign key."""
    return isinstance(node, Col) and bool(node.target.is_relation)


def as_declared(feature: Feature, expression: Any, node: Any) -> Any:
    """Return the expression whose value a feature has.

    It is the declared one, except for the key of a JSONField: its text, number or truth is meant, not its JSON.

    Args:
        feature: as declared.
        expression: the feature's, as given to Django.
        node: the same, resolved.

    Raises:
        ContractError: its type is another than the declared one; with what to write instead.
    """
    kind = type_of(node)
    if isinstance(node, KeyTransform) and kind == "json" and not isinstance(feature, Age):
        return value_of_key(node, {Category: "text", Boolean: "boolean"}.get(_declared(feature), "float"))
    refuse_conversion(node)
    allowed = _ALLOWED[_declared(feature)]
    if kind in allowed and not (isinstance(feature, Number) and is_foreign_key(node)):
        return expression
    if is_foreign_key(node) and kind not in _MOMENTS:
        kind = "foreign key"
    raise ContractError(_refusal(_declared(feature), kind, _path(feature)))


def refuse_conversion(node: Any) -> None:
    """Refuse values that are others in Python than in the database, whose values alone a view has.

    Raises:
        ContractError: they are of a project's own field class with a ``from_db_value``; with what to write.
    """
    field: Any = node.output_field
    method = getattr(type(field), "from_db_value", None)
    if field.is_relation or method is None or method.__module__.startswith("django."):
        return
    path = repr(node.target.name) if isinstance(node, Col) else "…"
    wanted = {"integer": "IntegerField", "float": "FloatField", "decimal": "FloatField"}.get(
        type_of(node), "TextField"
    )
    raise ContractError(
        f"{type(field).__name__}.from_db_value changes values in Python, and a view has those of the database; if they are "
        f"meant, write Cast({path}, {wanted}()), and arithmetic with it where needed"
    )


def value_of_key(node: KeyTransform, kind: str) -> Any:
    """Return the value of a key of a JSONField as text, float, integer or boolean."""
    # `->>` gives the text without JSON's quotes, and null for JSON's null.
    text = KeyTextTransform(node.key_name, *node.get_source_expressions())
    fields: Mapping[str, Any] = {"float": FloatField, "integer": IntegerField, "boolean": BooleanField}
    return Cast(text, fields[kind]()) if kind in fields else text


def _declared(feature: Feature) -> type[Feature]:
    return next(base for base in (Number, Age, Boolean, Category) if isinstance(feature, base))


_ALLOWED: Final[Mapping[type[Feature], tuple[str, ...]]] = {
    Number: NUMBERS,
    Age: _MOMENTS,
    Boolean: ("boolean",),
    Category: ("text", "integer", "uuid"),
}


def _path(feature: Feature) -> str:
    """Return the expression as messages write it."""
    return repr(feature.expression) if isinstance(feature.expression, str) else "…"


def _refusal(declared: type[Feature], kind: str, path: str) -> str:
    """Return what is wrong with a type, and what to write instead."""
    if declared is Age and kind != "json":
        return f"an Age must be a date or a moment (DateField, DateTimeField), not {_with_article(kind)}; declare {_better(kind, path)}"
    if kind in _MOMENTS:
        return (
            f"a {kind} is no value for a model; use Age({path}), or a part of it: "
            f'Extract…({path}, tzinfo=ZoneInfo("…"))'
        )
    if kind in ("time", "duration"):
        return (
            f'a {kind} is no value for a model; write Extract(..., "epoch"): Number(Extract({path}, "epoch"))'
        )
    if declared is Boolean and kind in (*NUMBERS, "text", "uuid", "foreign key"):
        return f"a Boolean is true or false, and this is {_with_article(kind)}; write a condition: Q(…=…), or declare {_better(kind, path)}"
    return f"a {declared.__name__} cannot be {_with_article(kind)}; declare {_better(kind, path)}"


def _better(kind: str, path: str) -> str:
    """Return the declaration that takes a kind of value."""
    name = path.strip("'") if path != "…" else "field"
    return {
        "integer": f"Number({path})",
        "float": f"Number({path})",
        "decimal": f"Number({path})",
        "text": f"Category({path}), or Number(Cast({path}, FloatField())) where it holds numbers",
        "uuid": f"Category({path})",
        "foreign key": f"Category({path})",
        "boolean": f"Boolean({path})",
        "time": f'Number(Extract({path}, "epoch"))',
        "duration": f'Number(Extract({path}, "epoch"))',
        "json": f"a key of it: '{name}__key'",
        "array": f"one of its values by index: '{name}__0', or its length: '{name}__len'",
        "address": f'Category(Func({path}, function="HOST", output_field=TextField()))',
        "hstore": f"a key of it: '{name}__key'",
        "range": f"its lower or upper bound: '{name}__startswith' or '{name}__endswith'",
        "binary": "a Boolean of a condition on it",
        "datetime without a zone": "a DateTimeField of Django, which has one",
    }.get(kind, f"a Cast of it: Cast({path}, TextField()) or Cast({path}, FloatField())")


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeio' else 'a'} {kind}"
