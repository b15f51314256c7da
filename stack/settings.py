"""What the launcher reads from the environment and from the file ``.env`` at the root of the repository."""

from __future__ import annotations

import datetime as dt
import difflib
import importlib.util
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hotclub import contract_files, names
from stack import ports
from stack.errors import StackError

#: The root of the repository.
ROOT = Path(__file__).resolve().parent.parent
PREFIX = "HOTCLUB_"
_SECRET_SUFFIXES = ("_DATABASE_URL", "_BROKER_URL", "_PASSWORD", "_TOKEN", "_SECRET_KEY")
#: The source of a variable that was typed or exported.
ENVIRONMENT = "the environment"
#: What our own tests read; it changes nothing that runs.
_TEST_PREFIX = "HOTCLUB_TEST_"
_IN_EXAMPLE = re.compile(r"^#?(HOTCLUB_[A-Z0-9_]+)=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Given:
    """The value of a variable that is set now.

    Attributes:
        source: where, in words.
    """

    value: str
    source: str


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
        try:
            return (ROOT / value.expanduser()).resolve()
        except RuntimeError as error:
            raise ValueError(f"{value} begins with ~ and the name of no user") from error

    @field_validator("port_shift")
    @classmethod
    def _keeps_stacks_apart(cls, value: int) -> int:
        problem = ports.shift_problem(value)
        if problem is not None:
            raise ValueError(f"{value} does not fit: {problem}. {ports.suggestion()} does")
        return value

    @field_validator("apps")
    @classmethod
    def _without_spaces(cls, value: str) -> str:
        return ",".join(name.strip() for name in value.split(",") if name.strip())

    def app_names(self) -> list[str]:
        """Return the apps of HOTCLUB_APPS."""
        return self.apps.split(",") if self.apps else []

    def contract_folders(self) -> str:
        """Return HOTCLUB_CONTRACTS for the services: what was set, or the folder of every app that declares."""
        if self.contracts is not None:
            return self.contracts
        declaring = ["django_app.flights"] if self.demo else []
        declaring += self.app_names()
        return contract_files.join_folders(folder_of_app(name) / "contracts" for name in declaring)


def folder_of_app(app: str) -> Path:
    """Return the folder of a Django app without importing it.

    Raises:
        StackError: it is not installed here.
    """
    try:
        spec = importlib.util.find_spec(app)
    except Exception:  # noqa: BLE001 - for a dotted name the packages above are imported, which is code of anybody's
        spec = None
    # An editable package without __init__.py names a path hook before its folders.
    places = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        raise StackError(
            f"HOTCLUB_APPS names {app}, which is not a package of this environment",
            f"Install your project into it: {sys.prefix}/bin/uv pip install --python {sys.executable} -e /your/project",
        )
    return folder


def load(variables: Mapping[str, str], remembered: Collection[str] = ()) -> Settings:
    """Return the settings that ``variables`` give; the process's environment is not looked at.

    Args:
        variables: by name, ``HOTCLUB_`` included; other parts' variables are passed over.
        remembered: the names among them that nobody set now, for the message.

    Raises:
        StackError: a variable has a value that it cannot have.
    """
    values = {
        # Every field, so that pydantic asks neither the environment nor .env for the others.
        name: variables.get(PREFIX + name.upper(), field.default)
        for name, field in Settings.model_fields.items()
    }
    try:
        return Settings(**values)
    except ValidationError as error:
        lines = []
        for found in error.errors():
            variable = f"{PREFIX}{str(found['loc'][0]).upper()}"
            known = " (remembered from the last start)" if variable in remembered else ""
            lines.append(f"{variable}{known}: {found['msg'].removeprefix('Value error, ')}")
        raise StackError("; ".join(lines), "Correct it in the environment or in .env.") from None


def text_of(settings: Settings, variable: str) -> str:
    """Return the value of one of the launcher's own variables as text that `load` reads; empty for None."""
    value = getattr(settings, variable.removeprefix(PREFIX).lower())
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return "1" if value else "0"
    return "" if value is None else str(value)


def own_variables() -> set[str]:
    """Return the names of the launcher's own variables."""
    return {PREFIX + name.upper() for name in Settings.model_fields}


def given(environ: Mapping[str, str]) -> dict[str, Given]:
    """Return the HOTCLUB variables that are set now: in the environment, which wins, or in ``.env``.

    A variable set to nothing counts as not set. Secrets of single services are not among them: each service
    gets its own from the launcher, and no other's.

    Raises:
        StackError: a name that nobody reads looks like one of ours.
    """
    env_file = Settings.model_config.get("env_file")
    written = dotenv_values(env_file) if isinstance(env_file, Path) else {}
    found: dict[str, Given] = {}
    for source, values in ((".env", written), (ENVIRONMENT, environ)):
        for key, value in values.items():
            name = key.upper()
            if value and value.strip() and name.startswith(PREFIX) and not name.endswith(_SECRET_SUFFIXES):
                found[name] = Given(value, source)
    found = {n: v for n, v in found.items() if n != names.VARIABLE_STACK and not n.startswith(_TEST_PREFIX)}
    _refuse_misspelt(found)
    return found


def passed_on(variables: Mapping[str, str]) -> dict[str, str]:
    """Return those of ``variables`` that belong to the settings of single services, which choose what they read."""
    return {name: value for name, value in variables.items() if name not in own_variables()}


def _refuse_misspelt(found: Mapping[str, Given]) -> None:
    """A variable that is misspelt would start something else than was meant, such as the example."""
    shared = {str(value) for name, value in vars(names).items() if name.startswith("VARIABLE_")}
    known = shared | own_variables() | set(_IN_EXAMPLE.findall((ROOT / ".env.example").read_text()))
    endings = [name.removeprefix(PREFIX) for name in known]
    for name in sorted(set(found) - known):
        close = difflib.get_close_matches(name.removeprefix(PREFIX), endings, n=1, cutoff=0.75)
        if close:
            raise StackError(
                f"{name}, set in {found[name].source}, is read by nobody; {PREFIX}{close[0]} is",
                "Correct the name. If it is a variable of your own code, give it another prefix than HOTCLUB_.",
            )
