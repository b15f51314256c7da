"""Tests: cheap password hashes, nothing else different from local."""

from __future__ import annotations

from django_app.config.settings.local import *  # noqa: F403  # a settings module is its base plus differences

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
