"""Entity keys that came from outside, in the form in which PostgreSQL prints keys of that type."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Any, Final

from hotclub.contract import ModelContract
from hotclub.errors import FieldError, InvalidInputError
from hotclub.feature_validation import MAX_ERRORS, is_unicode

INTEGER_BITS: Final = {"smallint": 16, "integer": 32, "bigint": 64}
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
#: 32 hexadecimal digits, with hyphens in the usual places or without.
_UUID: Final = re.compile(
    r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}", re.IGNORECASE | re.ASCII
)


def entity_keys(contract: ModelContract, entities: Sequence[Any]) -> list[str]:
    """Return keys in the form in which PostgreSQL prints them.

    Raises:
        InvalidInputError: with every key that cannot be one, up to `MAX_ERRORS`.
    """
    kind = contract.schema.entity_type
    keys: list[str] = []
    errors: list[FieldError] = []
    for place, value in enumerate(entities):
        try:
            keys.append(_key(kind, value))
        except ValueError:
            errors.append(
                FieldError(f"entities.{place}", f"must be a key of type {kind}, got {str(value)[:40]!r}")
            )
            if len(errors) >= MAX_ERRORS:
                break
    if errors:
        raise InvalidInputError(errors)
    return keys


def require_different(keys: Sequence[str]) -> None:
    """Refuse a key that is there twice, however it was written.

    Args:
        keys: of `entity_keys`.

    Raises:
        InvalidInputError: with every repeated key, up to `MAX_ERRORS`.
    """
    places: dict[str, int] = {}
    errors = []
    for place, key in enumerate(keys):
        first = places.setdefault(key, place)
        if first != place:
            errors.append(FieldError(f"entities.{place}", f"is the same as entities.{first}: {key[:40]!r}"))
            if len(errors) >= MAX_ERRORS:
                break
    if errors:
        raise InvalidInputError(errors)


def _key(kind: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(value)  # noqa: TRY004  # one kind of error for the caller
    if kind in INTEGER_BITS:
        # int() takes underscores, blanks and the digits of every script: another row than the caller meant.
        if isinstance(value, str) and not _INTEGER.fullmatch(value):
            raise ValueError(value)
        number = int(value)
        limit = 1 << (INTEGER_BITS[kind] - 1)
        if not -limit <= number < limit:
            raise ValueError(value)
        return str(number)
    if kind == "uuid":
        # UUID() reads the digits with int(), and passes over braces, prefixes and hyphens anywhere.
        if not isinstance(value, str) or not _UUID.fullmatch(value):
            raise ValueError(value)
        return str(uuid.UUID(value))
    text = str(value)
    if "\0" in text or not is_unicode(text):
        raise ValueError(value)
    return text
