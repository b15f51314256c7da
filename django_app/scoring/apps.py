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
        """Answer which contract versions unfinished batches read."""
        from django_app.contracts.signals import contracts_in_use  # noqa: PLC0415  # models are loaded by now, not before
        from django_app.scoring.contract_usage import answer_contracts_in_use  # noqa: PLC0415  # as above

        contracts_in_use.connect(answer_contracts_in_use, dispatch_uid="hotclub.scoring.contracts_in_use")
