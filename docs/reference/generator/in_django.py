"""Django, loaded once, for pages that ask it: with the settings of tests, which need nothing that runs."""

from __future__ import annotations

import os

import django
from django.apps import apps


def load() -> None:
    """Load Django where it is not loaded yet."""
    if not apps.ready:
        os.environ["DJANGO_SETTINGS_MODULE"] = "django_app.config.settings.test"
        django.setup()
