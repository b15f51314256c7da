"""What serving reads from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The variables of serving, prefix ``HOTCLUB_``.

    Attributes:
        mlflow_url: the model registry.
        serving_database_url: PostgreSQL as role hotclub_serving; without it only instances are answered.
        cache: packages by digest, and the file that remembers what was live.
        serving_poll_seconds: between two looks at the registry.
        serving_retry_seconds: how long a version that failed to load is left alone; it doubles up to ten times that.
        serving_threads: of the engine, per prediction.
        serving_max_rows: instances or entities in one request.
        serving_max_bytes: of a request's body.
        serving_drain_seconds: how long a replaced version may go on answering what it has begun.
    """

    model_config = SettingsConfigDict(env_prefix="HOTCLUB_", extra="ignore")

    mlflow_url: str = "http://127.0.0.1:5000"
    serving_database_url: SecretStr | None = None
    cache: Path = Path("var/cache")
    serving_poll_seconds: float = Field(default=1.0, gt=0)
    serving_retry_seconds: float = Field(default=30.0, gt=0)
    serving_threads: int = Field(default=1, ge=1)
    serving_max_rows: int = Field(default=1000, ge=1)
    serving_max_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    serving_drain_seconds: float = Field(default=30.0, ge=0)
