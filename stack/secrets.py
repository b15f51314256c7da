"""Passwords and keys: generated once, kept in HOME/secrets, readable by their owner alone."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from stack.database_roles import DATABASE_ROLES, LOGIN_ROLES
from stack.errors import StackError
from stack.home import Home

ADMIN_USERNAME: Final = "admin"
ENGINEER_USERNAME: Final = "engineer"
OWNER_USERNAME: Final = "owner"
#: Whom Django logs into Airflow as, to start runs.
AIRFLOW_SERVICE_USERNAME: Final = "django"
_FILE: Final = "secrets.json"


def _password() -> str:
    return secrets.token_urlsafe(18)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _role_passwords() -> dict[str, str]:
    return {role: _password() for role in (*LOGIN_ROLES, *DATABASE_ROLES)}


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """Every secret of one stack. Without a repr: a traceback or a log must not show them."""

    postgres_superuser: str
    role_passwords: dict[str, str]
    django_secret_key: str
    service_token: str
    airflow_fernet_key: str
    airflow_jwt_secret: str
    airflow_api_secret_key: str
    airflow_service_password: str
    supervisor_password: str
    admin_password: str
    engineer_password: str
    owner_password: str


_MAKERS: Final[dict[str, Callable[[], Any]]] = {
    "postgres_superuser": _password,
    "role_passwords": _role_passwords,
    "django_secret_key": lambda: secrets.token_urlsafe(48),
    # Django REST framework's token column holds 40 characters.
    "service_token": lambda: secrets.token_hex(20),
    "airflow_fernet_key": _fernet_key,
    "airflow_jwt_secret": lambda: secrets.token_urlsafe(48),
    "airflow_api_secret_key": lambda: secrets.token_urlsafe(32),
    "airflow_service_password": _password,
    "supervisor_password": _password,
    "admin_password": _password,
    "engineer_password": _password,
    "owner_password": _password,
}


def ensure(home: Home) -> Secrets:
    """Return the secrets of ``home``; generate what is not there, keep what is."""
    path = home.secrets / _FILE
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    values = {field.name: kept.get(field.name) or _MAKERS[field.name]() for field in fields(Secrets)}
    values["role_passwords"] = {**_role_passwords(), **values["role_passwords"]}
    if values != kept:
        write_private(path, json.dumps(values, indent=2))
    made = Secrets(**values)
    _add_airflow_users(home, made)
    return made


def write_for_people(home: Home, values: Secrets, *, demo: bool) -> None:
    """Write the file with the passwords for people.

    Args:
        home: of the stack.
        values: its secrets.
        demo: whether the stack has the example, with a tenant EWR and accounts in Django for all three.
    """
    _write_if_new(passwords_file(home), _for_people(values, demo=demo))


def passwords_file(home: Home) -> Path:
    """Return the file with the passwords for people."""
    return home.secrets / "passwords.txt"


def airflow_users_file(home: Home) -> Path:
    """Return the file in which Airflow's simple auth manager looks passwords up."""
    return home.secrets / "airflow_users.json"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _write_if_new(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        write_private(path, text)


def _add_airflow_users(home: Home, values: Secrets) -> None:
    """Write who is missing. A password that a person changed in the file stays, but for Django's own.

    Raises:
        StackError: the file is not what Airflow reads.
    """
    path = airflow_users_file(home)
    users = {
        ADMIN_USERNAME: values.admin_password,
        ENGINEER_USERNAME: values.engineer_password,
        OWNER_USERNAME: values.owner_password,
    }
    # Django logs in with what secrets.json says, so that is the truth about it.
    ours = {AIRFLOW_SERVICE_USERNAME: values.airflow_service_password}
    _write_if_new(path, json.dumps({**users, **_read_airflow_users(path), **ours}, indent=2))


def _read_airflow_users(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text() or "{}")
    except ValueError as error:
        found = error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise StackError(
            f"{path} is not a JSON object of usernames and passwords: Airflow could not read it",
            "Correct it, or remove it: then everybody in it has the first password again.",
        )
    return found


def _for_people(values: Secrets, *, demo: bool) -> str:
    engineer, owner = ("ML engineer", "data owner of EWR") if demo else ("Airflow operator", "Airflow viewer")
    where = (
        "All three can log in to Airflow and to Django's admin."
        if demo
        else "All three can log in to Airflow, and the administrator to Django's admin. This stack runs without the\n"
        "example: it makes no accounts in Django for the other two."
    )
    rows = (
        ("who", "username", "password"),
        ("administrator", ADMIN_USERNAME, values.admin_password),
        (engineer, ENGINEER_USERNAME, values.engineer_password),
        (owner, OWNER_USERNAME, values.owner_password),
    )
    table = "\n".join(f"{who:<20} {name:<14} {password}" for who, name, password in rows)
    return (
        "Passwords as they were generated. A password that was changed later, in Django's admin or in\n"
        "airflow_users.json (in this folder), is not shown here, and stays changed.\n\n"
        f"{where}\n"
        "MLflow has no login.\n\n"
        f"{table}\n\n"
        f"Service token of Django's API (Authorization: Token ...): {values.service_token}\n"
        f"PostgreSQL superuser: postgres {values.postgres_superuser}\n"
    )
