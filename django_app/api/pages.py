"""Answers to what no view handled: problem+json below the API's address, else a page that says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from django.core.exceptions import BadRequest, DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

from django_app.api import exception_handlers
from hotclub.errors import FieldError

_HOST = (
    "The server does not accept the host name of this request. Use the address in HOTCLUB_DJANGO_URL, or add "
    "the name to ALLOWED_HOSTS."
)
_FORM = (
    "The form was not accepted: it did not come from a page of this site that you have open now. Most often you "
    "logged in or out in another tab since the page was loaded, or the browser keeps no cookies. Go back, load "
    "the page again, and send the form again. If every form is refused, HOTCLUB_DJANGO_URL is not the address in your browser."
)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400: a host name that is not ours, a character that nothing here has, a suspicious form."""
    if isinstance(exception, DisallowedHost):
        detail = _HOST
    else:
        # What Django itself found suspicious is for its log, not for the sender.
        reason = str(exception) if isinstance(exception, BadRequest) else ""
        detail = reason or "The request cannot be understood."
    return _answer(request, 400, detail, getattr(exception, "errors", ()))


def denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403: logged in, without the right."""
    del exception
    user = getattr(request, "user", None)
    who = f"You are logged in as {user.get_username()}, who" if user and user.is_authenticated else "You"
    return _answer(
        request,
        403,
        f"{who} may not see or do this. An administrator gives the right: Users, then the user's groups and "
        "permissions. Or log out and log in as somebody who has it.",
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403: a form without a fresh token."""
    return _answer(request, 403, f"{_FORM} ({reason})" if reason else _FORM)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404: an address that does not exist, or a row that is not there for this user."""
    del exception
    detail = f"There is nothing at {request.path}, or you may not see it."
    return _answer(request, 404, detail)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500: an error of the server, whose traceback is in the log."""
    return _answer(request, 500, exception_handlers.FAULT)


def _answer(request: HttpRequest, code: int, detail: str, errors: Sequence[FieldError] = ()) -> HttpResponse:
    if request.path.startswith(reverse("schema").removesuffix("schema/")):
        return exception_handlers.respond(request, code, detail, errors)
    # Without the request: context processors would ask a database that may be what failed.
    context = {"title": f"{code} {HTTPStatus(code).phrase}", "detail": detail, "home": reverse("admin:index")}
    return HttpResponse(render_to_string("hotclub/error.html", context), status=code)
