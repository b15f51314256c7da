"""Everything below ``/health/``."""

from __future__ import annotations

from django.urls import path

from django_app.api.health import live, ready

urlpatterns = [path("live", live, name="health-live"), path("ready", ready, name="health-ready")]
