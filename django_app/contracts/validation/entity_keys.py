"""Which PostgreSQL type the key of a feature view has: that of the field, so that the table's index still serves."""

from __future__ import annotations

import re
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models

from hotclub.errors import ContractError

_NUMBERS = {"smallint": "smallint", "integer": "integer", "bigint": "bigint", "uuid": "uuid"}
_TEXT = re.compile(r"(varchar|character varying|char|character|text|citext)\b")


def key_type(field: models.Field[Any, Any], where: str) -> str:
    """Return the type of an entity's field: smallint, integer, bigint, uuid or text.

    A key that leads to another table (a parent's, a foreign key) has the type of what it names. What counts is the
    column in PostgreSQL, so a project's own field classes are known too.

    Raises:
        ContractError: it is a key of another type, or of several columns.
    """
    key: Any = field
    while getattr(key, "remote_field", None) is not None and hasattr(key, "target_field"):
        key = key.target_field
    column = key.rel_db_type(connections[DEFAULT_DB_ALIAS]) if key.concrete else None
    if column is None:
        raise ContractError(
            f"{where}.entity: a {key.get_internal_type()} has no column of its own; name a field that is unique by itself"
        )
    if key.get_internal_type() == "SmallAutoField":
        return "integer"  # as contracts have it since the first
    if column in _NUMBERS:
        return _NUMBERS[column]
    if _TEXT.match(column):
        return "text"
    raise ContractError(
        f"{where}.entity: a {key.get_internal_type()} ({column}) cannot name a row; use a number, a UUID or a text"
    )
