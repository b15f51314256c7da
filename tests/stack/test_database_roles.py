"""Who may do what in PostgreSQL, tried by real logins."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from pydantic import SecretStr

from hotclub import names
from stack import database_roles, lifecycle
from stack.errors import StackError
from stack.service_environments import Stack
from tests.conftest import Database

TABLE = "public.things"
VIEW = "features.ml_things_v1"
STAGED = "staging.delivery_1"
READ = {"select"}
ROWS = {"select", "insert", "update", "delete"}
ALL = {"select", "insert", "update", "delete", "truncate", "alter", "drop"}

STATEMENTS = {
    "select": "SELECT * FROM {}",
    "insert": "INSERT INTO {} VALUES (2)",
    "update": "UPDATE {} SET id = 3",
    "delete": "DELETE FROM {}",
    "truncate": "TRUNCATE {}",
    "alter": "ALTER TABLE {} RENAME TO renamed",
    "drop": "DROP TABLE {}",
}
MATRIX: dict[str, dict[str, set[str]]] = {
    names.ROLE_MIGRATOR: {TABLE: ALL, VIEW: set(), STAGED: set()},
    names.ROLE_APP: {TABLE: ROWS, VIEW: READ, STAGED: READ},
    names.ROLE_READER: {TABLE: set(), VIEW: READ, STAGED: set()},
    names.ROLE_SERVING: {TABLE: set(), VIEW: READ, STAGED: set()},
    names.ROLE_STAGER: {TABLE: set(), VIEW: set(), STAGED: ALL},
}
CREATORS = {
    names.SCHEMA_TABLES: {names.ROLE_MIGRATOR},
    names.SCHEMA_FEATURES: set(),
    names.SCHEMA_STAGING: {names.ROLE_STAGER},
}
CELLS = [
    (role, thing, verb, verb in allowed)
    for role, things in MATRIX.items()
    for thing, allowed in things.items()
    for verb in STATEMENTS
    if (thing, verb) != (VIEW, "truncate")  # no such thing
]


@pytest.fixture(scope="module")
def database(provision: Callable[[str], Database]) -> Database:
    """A database with a table, a feature view and a staged table, each made by the role that makes them."""
    made = provision("stack_roles")
    with psycopg.connect(made.url(names.ROLE_MIGRATOR)) as connection:
        connection.execute(f"CREATE TABLE {TABLE} (id bigint)")
        connection.execute(f"INSERT INTO {TABLE} VALUES (1)")
        # As the registry does for the tables that a contract reads, and no others.
        connection.execute(f"GRANT SELECT ON {TABLE} TO {names.ROLE_VIEWS}")
        connection.execute(f"SET ROLE {names.ROLE_VIEWS}")
        connection.execute(f"CREATE VIEW {VIEW} AS SELECT id FROM {TABLE}")
    with psycopg.connect(made.url(names.ROLE_STAGER)) as connection:
        connection.execute(f"CREATE TABLE {STAGED} (id bigint)")
    return made


def may(url: str, statement: str) -> bool:
    """Return whether the login may run the statement; nothing of it stays."""
    with psycopg.connect(url) as connection:
        try:
            connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            return False
        except psycopg.errors.DependentObjectsStillExist:
            return True  # the right is there; the view on the table is in the way
        finally:
            connection.rollback()
    return True


@pytest.mark.parametrize(("role", "thing", "verb", "allowed"), CELLS)
def test_each_role_may_do_what_the_architecture_says_and_nothing_else(
    database: Database, role: str, thing: str, verb: str, allowed: bool
) -> None:
    """Every cell of role, object and verb, the denied ones included."""
    statement = STATEMENTS[verb].format(thing)
    if thing == VIEW:
        statement = statement.replace("TABLE", "VIEW")
    assert may(database.url(role), statement) is allowed


@pytest.mark.parametrize("schema", CREATORS)
@pytest.mark.parametrize("role", MATRIX)
def test_only_the_owner_of_a_schema_makes_tables_in_it(database: Database, schema: str, role: str) -> None:
    """Nobody has DDL in another's schema."""
    assert may(database.url(role), f"CREATE TABLE {schema}.made (id int)") is (role in CREATORS[schema])


