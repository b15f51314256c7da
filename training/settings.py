"""The variables that training reads."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class TrainingSettings(BaseSettings):
    """Where the data, the registry and the working folders are."""

    model_config = SettingsConfigDict(env_prefix="HOTCLUB_", extra="ignore")

    reader_database_url: SecretStr = SecretStr("postgresql:///hotclub")
    mlflow_url: str = "http://127.0.0.1:5000"
    snapshots: Path = Path("var/snapshots")
    cache: Path = Path("var/cache")
    training_threads: int = Field(default=os.cpu_count() or 1, ge=1)
