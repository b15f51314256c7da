"""Staging: a file becomes a table of text, whatever is in the file."""

from __future__ import annotations

import uuid
from pathlib import Path

import psycopg
import pytest

from data_checks import staging_tables
from data_checks.errors import StagingError
from hotclub import names
from hotclub.contract import ColumnSpec
from tests.data_checks.conftest import text_contract

DELIVERY = str(uuid.UUID(int=7))


def rows(url: str, delivery: str = DELIVERY) -> list[tuple]:
    """Return what is staged."""
    with psycopg.connect(url) as connection:
        return connection.execute(f"SELECT * FROM staging.{names.staging_table(delivery)}").fetchall()


def test_file_becomes_text_columns_with_line_numbers(stager_url: str, tmp_path: Path) -> None:
    """Every value is staged as it was written; empty is NULL, quoted or not; a row has the line it begins on."""
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffa,"b,c"\n 1,"x\ny"\n,""\nNA,é\n'.encode())
    staged = staging_tables.stage(stager_url, DELIVERY, path, text_contract("a", "b,c"))
    assert staged == staging_tables.StagedFile(f"staging.{names.staging_table(DELIVERY)}", 3, None)
    assert rows(stager_url) == [(2, " 1", "x\ny"), (4, None, None), (5, "NA", "é")]


def test_staging_twice_gives_the_second_file(stager_url: str, tmp_path: Path) -> None:
    """A task that runs again replaces what the first run staged, its view included."""
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n2\n")
    staging_tables.stage(stager_url, DELIVERY, path, text_contract("a"))
    with psycopg.connect(stager_url) as connection:
        staging_tables.create_views(connection, DELIVERY, text_contract("a"))
    path.write_text("b\n3\n")
    assert staging_tables.stage(stager_url, DELIVERY, path, text_contract("b")).rows == 1
    assert rows(stager_url) == [(2, "3")]


def test_file_that_is_no_table_is_staged_as_a_problem(stager_url: str, tmp_path: Path) -> None:
    """A file that cannot be a table gives an empty staging table with the reason, not an exception."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n1,2\n3\n")
    staged = staging_tables.stage(stager_url, DELIVERY, path, text_contract("a", "b"))
    assert staged == staging_tables.StagedFile(
        f"staging.{names.staging_table(DELIVERY)}", 0, "line 3 has 1 value, the header has 2"
    )
    assert rows(stager_url) == []
    with psycopg.connect(stager_url) as connection:
        assert staging_tables.staged_notes(connection, DELIVERY).problems == (
            "line 3 has 1 value, the header has 2",
        )


def test_columns_may_come_in_any_order(stager_url: str, tmp_path: Path) -> None:
    """A value goes to the column that the header names."""
    path = tmp_path / "a.csv"
    path.write_text("b,a\n1,2\n")
    staging_tables.stage(stager_url, DELIVERY, path, text_contract("a", "b"))
    assert rows(stager_url) == [(2, "2", "1")]


def test_row_that_is_too_long_for_a_table_is_a_problem(stager_url: str, tmp_path: Path) -> None:
    """PostgreSQL's limit on a row depends on the data: it is reported, not retried."""
    columns = [f"c{number}" for number in range(1500)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join([",".join(columns), ",".join(["x" * 3000] * len(columns))]))
    staged = staging_tables.stage(stager_url, DELIVERY, path, text_contract(*columns))
    assert (staged.problem or "").startswith("a row is too long for a table")


@pytest.mark.parametrize("columns", [("ctid",), ("_row",), tuple(f"c{n}" for n in range(1700))])
def test_contract_whose_columns_are_no_table_is_an_error(
    stager_url: str, tmp_path: Path, columns: tuple[str, ...]
) -> None:
    """The developer's fault, not the file's: it is an error that names the source."""
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    with pytest.raises(StagingError, match="source texts: its columns cannot be a table's"):
        staging_tables.stage(stager_url, DELIVERY, path, text_contract(*columns))


def test_staged_table_has_statistics(stager_url: str, tmp_path: Path) -> None:
    """The planner knows how many rows there are, so that a load does not take them for one."""
    path = tmp_path / "a.csv"
    path.write_text("a\n" + "1\n" * 500)
    staging_tables.stage(stager_url, DELIVERY, path, text_contract("a"))
    with psycopg.connect(stager_url) as connection:
        table = f"staging.{names.staging_table(DELIVERY)}"
        (estimate,) = connection.execute(
            "SELECT reltuples FROM pg_class WHERE oid = to_regclass(%s)", [table]
        ).fetchone()
    assert estimate == 500


def test_another_version_of_the_contract_is_an_error(stager_url: str, tmp_path: Path) -> None:
    """A contract that changed between staging and checking does not break the check without a word."""
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    staging_tables.stage(stager_url, DELIVERY, path, text_contract("a"))
    with (
        psycopg.connect(stager_url) as connection,
        pytest.raises(StagingError, match="another version of the contract"),
    ):
        staging_tables.create_views(connection, DELIVERY, text_contract("a", "b"))


def test_names_in_the_views_are_plain_and_differ() -> None:
    """A plain name stays; another goes by its database column, or by its place where that is taken."""
    odd = [
        ColumnSpec(name, target, "text", nullable=True)
        for name, target in (("Nr.", "nr"), (":x", "price"), ('"', '"'))
    ]
    contract = text_contract("price", "Size", "size", *odd)
    assert staging_tables.aliases(contract) == {
        "price": "price",
        "Size": "Size",
        "size": "column_3",
        "Nr.": "nr",
        ":x": "column_5",
        '"': "column_6",
    }


def test_unstage_drops_and_may_be_repeated(stager_url: str, tmp_path: Path) -> None:
    """Unstaging takes the table away; doing so again is no error."""
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    staging_tables.stage(stager_url, DELIVERY, path, text_contract("a"))
    assert staging_tables.unstage(stager_url, DELIVERY)
    assert not staging_tables.unstage(stager_url, DELIVERY)
    with psycopg.connect(stager_url) as connection:
        assert not staging_tables.is_staged(connection, DELIVERY)


def test_the_app_may_read_what_was_staged(stager_url: str, database, tmp_path: Path) -> None:
    """Django's login sees the staged rows, because its code loads them."""
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    staging_tables.stage(stager_url, DELIVERY, path, text_contract("a"))
    assert rows(database.url(names.ROLE_APP)) == [(2, "1")]
