"""Staging: a file becomes a table of text, whatever is in the file."""

from __future__ import annotations

import uuid
from pathlib import Path

import psycopg
import pytest

from data_checks import staging
from hotclub import names

DELIVERY = str(uuid.UUID(int=7))


def rows(url: str, delivery: str = DELIVERY) -> list[tuple]:
    """Return what is staged."""
    with psycopg.connect(url) as connection:
        return connection.execute(f"SELECT * FROM staging.{names.staging_table(delivery)}").fetchall()


def test_file_becomes_text_columns_with_row_numbers(stager_url: str, tmp_path: Path) -> None:
    """Every value is staged as it was written; empty is NULL, quoted or not; rows count from 1."""
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffa,"b,c"\n 1,"x\ny"\n,""\nNA,é\n'.encode())
    staged = staging.stage(stager_url, DELIVERY, path)
    assert staged == staging.Staged(f"staging.{names.staging_table(DELIVERY)}", 3, None)
    assert rows(stager_url) == [(1, " 1", "x\ny"), (2, None, None), (3, "NA", "é")]


def test_staging_twice_gives_the_second_file(stager_url: str, tmp_path: Path) -> None:
    """A task that runs again replaces what the first run staged, its view included."""
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n2\n")
    staging.stage(stager_url, DELIVERY, path)
    with psycopg.connect(stager_url) as connection:
        connection.execute(f"CREATE VIEW staging.{staging.typed_view_name(DELIVERY)} AS SELECT 1")
    path.write_text("b\n3\n")
    assert staging.stage(stager_url, DELIVERY, path).rows == 1
    assert rows(stager_url) == [(1, "3")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file has no header line"),
        (b"\xff\xfe\n", "the first line is not CSV in UTF-8"),
        (b"a,,b\n", "column 2 of the header has no name"),
        (b"a,b,a\n1,2,3\n", "the header names the column 'a' twice"),
        (b"_row,b\n1,2\n", "column 1 has a name that a table cannot have"),
        (b"a,b\n1,2\n3\n", "line 3: missing data for column"),
        (b"a,b\n1,2\n1,2,3\n", "line 3: extra data after last expected column"),
        (b'a,b\n1,"2\n', "line 3: unterminated CSV quoted field"),
        (b"a\n\xff\n", "line 2: invalid byte sequence"),
        (b"a\nx\x00y\n", "line 2: invalid byte sequence"),
    ],
)
def test_file_that_is_no_table_is_staged_as_a_problem(
    stager_url: str, tmp_path: Path, content: bytes, problem: str
) -> None:
    """A file that cannot be a table gives an empty staging table with the reason, not an exception."""
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    staged = staging.stage(stager_url, DELIVERY, path)
    assert staged.rows == 0
    assert problem in (staged.problem or "")
    with psycopg.connect(stager_url) as connection:
        assert staging.staged_problem(connection, DELIVERY) == staged.problem


def test_unstage_drops_and_may_be_repeated(stager_url: str, tmp_path: Path) -> None:
    """Unstaging takes the table away; doing so again is no error."""
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    staging.stage(stager_url, DELIVERY, path)
    assert staging.unstage(stager_url, DELIVERY)
    assert not staging.unstage(stager_url, DELIVERY)
    with psycopg.connect(stager_url) as connection:
        assert staging.table_columns(connection, DELIVERY) is None


def test_the_app_may_read_what_was_staged(stager_url: str, database, tmp_path: Path) -> None:
    """Django's login sees the staged rows, because its code loads them."""
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    staging.stage(stager_url, DELIVERY, path)
    assert rows(database.url(names.ROLE_APP)) == [(1, "1")]