@pytest.mark.parametrize("role", [r for r in MATRIX if r != names.ROLE_MIGRATOR])
@pytest.mark.parametrize("owner", database_roles.OWNING_ROLES)
def test_only_the_migrator_acts_as_an_owner(database: Database, role: str, owner: str) -> None:
    """SET ROLE to an owning role is refused to every login but the migrator's."""
    assert not may(database.url(role), f"SET ROLE {owner}")
    assert may(database.url(names.ROLE_MIGRATOR), f"SET ROLE {owner}")


@pytest.mark.parametrize("role", [*database_roles.LOGIN_ROLES])
@pytest.mark.parametrize("other", database_roles.DATABASE_ROLES)
def test_no_login_reaches_another_services_database(database: Database, role: str, other: str) -> None:
    """CONNECT is no longer everybody's."""
    url = database_roles.role_url(database.admin_url, role, database.passwords[role], other)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(url)


@pytest.mark.parametrize("role", database_roles.DATABASE_ROLES)
def test_a_service_with_a_database_of_its_own_may_do_anything_there_and_nothing_elsewhere(
    database: Database, role: str
) -> None:
    """Airflow and MLflow migrate their own tables and cannot reach Hotclub's."""
    own = database_roles.role_url(database.admin_url, role, database.passwords[role], role)
    assert may(own, "CREATE TABLE things (id int)")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(
            database_roles.role_url(database.admin_url, role, database.passwords[role], database.name)
        )


def test_a_wrong_password_is_refused(database: Database) -> None:
    """Nobody gets in on trust."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(database_roles.role_url(database.admin_url, names.ROLE_APP, "wrong", database.name))


def test_provisioning_again_repairs_what_was_taken_away(
    database: Database, provision: Callable[[str], Database]
) -> None:
    """Provisioning is safe to repeat, and restores a grant."""
    with psycopg.connect(database_roles.database_url(database.admin_url, database.name)) as connection:
        connection.execute(f"REVOKE ALL ON {TABLE} FROM {names.ROLE_APP}")
    assert not may(database.url(names.ROLE_APP), f"SELECT * FROM {TABLE}")

    provision(database.name)

    assert may(database.url(names.ROLE_APP), f"SELECT * FROM {TABLE}")


def test_an_administrator_needs_not_be_a_superuser(database: Database) -> None:
    """A managed server gives no superuser; CREATEROLE and CREATEDB are enough, on a server of its own."""
    plain = "CREATE ROLE plain_admin LOGIN CREATEROLE CREATEDB PASSWORD 'plain'"
    made = (*database_roles.OWNING_ROLES, *database_roles.LOGIN_ROLES)
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(plain)
        # The roles are there already: whoever made them administers them.
        for role in made:
            connection.execute(f"GRANT {role} TO plain_admin WITH ADMIN TRUE")
    passwords = {role: database.passwords[role] for role in database_roles.LOGIN_ROLES}

    database_roles.provision(
        database_roles.role_url(database.admin_url, "plain_admin", "plain", "postgres"),
        passwords,
        "stack_plain",
    )

    url = database_roles.role_url(
        database.admin_url, names.ROLE_MIGRATOR, passwords[names.ROLE_MIGRATOR], "stack_plain"
    )
    assert may(url, "CREATE TABLE public.things (id int)")


@contextmanager
def as_administrator(database: Database, name: str = "") -> Iterator[psycopg.Connection]:
    """Log in as the server's administrator."""
    url = database_roles.database_url(database.admin_url, name or database.name)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def test_what_an_administrator_granted_beyond_ours_stays(database: Database) -> None:
    """Nothing is revoked once database and schemas are ours: not PUBLIC's rights, not a monitor's, not a default."""
    changes = (
        f'GRANT CONNECT ON DATABASE "{database.name}" TO PUBLIC',
        "GRANT USAGE ON SCHEMA public TO PUBLIC",
        "CREATE ROLE monitor LOGIN PASSWORD 'monitor'",
        f"GRANT SELECT ON {TABLE} TO monitor",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {names.ROLE_OWNER} IN SCHEMA public GRANT SELECT ON TABLES TO monitor",
        f"ALTER ROLE {names.ROLE_APP} CONNECTION LIMIT 7",
    )
    with as_administrator(database) as connection:
        for change in changes:
            connection.execute(change)
    try:
        database_roles.provision(database.admin_url, database.passwords, database.name)
        with psycopg.connect(database.url(names.ROLE_MIGRATOR)) as connection:
            connection.execute("CREATE TABLE public.later (id bigint)")
        monitor = database_roles.role_url(database.admin_url, "monitor", "monitor", database.name)
        assert may(monitor, f"SELECT * FROM {TABLE}")
        assert may(monitor, "SELECT * FROM public.later")
        with as_administrator(database) as connection:
            row = connection.execute("SELECT rolconnlimit FROM pg_roles WHERE rolname = %s", [names.ROLE_APP])
            assert row.fetchone() == (7,)
    finally:
        with as_administrator(database) as connection:
            connection.execute(f'REVOKE CONNECT ON DATABASE "{database.name}" FROM PUBLIC')
            connection.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
            connection.execute(f"ALTER ROLE {names.ROLE_APP} CONNECTION LIMIT -1")


