"""Production's settings on data that is not production's."""

from __future__ import annotations

from django_app.config.settings.production import *  # noqa: F403  # a settings module is its base plus differences
