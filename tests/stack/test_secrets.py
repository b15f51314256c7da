"""Passwords and keys are generated once and belong to their owner."""

from __future__ import annotations

import dataclasses
import json
import stat
from pathlib import Path

import pytest

from stack import lifecycle, postgres, secrets
from stack.database_roles import DATABASE_ROLES, LOGIN_ROLES
from stack.errors import StackError
from stack.home import Home
from stack.service_environments import Stack


def mode(path: Path) -> int:
    """Return the permission bits of a path."""
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_may_read(home: Home) -> None:
    """The folder is 0700 and every file in it 0600."""
    secrets.write_for_people(home, secrets.ensure(home), demo=True)

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
    secrets.write_for_people(home, secrets.ensure(home), demo=True)
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


def test_a_password_that_a_person_changed_in_airflows_file_stays(home: Home) -> None:
    """Who is missing is added; Django's own account has what Django logs in with."""
    made = secrets.ensure(home)
    path = secrets.airflow_users_file(home)
    users = json.loads(path.read_text())
    changed = {**users, "admin": "a person's own", "django": "a slip of the pen", "colleague": "new"}
    del changed["owner"]
    path.write_text(json.dumps(changed))
    secrets.ensure(home)
    found = json.loads(path.read_text())
    assert found == {
        "admin": "a person's own",
        "engineer": made.engineer_password,
        "owner": made.owner_password,
        "django": made.airflow_service_password,
        "colleague": "new",
    }
    assert mode(path) == 0o600


def test_a_start_that_changes_nothing_writes_nothing(home: Home) -> None:
    """`make status` opens the stack too, while Airflow reads the file."""
    secrets.ensure(home)
    before = {path: path.stat().st_mtime_ns for path in home.secrets.iterdir()}
    secrets.ensure(home)
    assert {path: path.stat().st_mtime_ns for path in home.secrets.iterdir()} == before


@pytest.mark.parametrize("content", ["{", "[]", '{"admin": 1}', "admin: secret"])
def test_a_file_that_airflow_could_not_read_is_told_of(home: Home, content: str) -> None:
    """It is named with the fix, and left as it is."""
    secrets.ensure(home)
    path = secrets.airflow_users_file(home)
    path.write_text(content)
    with pytest.raises(StackError, match=r"airflow_users\.json is not a JSON object"):
        secrets.ensure(home)
    assert path.read_text() == content


def test_the_file_of_passwords_does_not_lie(home: Home) -> None:
    """It says whose passwords it has: those that were generated, and of whom this stack knows."""
    made = secrets.ensure(home)
    for demo in (True, False, True):
        secrets.write_for_people(home, made, demo=demo)
        text = secrets.passwords_file(home).read_text()
        assert "as they were generated" in text
        assert "is not shown here" in text
        assert ("data owner of EWR" in text) is demo
        assert ("EWR" in text) is demo
        assert ("All three can log in to Airflow and to Django's admin." in text) is demo
        assert ("Airflow viewer" in text) is not demo


@pytest.mark.parametrize("demo", [True, False])
def test_the_file_of_passwords_is_that_of_the_stack(stack: Stack, demo: bool) -> None:
    """It follows HOTCLUB_DEMO at each start and restart, and a command that only looks writes nothing."""
    own = dataclasses.replace(stack, settings=stack.settings.model_copy(update={"demo": demo}))
    assert not secrets.passwords_file(stack.home).exists()
    lifecycle.write_configuration(own)
    assert ("EWR" in secrets.passwords_file(stack.home).read_text()) is demo
