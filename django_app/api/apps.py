"""The API app."""

from __future__ import annotations

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The operational API: one router for the endpoints of the other apps."""

    name = "django_app.api"
    label = "api"
    verbose_name = "API"
