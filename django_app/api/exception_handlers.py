"""Errors as problem+json (RFC 9457), with every field's error at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.signals import got_request_exception
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from hotclub.errors import (
    ConflictError,
    ContractError,
    FieldError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_MOST_ERRORS = 100


#: What a caller reads of a failure that nobody expected.
FAULT = "Something failed here that should not have; the reason is in the server's log. Your request was not the cause."


class _Problem(Response):
    """A problem is JSON, whatever a view renders otherwise: the OpenAPI file is YAML."""

    @property
    def rendered_content(self) -> Any:
        """Return the body."""
        self.headers["Content-Type"] = MEDIA_TYPE
        return JSONRenderer().render(self.data)


def problem(code: int, detail: str, errors: list[FieldError] | None = None) -> dict[str, Any]:
    """Return the body of a problem answer: type, title, status, detail, errors.

    Of very many errors the first hundred: an answer is not to be larger than what was sent.
    """
    errors = errors or []
    if len(errors) > _MOST_ERRORS:
        left = len(errors) - _MOST_ERRORS
        errors = [*errors[:_MOST_ERRORS], FieldError("", f"and {left} more")]
    return {
        "type": "about:blank",
        "title": HTTPStatus(code).phrase,
        "status": code,
        "detail": detail,
        "errors": [error.as_dict() for error in errors],
    }


def handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer to an exception that a view raised.

    One that nobody expected is 500 with its traceback in the log; None, which shows Django's own page, while
    developing.
    """
    if (expected := _expected(error)) is not None:
        set_rollback()
        return expected
    response = exception_handler(error, context)
    if response is None:
        return _unexpected(error, context)
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


def _expected(error: Exception) -> Response | None:
    """Return the answer to a failure that is not REST framework's own, None for any other."""
    for kind, answer in _ANSWERS:
        if isinstance(error, kind):
            return answer(error)
    return None


def _invalid(error: Any) -> Response:
    return _answer(422, "The request has fields that are not right.", list(error.errors))


def _conflict(error: ConflictError) -> Response:
    answer = _answer(409, str(error))
    answer.data = {**(answer.data or {}), "type": error.problem_type}
    return answer


def _broken_contract(error: Exception) -> Response:
    # A file of this server is broken: nothing that the caller could change, and no path for them to read.
    logger.error("a contract cannot be read", extra={"error": str(error)})
    return _answer(500, "A contract of this server cannot be read; its log says which.")


def _unavailable(error: Exception) -> Response:
    logger.warning("the model registry does not answer", extra={"error": str(error)})
    return _answer(503, "The model registry does not answer; try again in a moment.")


def _unstorable(error: Exception) -> Response:
    logger.warning("PostgreSQL refused a value", extra={"error": str(error)})
    return _answer(422, "The request has a value that the database cannot hold, such as a number too large.")


#: The one place that says which answer each kind of failure is; the first that fits counts.
_ANSWERS: tuple[tuple[type[Exception], Callable[[Any], Response]], ...] = (
    (InvalidInputError, _invalid),
    (NotFoundError, lambda error: _answer(404, str(error))),
    (ConflictError, _conflict),
    (ContractError, _broken_contract),
    (UnavailableError, _unavailable),
    (DataError, _unstorable),
)


def _unexpected(error: Exception, context: dict[str, Any]) -> Response | None:
    if settings.DEBUG:
        return None
    set_rollback()
    request = getattr(context.get("request"), "_request", None)
    logger.error("the API failed", exc_info=error, extra={"path": getattr(request, "path", "")})
    # As Django does for its own 500: error reporters and test clients listen.
    got_request_exception.send(sender=None, request=request)
    return _answer(500, FAULT)


def _answer(
    code: int, detail: str, errors: list[FieldError] | None = None, basis: Response | None = None
) -> Response:
    answer = _Problem(problem(code, detail, errors), status=code, content_type=MEDIA_TYPE)
    for name, value in basis.headers.items() if basis else ():
        if name.lower() in ("www-authenticate", "retry-after", "allow"):
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


def respond(code: int, detail: str, errors: list[FieldError] | None = None) -> HttpResponse:
    """Return a problem answer from outside of the API's views."""
    body = JSONRenderer().render(problem(code, detail, errors))
    return HttpResponse(body, status=code, content_type=MEDIA_TYPE)


@csrf_exempt
def not_found(request: HttpRequest) -> HttpResponse:
    """Answer an address below /api/ that does not exist, whatever the method."""
    try:
        slashed = resolve(f"{request.path_info}/").func is not not_found
    except Resolver404:
        slashed = False
    hint = f"did you mean {request.path}/ ?" if slashed else "see /api/docs/."
    return respond(404, f"There is nothing at {request.path}; {hint}")
