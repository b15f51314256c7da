"""What a request's body may hold: JSON of a known size and depth, whose values PostgreSQL can keep."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import IO, Any, Final

from django.conf import settings
from django.http import UnreadablePostError
from rest_framework import exceptions, status
from rest_framework.parsers import BaseParser

from hotclub.errors import FieldError, InvalidInputError

#: Deeper than any body that the API knows; far less than Python's own limit.
MAX_DEPTH: Final = 32
#: As many errors as a person reads at once.
_MAX_ERRORS: Final = 20
_MAX_PATH: Final = 200
#: Integers are kept as bigint at most; a float holds no larger one exactly either.
_MAX_INTEGER: Final = 2**63 - 1


class TooLargeError(exceptions.APIException):
    """A body of more bytes than the server takes: 413."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class _NotANumber:
    """Stands in for a literal such as NaN, until the walk knows its place."""

    def __init__(self, message: str) -> None:
        self.message = message


class _Repeated(dict[str, Any]):
    """An object that has a name more than once."""

    repeated: tuple[str, ...] = ()


class StrictJSONParser(BaseParser):
    """Reads JSON, and says of every value that is not usable where it is and why.

    The largest body is Django's own setting ``DATA_UPLOAD_MAX_MEMORY_SIZE``. Not a JSONParser, for which REST
    framework would read the body itself and answer 500 to one that is too large.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body's value.

        Raises:
            ParseError: it is not JSON at all.
            InvalidInputError: it is JSON with values that nothing here can keep.
            TooLargeError: it has too many bytes.
        """
        del media_type, parser_context
        value = _loads(_read(stream))
        errors = list(islice(_errors(value), _MAX_ERRORS))
        if errors:
            raise InvalidInputError(errors)
        return value


def _read(stream: IO[bytes]) -> str:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        raw = stream.read() if limit is None else stream.read(limit + 1)
    except UnreadablePostError as error:
        raise exceptions.ParseError("The body ended before its Content-Length.") from error
    if limit is not None and len(raw) > limit:
        raise TooLargeError(f"The body has more than {limit} bytes; send less at once.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise exceptions.ParseError(
            f"The body is not UTF-8: byte {error.start} is not part of a character."
        ) from error


def _loads(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_constant, parse_int=_integer, object_pairs_hook=_object)
    except RecursionError as error:
        raise exceptions.ParseError(f"The body is nested more than {MAX_DEPTH} levels deep.") from error
    except ValueError as error:
        raise exceptions.ParseError(f"The body is not JSON: {error}") from error


def _constant(text: str) -> _NotANumber:
    return _NotANumber(f"{text} is not a JSON number; send null for a missing value")


def _integer(text: str) -> int | _NotANumber:
    # Checked before int(): it is slow for many digits, and refuses very many.
    value = int(text) if len(text) <= len(str(_MAX_INTEGER)) + 1 else None
    if value is None or abs(value) > _MAX_INTEGER:
        return _NotANumber("is an integer of more than 64 bits")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    seen: set[str] = set()
    again: list[str] = []
    for name, _ in pairs:
        if name in seen:
            again.append(name)
        seen.add(name)
    repeated = _Repeated(made)
    repeated.repeated = tuple(again)
    return repeated


def _errors(body: object) -> Iterator[FieldError]:
    """Yield what is wrong with each value. Without recursion: the body's depth is the sender's choice."""
    waiting: list[tuple[str, int, object]] = [("", 1, body)]
    while waiting:
        path, depth, value = waiting.pop()
        if isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                yield FieldError(path, f"is nested more than {MAX_DEPTH} levels deep")
                continue
            named = value.items() if isinstance(value, dict) else enumerate(value)
            inner = [(_join(path, name), depth + 1, item) for name, item in named]
            waiting += reversed(inner)
            if isinstance(value, dict):
                yield from _name_errors(path, value)
        elif message := _message(value):
            yield FieldError(path, message)


def _name_errors(path: str, value: dict[str, Any]) -> Iterator[FieldError]:
    for name in value:
        if message := _message(name):
            yield FieldError(_join(path, name), f"the name {message}")
    if isinstance(value, _Repeated):
        for name in value.repeated:
            yield FieldError(_join(path, name), "is given more than once; which one is meant?")


def _message(value: object) -> str:
    """Return what is wrong with a value that is no container; nothing where it is fine."""
    if isinstance(value, _NotANumber):
        return value.message
    if isinstance(value, float) and not math.isfinite(value):
        return "is a number beyond what 64 bits hold"
    if isinstance(value, str):
        if "\0" in value:
            return "has the character U+0000, which PostgreSQL cannot keep"
        if any("\ud800" <= character <= "\udfff" for character in value):
            return "has half of a surrogate pair, which is no character"
    return ""


def _join(path: str, name: object) -> str:
    """Return the dotted path, printable with any names."""
    part = str(name).encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    return (f"{path}.{part}" if path else part)[:_MAX_PATH]
