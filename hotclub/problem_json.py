"""The body of every answer that is a failure: problem+json (RFC 9457), with every field's error at once."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from hotclub.errors import FieldError, HotclubError

MEDIA_TYPE: Final = "application/problem+json"
#: The type of a problem that the status alone describes.
ABOUT_BLANK: Final = HotclubError.problem_type
_MAX_ERRORS: Final = 100

_FIELD_ERROR: Final = {
    "type": "object",
    "properties": {
        "field": {"type": "string", "description": "Dotted path, such as instances.3.hour."},
        "message": {"type": "string"},
    },
    "required": ["field", "message"],
}
#: JSON schema of the body, for OpenAPI. Further members are allowed.
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "properties": {
        "type": {
            "type": "string",
            "description": "URI of the kind of problem; about:blank says no more than status.",
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do."},
        "instance": {"type": "string", "description": "The path of the request."},
        "errors": {"type": "array", "items": _FIELD_ERROR},
    },
    "required": ["type", "title", "status", "detail", "errors"],
}


def problem(
    status: int,
    detail: str,
    errors: Sequence[FieldError] = (),
    *,
    type: str = ABOUT_BLANK,  # noqa: A002  # the member's name in RFC 9457
    instance: str | None = None,
    **members: Any,
) -> dict[str, Any]:
    """Return the body of a problem answer.

    Of very many errors it has the first hundred: an answer is not to be larger than what was sent.

    Args:
        status: the HTTP status.
        detail: what is wrong and what to do.
        errors: per field.
        type: URI of the kind of problem.
        instance: the path that was asked.
        members: further members.
    """
    listed = list(errors[:_MAX_ERRORS])
    if left := len(errors) - len(listed):
        listed.append(FieldError("", f"and {left} more"))
    body: dict[str, Any] = {
        "type": type,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if instance is not None:
        body["instance"] = instance
    return {**body, **members, "errors": [error.as_dict() for error in listed]}
