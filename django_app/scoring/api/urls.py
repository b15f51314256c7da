"""The scoring app's routes."""

from __future__ import annotations

from django_app.scoring.api.views import BatchViewSet, PredictionRequestViewSet

ROUTES = (
    ("prediction-requests", PredictionRequestViewSet, "prediction-request"),
    ("batches", BatchViewSet, "batch"),
)
