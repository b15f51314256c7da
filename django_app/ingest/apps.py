"""The ingest app."""

from __future__ import annotations

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """Files that land, and how they reach Django's tables."""

    name = "django_app.ingest"
    label = "ingest"
    verbose_name = "Deliveries"
    default_auto_field = "django.db.models.BigAutoField"
