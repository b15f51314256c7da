"""One machine: the launcher's settings."""

from __future__ import annotations

from django_app.config.settings.base import *  # noqa: F403  # a settings module is its base plus differences
from django_app.config.settings.base import SECRET_KEY as _SECRET_KEY

# Good enough to run a command on a laptop; the launcher always sets a generated one.
SECRET_KEY = _SECRET_KEY or "local-and-only-local"
