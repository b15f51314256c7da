"""What every view of the API refuses instead of ignoring it: unknown, repeated and empty parameters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.views import APIView

from django_app.api.json_body import StrictJSONParser
from django_app.api.pagination import Pages
from hotclub.errors import FieldError, InvalidInputError

# A mixin for views; for the type checker it is one.
if TYPE_CHECKING:
    _View = APIView
else:
    _View = object


class _ByAcceptAlone(DefaultContentNegotiation):
    """Without REST framework's ``?format=``: it is a parameter like any other that is not known."""

    def filter_renderers(self, renderers: Any, format: str) -> Any:  # noqa: A002  # REST framework's name
        """Return every renderer."""
        del format
        return renderers


class StrictView(_View):
    """Goes in front of a view set: a filter that is mistyped is an error, never a list without filters.

    Attributes:
        filters: the serializer of the list's query parameters.
        paged_actions: actions that answer a page at a time.
    """

    parser_classes: Sequence[type[BaseParser]] = (StrictJSONParser,)
    content_negotiation_class: type[BaseContentNegotiation] = _ByAcceptAlone
    filters: type[serializers.Serializer[Any]] | None = None
    paged_actions: Collection[str] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check query and body after login and permission, before the view's own method.

        Raises:
            InvalidInputError: with each parameter that is unknown, repeated or empty.
        """
        super().initial(request, *args, **kwargs)
        action = getattr(self, "action", None)
        if action is None:
            return  # a method that is not allowed: that is what the answer will say
        require_known(request, self._known(action))
        if request.method not in SAFE_METHODS:
            request.data  # noqa: B018  # parsed here even where a view does not look at it: a broken body is never accepted

    def _known(self, action: str) -> list[str]:
        filters = self.filters().fields if self.filters is not None and action == "list" else ()
        return [*filters, *(Pages.PARAMETERS if action in self.paged_actions else ())]


class StrictSerializer(serializers.Serializer[Any]):
    """A body without unknown fields: a mistyped optional one must not count as left out."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the checked values.

        Raises:
            ValidationError: with every unknown field, together with the errors of the known ones.
        """
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, Mapping) else []
        errors: dict[str, Any] = {str(name): [_unknown(self.fields)] for name in unknown}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if not errors or not isinstance(error.detail, dict):
                raise
            raise serializers.ValidationError({**error.detail, **errors}) from error
        if errors:
            raise serializers.ValidationError(errors)
        return value


def require_known(request: Request, known: Collection[str]) -> None:
    """Refuse query parameters that the view does not know, and values that say nothing.

    Raises:
        InvalidInputError: with each of them.
    """
    errors = []
    for name, values in request.query_params.lists():
        shown = name.replace("\0", "\\0")
        if name not in known:
            errors.append(FieldError(shown, _unknown(known)))
        elif len(values) > 1:
            errors.append(FieldError(shown, "is given more than once; which one is meant?"))
        elif not values[0]:
            errors.append(FieldError(shown, "has no value; leave it out, or give one"))
        elif "\0" in values[0]:
            errors.append(FieldError(shown, "has the character U+0000, which is not allowed"))
    if errors:
        raise InvalidInputError(errors)


def _unknown(known: Iterable[str]) -> str:
    listed = ", ".join(known)
    return f"is not known here; there are: {listed}" if listed else "is not known here; there are none"
