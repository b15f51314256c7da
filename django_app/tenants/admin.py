"""Tenants and memberships in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from django_app.tenants.admin_base import ScopedAdmin
from django_app.tenants.models import Membership, Tenant
from django_app.typed_admin import TabularInline


class MembershipInline(TabularInline):
    """Members on the tenant's page."""

    model = Membership
    extra = 0
    raw_id_fields = ("user",)


@admin.register(Tenant)
class TenantAdmin(ScopedAdmin):
    """Tenants with their members."""

    tenant_path = "pk"
    list_display = ("slug", "name", "timezone", "members")
    search_fields = ("slug", "name")
    ordering = ("slug",)  # the model's own is lost where members are counted
    inlines = (MembershipInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        """Add the number of members."""
        tenants: QuerySet[Tenant] = super().get_queryset(request).annotate(member_count=Count("memberships"))
        return tenants

    @admin.display(description="members", ordering="member_count")
    def members(self, tenant: Any) -> int:
        """Return the number of members."""
        return int(tenant.member_count)
