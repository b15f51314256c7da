"""Who may call what, beyond being logged in."""

from __future__ import annotations

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from django_app.tenants.selectors import sees_every_tenant


class ActsForAnyTenant(BasePermission):
    """The service account and superusers: calls that DAGs make."""

    message = "Only the service account may do this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the caller acts for every tenant."""
        return bool(request.user and request.user.is_authenticated and sees_every_tenant(request.user))
