"""Rows to matrix: the same numbers whichever way the rows came."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from hotclub.columns import columns_from_rows, feature_schema, table_from_csv
from hotclub.matrix import MatrixBuilder, vocabulary_of
from tests.factories import FEATURES, make_rows

VOCABULARY = {"carrier": ["AA", "B6"]}


def test_null_and_unseen_are_nan_and_counted() -> None:
    """A null and an unseen category are both NaN, and are counted separately."""
    rows = [
        {"carrier": "AA", "hour": 5, "wind_speed": None, "holiday": True},
        {"carrier": "ZZ", "hour": 6.5, "wind_speed": 3, "holiday": None},
        {"carrier": None, "hour": 7, "holiday": False},
    ]
    matrix = MatrixBuilder(FEATURES, VOCABULARY).build(columns_from_rows(FEATURES, rows))
    nan = np.nan
    expected = [[0, 5, nan, 1], [nan, 6.5, 3, nan], [nan, 7, nan, 0]]
    np.testing.assert_array_equal(np.array(expected, np.float32), matrix.values)
    assert matrix.values.dtype == np.float32
    assert matrix.nulls == {"carrier": 1, "wind_speed": 2, "holiday": 1}
    assert matrix.unseen == {"carrier": 1}


def test_arrow_json_and_copy_give_the_same_matrix() -> None:
    """Arrow columns, JSON rows and the CSV of a COPY are bit for bit the same matrix."""
    table = make_rows(300, seed=2).select([f.name for f in FEATURES])
    builder = MatrixBuilder(FEATURES, VOCABULARY)
    from_arrow = builder.build(table)
    from_json = builder.build(columns_from_rows(FEATURES, table.to_pylist()))
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(table, buffer)
    text = buffer.getvalue().replace(b"true", b"t").replace(b"false", b"f")
    from_copy = builder.build(table_from_csv(text, feature_schema(FEATURES)))
    for other in (from_json, from_copy):
        np.testing.assert_array_equal(from_arrow.values, other.values)
        assert (from_arrow.nulls, from_arrow.unseen) == (other.nulls, other.unseen)
    assert from_arrow.unseen["carrier"] > 0


def test_no_rows() -> None:
    """No rows are a matrix of no rows, with all its columns."""
    assert MatrixBuilder(FEATURES, VOCABULARY).build(columns_from_rows(FEATURES, [])).values.shape == (0, 4)


def test_vocabulary_is_sorted_and_without_null() -> None:
    """Codes do not depend on the order of the rows."""
    table = pa.table({"carrier": ["UA", None, "AA", "UA"]})
    assert vocabulary_of(FEATURES[:1], table) == {"carrier": ["AA", "UA"]}


def test_copy_tells_empty_text_from_null() -> None:
    """In a COPY an unquoted empty field is null, a quoted one is the empty text."""
    table = table_from_csv(
        b'carrier,hour\n"",1\n,2\n', pa.schema([("carrier", pa.string()), ("hour", pa.float64())])
    )
    assert table["carrier"].to_pylist() == ["", None]


def test_copy_of_a_wrong_type_is_refused() -> None:
    """A value that is not of its column's type is an error, not a null."""
    with pytest.raises(pa.ArrowInvalid):
        table_from_csv(b"hour\nx\n", pa.schema([("hour", pa.float64())]))
