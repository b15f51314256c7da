"""What no view should have to think of."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse

from hotclub.errors import FieldError


class NulError(BadRequest):
    """A request with U+0000 where a text goes that PostgreSQL is asked about; it has no such character."""

    def __init__(self, places: list[str]) -> None:
        self.errors = [
            FieldError(place, "has the character U+0000, which is not allowed") for place in places
        ]
        super().__init__(f"{', '.join(places)}: has the character U+0000, which is not allowed.")


class RefuseNul:
    """Answers 400 to U+0000 in address, query, cookies and token: a query with it would end as 500.

    Forms and the API's bodies check for themselves.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on what is clean.

        Raises:
            NulError: with the places.
        """
        if places := sorted(set(self._places(request))):
            raise NulError(places)
        return self._get_response(request)

    @staticmethod
    def _places(request: HttpRequest) -> Iterator[str]:
        if "\0" in request.path_info:
            yield "address"
        if "\0" in request.headers.get("Authorization", ""):
            yield "Authorization"
        for name, values in request.GET.lists():
            if any("\0" in text for text in (name, *values)):
                yield name.replace("\0", "\\0")
        for name, value in request.COOKIES.items():
            if "\0" in value:
                yield f"cookie {name}"
