"""What admins use of django-unfold, with the types that it does not publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from unfold import decorators

if TYPE_CHECKING:
    from django.contrib import admin

    # Unfold's classes are Django's with another look. Not generic at run time, so never subscripted in an app.
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    from unfold.admin import ModelAdmin, TabularInline

__all__ = ["ModelAdmin", "TabularInline", "display"]

_Method = TypeVar("_Method", bound=Callable[..., Any])


def display(
    *, description: str, ordering: str | None = None, label: Mapping[str, str] | None = None
) -> Callable[[_Method], _Method]:
    """Return unfold's decorator of a method that shows a value.

    Args:
        description: the heading.
        ordering: the field that the list is ordered by.
        label: the badge's colour for each value, or for the first of two values where the method returns two.
    """
    decorator: Callable[[_Method], _Method] = decorators.display(
        description=description, ordering=ordering, label=label
    )
    return decorator
