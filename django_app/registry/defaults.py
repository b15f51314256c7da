"""Settings that the reusable apps read, for a project that does not set them: everything on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings

from django_app.registry import files

_DEFAULTS: dict[str, Any] = {
    "HOTCLUB_LANDING": Path("var/landing"),
    "HOTCLUB_ARCHIVE": Path("var/archive"),
    "HOTCLUB_CACHE": Path("var/cache"),
    "HOTCLUB_MLFLOW_URL": "http://127.0.0.1:5000",
    "HOTCLUB_AIRFLOW_URL": "http://127.0.0.1:8080",
    "HOTCLUB_AIRFLOW_USERNAME": "django",
    "HOTCLUB_AIRFLOW_PASSWORD": "",
}


def install() -> None:
    """Set what is missing. Contracts default to the folders of the apps that declare models."""
    for name, value in _DEFAULTS.items():
        if not hasattr(settings, name):
            setattr(settings, name, value)
    if not hasattr(settings, "HOTCLUB_CONTRACTS"):
        settings.HOTCLUB_CONTRACTS = files.contract_roots()
