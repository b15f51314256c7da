"""What the launcher reads from the environment and from the file ``.env`` at the root of the repository."""

from __future__ import annotations

import datetime as dt
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hotclub import contract_files
from stack.errors import StackError

#: The root of the repository.
ROOT = Path(__file__).resolve().parent.parent
PREFIX = "HOTCLUB_"
_SECRET_SUFFIXES = ("_DATABASE_URL", "_BROKER_URL", "_PASSWORD", "_TOKEN", "_SECRET_KEY")


class Settings(BaseSettings):
    """The variables of the launcher, prefix ``HOTCLUB_``. A variable set to nothing counts as not set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ROOT / ".env", extra="ignore", env_ignore_empty=True
    )

    home: Path = Field(default=Path("var"), description="where all state lives; relative to the repository")
    port_shift: int = Field(
        default=0, ge=0, le=50_000, description="added to every port, so that two stacks fit"
    )
    postgres_url: SecretStr | None = Field(
        default=None,
        description="an administrator's login on a PostgreSQL of yours; the embedded one stays off",
    )
    redis_url: SecretStr | None = Field(
        default=None, description="a Redis of yours; the embedded one stays off"
    )
    demo: bool = Field(default=True, description="0: the services without flights and its data")
    demo_history_from: dt.date = Field(
        default=dt.date(2013, 1, 1), description="the first day of history that the demo loads"
    )
    worker_concurrency: int = Field(default=2, ge=1, description="processes of the Celery worker")
    apps: str = Field(
        default="", description="your own Django apps, comma-separated, installed in this environment"
    )
    contracts: str | None = Field(
        default=None,
        description="folders of contract files, separated as in PATH; default: those of the apps",
    )

    @field_validator("home")
    @classmethod
    def _from_root(cls, value: Path) -> Path:
        return (ROOT / value.expanduser()).resolve()

    def contract_folders(self) -> str:
        """Return HOTCLUB_CONTRACTS for the services: what was set, or the folder of every app that declares."""
        if self.contracts is not None:
            return self.contracts
        declaring = ["django_app.flights"] if self.demo else []
        declaring += [name.strip() for name in self.apps.split(",") if name.strip()]
        return contract_files.join_folders(_folder(name) / "contracts" for name in declaring)


def _folder(app: str) -> Path:
    """Return the folder of a Django app without importing it.

    Raises:
        StackError: it is not installed here.
    """
    try:
        spec = importlib.util.find_spec(app)
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise StackError(
            f"HOTCLUB_APPS names {app}, which is not a package of this environment",
            f"Install your project into it: {sys.prefix}/bin/uv pip install --python {sys.executable} -e /your/project",
        )
    return Path(next(iter(spec.submodule_search_locations)))


def load() -> Settings:
    """Read the settings.

    Raises:
        StackError: a variable has a value that it cannot have.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
        raise StackError("; ".join(lines), "Correct it in the environment or in .env.") from None


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the HOTCLUB variables of the environment and ``.env`` that are not the launcher's own.

    They belong to the settings of single services, which choose what they read. Secrets are not among
    them: each service gets its own from the launcher, and no other's.
    """
    own = {PREFIX + name.upper() for name in Settings.model_fields}
    found = {**dotenv_values(ROOT / ".env"), **environ}
    return {
        name: value
        for name, value in found.items()
        if value and name.startswith(PREFIX) and name not in own and not name.endswith(_SECRET_SUFFIXES)
    }
