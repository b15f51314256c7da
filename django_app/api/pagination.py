"""Pages of a list."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request

from hotclub.errors import InvalidInputError


class Pages(PageNumberPagination):
    """``?page=2&page_size=100``; at most 1000 a page."""

    page_size = 50
    page_query_param = "page"
    page_size_query_param = "page_size"
    max_page_size = 1000
    #: Query parameters of every list.
    PARAMETERS = (page_query_param, page_size_query_param)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        """Return the rows of the page that is asked for.

        Raises:
            InvalidInputError: the page or its size is no number that a page can have.
            NotFound: there is no such page.
        """
        page = request.query_params.get(self.page_query_param, "1")
        if page not in self.last_page_strings and not _is_count(page):
            raise InvalidInputError.of(self.page_query_param, "must be a number from 1, or last")
        size = request.query_params.get(self.page_size_query_param, "1")
        if not _is_count(size) or int(size) > self.max_page_size:
            raise InvalidInputError.of(
                self.page_size_query_param, f"must be a number from 1 to {self.max_page_size}"
            )
        try:
            return super().paginate_queryset(queryset, request, view)
        except NotFound as error:
            raise NotFound(f"page: there is no page {page}; begin at page 1 and follow next.") from error


def _is_count(text: str) -> bool:
    # Nine digits are more pages than there will be; int() of very many digits is refused or slow.
    return text.isascii() and text.isdigit() and len(text) <= 9 and int(text) >= 1
