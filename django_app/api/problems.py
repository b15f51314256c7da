"""Errors as problem+json (RFC 9457), with every field's error at once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from hotclub.errors import ContractError, FieldError, InvalidInputError, RegistryError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Conflict(exceptions.APIException):
    """What is asked for does not fit the state of things: 409."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = "The request does not fit the present state."
    default_code = "conflict"


def problem(code: int, detail: str, errors: list[FieldError] | None = None) -> dict[str, Any]:
    """Return the body of a problem answer: type, title, status, detail, errors."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(code).phrase,
        "status": code,
        "detail": detail,
        "errors": [error.as_dict() for error in errors or []],
    }


def handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer to an exception that a view raised; None for one that nobody expected."""
    if isinstance(error, InvalidInputError):
        set_rollback()
        return _answer(422, "The request has fields that its contract refuses.", list(error.errors))
    if isinstance(error, ContractError):
        set_rollback()
        return _answer(404, str(error))
    if isinstance(error, RegistryError):
        set_rollback()
        logger.warning("registry failed", extra={"error": str(error)})
        return _answer(503, "The model registry does not answer; try again in a moment.")
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, exceptions.ValidationError):
        errors = list(_field_errors(error.detail))
        # 422 means a bad payload and nothing else; DRF's own 400 is for what is not JSON at all.
        return _answer(422, "The request has fields that are not right.", errors, response)
    if isinstance(error, Http404):
        detail = "There is no such object, or it is not yours to see."
    elif isinstance(error, PermissionDenied):
        detail = "You may not do this."
    else:
        detail = str(getattr(error, "detail", error))
    return _answer(response.status_code, detail, None, response)


def _answer(
    code: int, detail: str, errors: list[FieldError] | None = None, basis: Response | None = None
) -> Response:
    answer = Response(problem(code, detail, errors), status=code, content_type=MEDIA_TYPE)
    for name, value in basis.headers.items() if basis else ():
        if name.lower() in ("www-authenticate", "retry-after"):
            answer.headers[name] = value
    return answer


def _field_errors(detail: Any, path: str = "") -> Iterator[FieldError]:
    if isinstance(detail, dict):
        for key, value in detail.items():
            part = "" if key == "non_field_errors" else str(key)
            yield from _field_errors(value, ".".join(filter(None, (path, part))))
    elif isinstance(detail, list):
        for place, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            yield from _field_errors(value, ".".join(filter(None, (path, str(place)))) if nested else path)
    else:
        yield FieldError(path, str(detail))


def not_found(request: HttpRequest) -> JsonResponse:
    """Answer an address below /api/ that does not exist."""
    body = problem(404, f"There is nothing at {request.path}; see /api/docs/.")
    return JsonResponse(body, status=404, content_type=MEDIA_TYPE)
