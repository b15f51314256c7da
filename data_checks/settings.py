"""What data_checks reads from the environment."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The variables of data_checks, prefix ``HOTCLUB_``.

    Attributes:
        stager_database_url: PostgreSQL as role hotclub_stager; needed by stage, check and unstage only.
        checks_socket: of the process in whose forks commands run; `__main__` reads it before anything else is imported.
    """

    model_config = SettingsConfigDict(env_prefix="HOTCLUB_", extra="ignore")

    stager_database_url: SecretStr | None = None
    checks_socket: str = ""
