"""The scoring app."""

from __future__ import annotations

from django.apps import AppConfig


class ScoringConfig(AppConfig):
    """Predictions by Celery: single requests and batches."""

    name = "django_app.scoring"
    label = "scoring"
    verbose_name = "Scoring"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the registry which contract versions unfinished batches read."""
        from django_app.registry import usage  # noqa: PLC0415  # models are loaded by now, not before
        from django_app.scoring import selectors  # noqa: PLC0415  # models are loaded by now, not before

        usage.providers.append(("is read by an unfinished batch", selectors.contract_fingerprints_in_use))
