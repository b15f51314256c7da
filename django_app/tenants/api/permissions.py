"""Who may call what, beyond being logged in."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from django_app.tenants.selectors import sees_every_tenant


class ActsForAnyTenant(IsAuthenticated):
    """The service account and superusers: calls that DAGs make.

    Asked per object, after the object was looked up among the caller's own: others' objects stay 404.
    """

    message = "Only the service account may do this."

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        """Return whether the caller acts for every tenant."""
        del view, obj
        return sees_every_tenant(request.user)