@pytest.mark.parametrize(
    "change", ["PASSWORD 'changed by the administrator'", "NOLOGIN", "VALID UNTIL '2001-01-01'"]
)
def test_a_login_that_was_changed_on_someone_elses_server_stays_and_is_told_of(
    database: Database, change: str
) -> None:
    """The message names the role and both ways out; only the explicit one changes anything."""
    role, own = names.ROLE_SERVING, database.passwords[names.ROLE_SERVING]
    with as_administrator(database) as connection:
        connection.execute(f"ALTER ROLE {role} {change}")
        before = _login(connection, role)
    try:
        with pytest.raises(StackError, match=f"refuses the login of {role}") as told:
            database_roles.provision(
                database.admin_url, database.passwords, database.name, reset_passwords=False
            )
        assert "role_passwords" in told.value.fix
        assert "--reset-passwords" in told.value.fix
        assert own not in str(told.value)
        with as_administrator(database) as connection:
            assert _login(connection, role) == before
    finally:
        with as_administrator(database) as connection:
            connection.execute(f"ALTER ROLE {role} VALID UNTIL 'infinity'")
        database_roles.provision(database.admin_url, database.passwords, database.name)
    assert may(database.url(role), f"SELECT * FROM {VIEW}")
    database_roles.provision(database.admin_url, database.passwords, database.name, reset_passwords=False)


def _login(connection: psycopg.Connection, role: str) -> object:
    query = "SELECT rolpassword, rolcanlogin, rolvaliduntil::text FROM pg_authid WHERE rolname = %s"
    return connection.execute(query, [role]).fetchone()


def test_whose_passwords_are_set(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the embedded server those of secrets.json always; on another one only when asked to."""
    asked: list[bool] = []
    monkeypatch.setattr(
        database_roles, "provision", lambda *_, reset_passwords: asked.append(reset_passwords)
    )
    monkeypatch.setattr(database_roles, "close_maintenance_databases", lambda _: None)
    lifecycle.provision(stack)
    external = stack.settings.model_copy(
        update={"postgres_url": SecretStr("postgresql://x@db.example/postgres")}
    )
    for reset in (False, True):
        lifecycle.provision(dataclasses.replace(stack, settings=external), reset_passwords=reset)
    assert asked == [True, False, True]
