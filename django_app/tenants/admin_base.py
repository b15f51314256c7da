"""What the admins of every app share: rows of the user's own tenants only, and read-only pages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from django_app.tenants.selectors import scoped, tenants_of
from django_app.typed_admin import ModelAdmin

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


class TenantFilter(admin.RelatedFieldListFilter):
    """A filter by tenant that names a user their own tenants only: ``list_filter = (("tenant", TenantFilter),)``."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[str, _StrOrPromise]]:
        """Return key and name of each tenant that the user may see."""
        ordering = self.field_admin_ordering(field, request, model_admin)
        mine = {"pk__in": tenants_of(request.user).values("pk")}
        choices: list[tuple[str, _StrOrPromise]] = field.get_choices(
            include_blank=False, ordering=ordering, limit_choices_to=mine
        )
        return choices


class OwnValuesFilter(admin.AllValuesFieldListFilter):
    """A filter by a text whose values are those of the user's own rows: ``(("delivery__source", OwnValuesFilter),)``.

    Django's own lists the values of every row where the field is another model's.
    """

    def __init__(
        self,
        field: Any,
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Any],
        model_admin: admin.ModelAdmin[Any],
        field_path: str,
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        rows = model_admin.get_queryset(request)
        self.lookup_choices = rows.order_by(field_path).values_list(field_path, flat=True).distinct()


class ScopedAdmin(ModelAdmin):
    """An admin that shows a user the rows of their own tenants only.

    Attributes:
        tenant_path: the lookup from the model to its tenant.
    """

    tenant_path = "tenant"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that the user may see."""
        return scoped(super().get_queryset(request), request.user, self.tenant_path)


class ReadOnly:
    """What machines write: people look and do not touch. Goes in front of a ModelAdmin."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: rows come from the machines alone."""
        del request, obj
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: the rows are the record of what happened."""
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: the rows are the record of what happened."""
        del request, obj
        return False


class ReadOnlyAdmin(ReadOnly, ScopedAdmin):
    """An admin of a tenant's rows that machines write."""


def pretty_json(value: object) -> SafeString:
    """Return JSON as a readable block."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre style="white-space: pre-wrap; max-width: 70em">{}</pre>', text)
