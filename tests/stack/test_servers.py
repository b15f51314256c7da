"""The embedded servers: private, and their data survives."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from stack import migrations, postgres, probes, redis
from stack.database_roles import role_url
from stack.errors import StackError
from stack.sockets import make_socket_folder, remove_socket_folder, socket_folder
from tests.conftest import Database


@pytest.fixture
def folder(services: None) -> Iterator[Path]:
    """A folder that the servers' own user can reach."""
    with tempfile.TemporaryDirectory(prefix="hotclub-test-") as name:
        yield Path(name)
        remove_socket_folder(Path(name))


def test_postgres_listens_on_a_socket_only_and_wants_passwords(postgres_admin_url: str) -> None:
    """No TCP port, scram for everyone, UTC, and checksums on."""
    with psycopg.connect(postgres_admin_url) as connection:

        def setting(name: str) -> str:
            row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
            assert row is not None
            return str(row[0])

        assert setting("listen_addresses") == ""
        assert setting("password_encryption") == "scram-sha-256"
        assert setting("TimeZone") == "UTC"
        assert setting("data_checksums") == "on"
        rules = connection.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
        assert rules == [("scram-sha-256",)]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(role_url(postgres_admin_url, "postgres", "wrong", "postgres"))


def test_postgres_initialises_once(folder: Path) -> None:
    """A second preparation keeps the data; a half-made folder of a killed one is made anew."""
    data = folder / "postgres" / "data"
    half = folder / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("half")

    postgres.prepare(data, folder, "first", throwaway=True)
    system = (data / "global" / "pg_control").read_bytes()
    postgres.prepare(data, folder, "second", throwaway=True)

    assert (data / "global" / "pg_control").read_bytes() == system
    assert not half.exists()


def test_redis_keeps_what_was_written_across_a_restart(folder: Path) -> None:
    """A task that was enqueued is there when the broker comes back."""
    with redis.temporary_server(folder) as url:
        assert url.startswith("redis+socket:///")
        assert redis.is_ready(redis.socket_path(folder))
        with redis.client(redis.socket_path(folder)) as client:
            client.set("kept", "yes")
        assert redis.socket_path(folder).stat().st_mode & 0o077 == 0
    assert not redis.is_ready(redis.socket_path(folder))
    assert redis.last_commands(redis.socket_path(folder)) == set()
    with redis.temporary_server(folder), redis.client(redis.socket_path(folder)) as client:
        assert client.get("kept") == "yes"


def test_a_worker_that_waits_is_found(folder: Path) -> None:
    """A client that is blocked on a queue is a worker that waits for tasks."""
    with redis.temporary_server(folder) as url:
        holds = probes.celery_consumes(url)
        assert not holds()
        with redis.client(redis.socket_path(folder)) as client:
            waiting = threading.Thread(target=client.brpop, args=("queue", 1))
            waiting.start()
            deadline = time.monotonic() + 1
            while not (found := holds()) and time.monotonic() < deadline:
                time.sleep(0.02)
            waiting.join()
    assert found


def test_socket_paths_are_short_and_differ_by_home(tmp_path: Path) -> None:
    """A unix socket's path may have 107 bytes, however deep the state folder is."""
    deep = tmp_path / ("x" * 200)
    assert len(str(socket_folder(deep) / "pg" / ".s.PGSQL.5432")) < 60
    assert socket_folder(deep) != socket_folder(tmp_path)


def test_a_socket_folder_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    """In /tmp anyone may have made it, or have put a link there."""
    path = socket_folder(tmp_path)
    path.symlink_to(tmp_path)
    try:
        with pytest.raises((StackError, FileExistsError)):
            make_socket_folder(tmp_path)
    finally:
        path.unlink()


@pytest.fixture
def service_url(provision: Callable[[str], Database]) -> str:
    """The database of a service that migrates with Alembic."""
    made = provision("stack_servers")
    url = role_url(made.admin_url, "airflow", made.passwords["airflow"], "airflow")
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS alembic_version")
    return url


def test_a_service_is_migrated_again_only_when_something_changed(service_url: str, tmp_path: Path) -> None:
    """Not twice; but again when its package or its database is another one."""
    record = tmp_path / "record.json"
    create = "CREATE TABLE IF NOT EXISTS alembic_version (version_num text)"
    command = [
        str(postgres.binary("psql")),
        service_url,
        "-q",
        "-c",
        f"{create}; TRUNCATE alembic_version; INSERT INTO alembic_version VALUES ('abc')",
    ]

    def migrate(package: str = "psycopg") -> bool:
        return migrations.migrate(package, service_url, command, record, create=True)

    assert migrations.revision(service_url) is None
    assert migrate()
    assert migrations.revision(service_url) == "abc"
    assert not migrate()
    assert migrate("psutil")
    with psycopg.connect(service_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'older'")
    assert migrate("psutil")
