"""Passwords and keys are generated once and belong to their owner."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from stack import postgres, secrets
from stack.home import Home
from stack.roles import DATABASE_ROLES, LOGIN_ROLES


def mode(path: Path) -> int:
    """Return the permission bits of a path."""
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_may_read(home: Home) -> None:
    """The folder is 0700 and every file in it 0600."""
    secrets.ensure(home)

    assert mode(home.secrets) == 0o700
    assert {path.name: mode(path) for path in home.secrets.iterdir()} == {
        "secrets.json": 0o600,
        "passwords.txt": 0o600,
        "airflow_users.json": 0o600,
    }


def test_secrets_stay_the_same_and_new_ones_are_added(home: Home) -> None:
    """A second start keeps every secret; one that an older version did not know is generated."""
    first = secrets.ensure(home)
    assert secrets.ensure(home) == first

    path = home.secrets / "secrets.json"
    kept = json.loads(path.read_text())
    del kept["airflow_jwt_secret"], kept["role_passwords"]["mlflow"]
    path.write_text(json.dumps(kept))
    second = secrets.ensure(home)

    assert second.airflow_jwt_secret
    assert second.airflow_jwt_secret != first.airflow_jwt_secret
    assert second.django_secret_key == first.django_secret_key
    assert set(second.role_passwords) == {*LOGIN_ROLES, *DATABASE_ROLES}


def test_no_two_secrets_are_equal(home: Home) -> None:
    """No secret stands in for another."""
    made = secrets.ensure(home)
    values = [v for k, v in vars_of(made).items() if k != "role_passwords"] + [*made.role_passwords.values()]

    assert len(set(values)) == len(values)


def vars_of(made: secrets.Secrets) -> dict[str, str]:
    """Return the fields of a dataclass with slots."""
    return {name: getattr(made, name) for name in made.__slots__}


def test_people_find_their_passwords_in_one_file(home: Home) -> None:
    """What Airflow reads and what people read agree."""
    secrets.ensure(home)
    users = json.loads(secrets.airflow_users_file(home).read_text())
    text = secrets.passwords_file(home).read_text()

    assert all(users[name] in text for name in ("admin", "engineer", "owner"))


@pytest.mark.usefixtures("services")
def test_preparing_postgres_leaves_secrets_closed(home: Home) -> None:
    """The server's user may pass through the folders above its data, not into the secrets."""
    secrets.ensure(home)
    postgres.prepare(home.postgres / "data", home.root, "password", throwaway=True)

    assert mode(home.secrets) == 0o700
    assert mode(home.run) == 0o700
    assert mode(home.postgres / "data") == 0o700


def test_no_traceback_shows_a_secret(home: Home) -> None:
    """Representations end up in logs."""
    made = secrets.ensure(home)
    assert made.admin_password not in repr(made)
