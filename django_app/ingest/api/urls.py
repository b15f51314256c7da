"""The ingest app's routes."""

from __future__ import annotations

from django_app.ingest.api.views import DeliveryViewSet

ROUTES = (("deliveries", DeliveryViewSet, "delivery"),)
