"""The ingest app's routes."""

from __future__ import annotations

from django_app.ingest.api.views import DeliveryViewSet, RefusedFileViewSet

ROUTES = (
    ("deliveries", DeliveryViewSet, "delivery"),
    ("refused-files", RefusedFileViewSet, "refused-file"),
)
