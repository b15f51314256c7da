"""The example project: settings, urls, and the WSGI and Celery entry points."""

from __future__ import annotations

import os


def select_settings() -> None:
    """Point Django at the settings that ``HOTCLUB_SETTINGS`` names; ``local`` where it is not set."""
    name = os.environ.get("HOTCLUB_SETTINGS") or "local"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"django_app.config.settings.{name}")


# Tasks are enqueued through this app and its broker, from every thread.
from django_app.config.celery import app as celery_app  # noqa: E402  # celery.py asks for select_settings

__all__ = ["celery_app", "select_settings"]
