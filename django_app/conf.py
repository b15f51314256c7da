"""Hotclub's settings for Django, as REST framework has its ``api_settings``: read when asked for, each with a default.

A project sets ``HOTCLUB_LANDING`` and the like in its own settings module, and only what differs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings

from hotclub import contract_files, declarations


class HotclubSettings:
    """What the reusable apps read. The defaults are everything on this machine."""

    @property
    def contracts(self) -> list[Path]:
        """The folders of published contracts: the setting, else the variable HOTCLUB_CONTRACTS, else the declaring apps'."""
        configured = self._get("CONTRACTS", None)
        return list(contract_files.folders() or contract_roots()) if configured is None else list(configured)

    @property
    def landing(self) -> Path:
        """Where files land."""
        return Path(self._get("LANDING", "var/landing"))

    @property
    def archive(self) -> Path:
        """Accepted files by sha256."""
        return Path(self._get("ARCHIVE", "var/archive"))

    @property
    def cache(self) -> Path:
        """Model packages by digest."""
        return Path(self._get("CACHE", "var/cache"))

    @property
    def mlflow_url(self) -> str:
        """The address of MLflow."""
        return str(self._get("MLFLOW_URL", "http://127.0.0.1:5000"))

    @property
    def airflow_url(self) -> str:
        """The address of Airflow."""
        return str(self._get("AIRFLOW_URL", "http://127.0.0.1:8080"))

    @property
    def airflow_username(self) -> str:
        """Django's own account in Airflow."""
        return str(self._get("AIRFLOW_USERNAME", "django"))

    @property
    def airflow_password(self) -> str:
        """Its password."""
        return str(self._get("AIRFLOW_PASSWORD", ""))

    @staticmethod
    def _get(name: str, default: Any) -> Any:
        return getattr(settings, f"HOTCLUB_{name}", default)


hotclub_settings = HotclubSettings()


def contracts_root(app_label: str) -> Path:
    """Return the folder of an app's contract files."""
    return Path(apps.get_app_config(app_label).path) / "contracts"


def contract_roots() -> list[Path]:
    """Return the contract folders of the apps that declare anything, and those of the variable HOTCLUB_CONTRACTS."""
    declared = (*declarations.sources.values(), *declarations.models.values())
    configs = [apps.get_containing_app_config(cls.__module__) for cls in declared]
    labels = sorted({config.label for config in configs if config is not None})
    roots = [contracts_root(label) for label in labels] + contract_files.folders()
    return list(dict.fromkeys(root.resolve() for root in roots))
