"""The contracts app's routes."""

from __future__ import annotations

from django_app.contracts.api.views import ContractViewSet

ROUTES = (("contracts", ContractViewSet, "contract"),)
