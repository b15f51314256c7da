"""The flights app."""

from __future__ import annotations

from django.apps import AppConfig


class FlightsConfig(AppConfig):
    """The example domain: every flight that left New York City in 2013."""

    name = "django_app.flights"
    label = "flights"
    verbose_name = "Flights"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect to the signal of loaded deliveries."""
        from django_app.flights import receivers  # noqa: F401, PLC0415  # models have to be ready first
