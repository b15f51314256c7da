"""The variables that Django and its Celery workers read, typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hotclub import names


class Environment(BaseSettings):
    """Django's settings from the environment, prefix ``HOTCLUB_``.

    What has a default works on a developer's machine; staging and production refuse the defaults of secrets.
    """

    model_config = SettingsConfigDict(env_prefix="HOTCLUB_", extra="ignore", env_ignore_empty=True)

    settings: Literal["local", "test", "staging", "production"] = "local"
    secret_key: SecretStr | None = None
    database_url: SecretStr = SecretStr("postgresql:///hotclub")
    broker_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")

    demo: bool = Field(default=True, description="whether the example app, flights, is installed")
    apps: str = Field(default="", description="your own apps, comma-separated, installed in this environment")
    landing: Path = Path("var/landing")
    archive: Path = Path("var/archive")
    cache: Path = Path("var/cache")

    mlflow_url: str = "http://127.0.0.1:5000"
    airflow_url: str = "http://127.0.0.1:8080"
    airflow_username: str = "django"
    airflow_password: SecretStr = SecretStr("")
    django_url: str = "http://127.0.0.1:8000"

    service_token: SecretStr | None = Field(default=None, description="read by ensure_accounts")
    admin_password: SecretStr | None = Field(default=None, description="read by demo_users")
    engineer_password: SecretStr | None = Field(default=None, description="read by demo_users")
    owner_password: SecretStr | None = Field(default=None, description="read by demo_users")

    @field_validator("mlflow_url", "airflow_url", "django_url")
    @classmethod
    def _without_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

    def own_apps(self, example: str) -> list[str]:
        """Return the apps that declare models: `example` in the demo, and yours."""
        named = [name.strip() for name in self.apps.split(",") if name.strip()]
        return [example, *named] if self.demo else named

    def database(self) -> dict[str, Any]:
        """Return Django's entry for the database.

        The migrator acts as the owner of the tables, so that one role owns them, no matter which login migrates.
        """
        parts = conninfo_to_dict(self.database_url.get_secret_value())
        user = str(parts.pop("user", "") or "")
        entry: dict[str, Any] = {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.pop("dbname", "") or "hotclub",
            "USER": user,
            "PASSWORD": parts.pop("password", "") or "",
            "HOST": parts.pop("host", "") or "",
            "PORT": parts.pop("port", "") or "",
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": dict(parts),
        }
        if user == names.ROLE_MIGRATOR:
            entry["OPTIONS"]["assume_role"] = names.ROLE_OWNER
        return entry
