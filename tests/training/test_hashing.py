"""The number of a key: the same for ever, in Python and in PostgreSQL."""

from __future__ import annotations

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from hotclub import names
from tests.factories import make_contract, make_rows
from tests.training.runs import without_time
from training.hashing import SAMPLE_SALT, SPLIT_SALT, fractions, row_fractions, sql_fraction

#: Eight hexadecimal digits of sha256("hotclub.split:<key>"), and of the sample's, by any other tool.
KNOWN = {
    "1": (808427652, 1831418094),
    "é": (3344806222, 1014372376),
    "0c9d0e3c-6c0a-4c35-9b9f-0d6b3f1a7c11": (3445855603, 2482702011),
}


def test_known_numbers() -> None:
    """Pinned: another number would move rows between splits of versions that are compared."""
    for place, salt in enumerate((SPLIT_SALT, SAMPLE_SALT)):
        found = fractions(KNOWN, salt)
        np.testing.assert_array_equal(found * 2**32, [numbers[place] for numbers in KNOWN.values()])


def test_numbers_are_spread_evenly() -> None:
    """Of ten thousand keys each tenth of the range has its share, and split and sample are not related."""
    keys = [str(key) for key in range(10_000)]
    split, sample = fractions(keys, SPLIT_SALT), fractions(keys, SAMPLE_SALT)
    assert np.histogram(split, bins=10, range=(0, 1))[0] == pytest.approx(1000, abs=120)
    assert abs(np.corrcoef(split, sample)[0, 1]) < 0.03


def test_rows_have_the_number_of_their_key() -> None:
    """Of the value of `split_by`, of the entity where that is null, whatever the order and the chunks."""
    contract, rows = without_time(
        make_contract(), make_rows(50), split_by=lambda entity: None if entity % 5 == 0 else f"c{entity % 3}"
    )
    keys = [str(e) if e % 5 == 0 else f"c{e % 3}" for e in range(1, 51)]
    chunked = pa.concat_tables([rows.slice(0, 7), rows.slice(7)])
    np.testing.assert_array_equal(row_fractions(contract, chunked, SPLIT_SALT), fractions(keys, SPLIT_SALT))


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["text", "bigint", "uuid"])
def test_postgres_has_the_same_numbers(postgres_admin_url: str, kind: str) -> None:
    """A sample that is chosen in the database is the one that Python would choose."""
    keys = {
        "text": ["", "1", "é ß 東京", "it's", "%s", "\\x", "a" * 300],
        "bigint": ["-1", "0", "9223372036854775807"],
        "uuid": ["0c9d0e3c-6c0a-4c35-9b9f-0d6b3f1a7c11"],
    }[kind]
    contract = make_contract()
    query = sql.SQL("SELECT {} FROM unnest(%s::{}[]) AS v (entity)").format(
        sql_fraction(contract, SAMPLE_SALT), sql.SQL(kind)
    )
    with psycopg.connect(postgres_admin_url) as connection:
        found = [row[0] for row in connection.execute(query, [keys])]
    np.testing.assert_array_equal(found, fractions(keys, SAMPLE_SALT))


@pytest.mark.integration
def test_postgres_takes_the_group_first(postgres_admin_url: str) -> None:
    """As Python does: the value, else the entity."""
    contract, _ = without_time(make_contract(), make_rows(3), split_by=lambda entity: "x")
    query = sql.SQL("SELECT {} FROM (VALUES (1, 'x'), (2, NULL)) AS v (entity, {})").format(
        sql_fraction(contract, SPLIT_SALT), sql.Identifier(names.COLUMN_SPLIT)
    )
    with psycopg.connect(postgres_admin_url) as connection:
        found = [row[0] for row in connection.execute(query)]
    np.testing.assert_array_equal(found, fractions(["x", "2"], SPLIT_SALT))
