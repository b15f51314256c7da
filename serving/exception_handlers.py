"""Errors as ``application/problem+json`` (RFC 9457), with every field's error at once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from hotclub.errors import FieldError, InvalidInputError
from hotclub.problem_json import ABOUT_BLANK, MEDIA_TYPE, problem

logger = logging.getLogger(__name__)


class ProblemError(Exception):
    """An answer other than a prediction.

    Args:
        status: the HTTP status.
        detail: one sentence: what is wrong and what to do.
        errors: per field, for 422.
        headers: of the response.
        problem_type: URI of the kind of problem.
        members: further members of the problem: ``model``, ``version``, ``known``.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        problem_type: str = ABOUT_BLANK,
        **members: Any,
    ) -> None:
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.problem_type = problem_type
        self.members = members
        super().__init__(detail)


def invalid_input(error: InvalidInputError, **members: Any) -> ProblemError:
    """Return the 422 of an input that the contract refuses."""
    count = len(error.errors)
    detail = f"The input has {count} error{'' if count == 1 else 's'}; each is in errors."
    return ProblemError(422, detail, errors=error.errors, problem_type=error.problem_type, **members)


def response(error: ProblemError, request: Request) -> JSONResponse:
    """Return the problem as a response."""
    body = problem(
        error.status,
        error.detail,
        error.errors,
        type=error.problem_type,
        instance=request.url.path,
        **error.members,
    )
    return JSONResponse(body, error.status, error.headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every kind of failure with a problem."""

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)  # noqa: S101  # for the type checker: that is what it is registered for
        return response(error, request)

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, InvalidInputError)  # noqa: S101  # as above
        return response(invalid_input(error), request)

    async def on_request_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101  # as above
        fields = [FieldError(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
        return response(invalid_input(InvalidInputError(fields)), request)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  # as above
        return response(ProblemError(error.status_code, str(error.detail), headers=error.headers), request)

    async def on_anything(request: Request, error: Exception) -> Response:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return response(ProblemError(500, "The service failed; its log says why."), request)

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(InvalidInputError, on_invalid)
    app.add_exception_handler(RequestValidationError, on_request_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_anything)
