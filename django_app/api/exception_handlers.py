"""Errors as problem+json (RFC 9457), with every field's error at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.signals import got_request_exception
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils.encoding import escape_uri_path
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from hotclub.errors import (
    ConflictError,
    ContractError,
    FieldError,
    HotclubError,
    InvalidInputError,
    NotFoundError,
    RegistryError,
    UnavailableError,
)
from hotclub.problem_json import ABOUT_BLANK, MEDIA_TYPE, problem

logger = logging.getLogger(__name__)

#: What a caller reads of an unexpected failure.
FAULT = (
    "An unexpected error of the server; the reason is in the server's log. Your request was not the cause."
)
_BAD_FIELDS = "The request has invalid fields."

#: Status, detail and errors of an answer.
_Expected = tuple[int, str, Sequence[FieldError]]


class _Problem(Response):
    """A problem is JSON, even where the view renders another format: the OpenAPI file is YAML."""

    @property
    def rendered_content(self) -> Any:
        """Return the body."""
        self.headers["Content-Type"] = MEDIA_TYPE
        return JSONRenderer().render(self.data)


def handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer to an exception that a view raised.

    An unexpected one is 500 with its traceback in the log; None, which shows Django's own page, while
    developing.
    """
    instance = _instance(context.get("request"))
    if (expected := _expected(error)) is not None:
        set_rollback()
        kind = error.problem_type if isinstance(error, HotclubError) else ABOUT_BLANK
        return _answer(problem(*expected, type=kind, instance=instance))
    response = exception_handler(error, context)
    if response is None:
        return _unexpected(error, context)
    if isinstance(error, exceptions.ValidationError):
        errors = list(_field_errors(error.detail))
        # 422 means a bad payload and nothing else; DRF's own 400 is for what is not JSON at all.
        return _answer(problem(422, _BAD_FIELDS, errors, instance=instance), response)
    if isinstance(error, Http404):
        detail = "There is no such object, or you may not see it."
    elif isinstance(error, PermissionDenied):
        detail = "You may not do this."
    else:
        detail = str(getattr(error, "detail", error))
    return _answer(problem(response.status_code, detail, instance=instance), response)


def _expected(error: Exception) -> _Expected | None:
    """Return status, detail and errors of a failure that is not REST framework's own, None for any other."""
    for kind, answer in _ANSWERS:
        if isinstance(error, kind):
            return answer(error)
    return None


def _broken_contract(error: Exception) -> _Expected:
    # A file of this server is broken: nothing that the caller could change, and no path for them to read.
    logger.error("a contract cannot be read", extra={"error": str(error)})
    return 500, "A contract of this server cannot be read; its log says which.", ()


def _unavailable(error: Exception) -> _Expected:
    if not isinstance(error, RegistryError):
        return 503, str(error), ()
    # Its own words may name hosts and paths.
    logger.warning("the model registry does not answer", extra={"error": str(error)})
    return 503, "The model registry does not answer; try again in a moment.", ()


def _unstorable(error: Exception) -> _Expected:
    logger.warning("PostgreSQL refused a value", extra={"error": str(error)})
    return 422, "The request has a value that the database cannot hold, such as a number too large.", ()


#: The one place that says which answer each kind of failure is; the first that fits counts.
_ANSWERS: tuple[tuple[type[Exception], Callable[[Any], _Expected]], ...] = (
    (InvalidInputError, lambda error: (422, _BAD_FIELDS, error.errors)),
    (NotFoundError, lambda error: (404, str(error), ())),
    (ConflictError, lambda error: (409, str(error), ())),
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
    return _answer(problem(500, FAULT, instance=_instance(context.get("request"))))


def _instance(request: Any) -> str | None:
    """Return the request's path as a URI, None where there is no request."""
    return None if request is None else escape_uri_path(request.path)


def _answer(body: dict[str, Any], basis: Response | None = None) -> Response:
    answer = _Problem(body, status=body["status"], content_type=MEDIA_TYPE)
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


def respond(
    request: HttpRequest, status: int, detail: str, errors: Sequence[FieldError] = ()
) -> HttpResponse:
    """Return a problem answer from outside of the API's views."""
    body = JSONRenderer().render(problem(status, detail, errors, instance=_instance(request)))
    return HttpResponse(body, status=status, content_type=MEDIA_TYPE)


@csrf_exempt
def not_found(request: HttpRequest) -> HttpResponse:
    """Answer an address below /api/ that does not exist, for every method."""
    try:
        slashed = resolve(f"{request.path_info}/").func is not not_found
    except Resolver404:
        slashed = False
    hint = f"did you mean {request.path}/ ?" if slashed else "see /api/docs/."
    return respond(request, 404, f"There is nothing at {request.path}; {hint}")
