"""COPY's CSV as typed columns."""

from __future__ import annotations

import pyarrow as pa
import pytest

from hotclub.columns import columns_from_rows, table_from_csv
from tests.factories import FEATURES

SCHEMA = pa.schema([("number", pa.float64()), ("code", pa.string()), ("flag", pa.bool_())])


def test_wanted_columns_by_name_in_the_schemas_order() -> None:
    """Whatever order COPY has, and without what nobody asked for."""
    table = table_from_csv(b"more,flag,code,number\nx,t,a,1.5\n,f,b,\n", SCHEMA)
    assert table.schema == SCHEMA
    assert table.to_pydict() == {"number": [1.5, None], "code": ["a", "b"], "flag": [True, False]}


def test_a_line_break_inside_a_value_ends_no_row() -> None:
    """PostgreSQL quotes it."""
    table = table_from_csv(b'number,code,flag\n1,"a\nb",t\n2,"c",f\n', SCHEMA)
    assert table["code"].to_pylist() == ["a\nb", "c"]


def test_null_and_the_empty_text_differ() -> None:
    """Unquoted and empty is null; quoted and empty is a text."""
    assert table_from_csv(b'number,code,flag\n1,,\n2,"",\n', SCHEMA)["code"].to_pylist() == [None, ""]


def test_what_does_not_fit_is_an_error() -> None:
    """A value of another type, and a column that is not there."""
    with pytest.raises(pa.ArrowInvalid):
        table_from_csv(b"number,code,flag\nx,a,t\n", SCHEMA)
    with pytest.raises(KeyError):
        table_from_csv(b"number,code\n1,a\n", SCHEMA)


def test_a_name_that_a_row_lacks_is_null() -> None:
    """One list per feature, in the order of the rows."""
    rows = [{"carrier": "AA", "hour": 1.0}, {"wind_speed": 2.0, "holiday": True}]
    assert columns_from_rows(FEATURES, rows) == {
        "carrier": ["AA", None], "hour": [1.0, None], "wind_speed": [None, 2.0], "holiday": [None, True],
    }  # fmt: skip


def test_a_text_may_hold_line_breaks_wherever_a_block_ends() -> None:
    """A large answer is read in blocks: a break inside of quotes is no row's end in any of them."""
    text = "one\ntwo, three\n" * 20
    rows = 10_000
    body = "note\n" + f'"{text}"\n' * rows
    table = table_from_csv(body.encode(), pa.schema([("note", pa.string())]))
    assert (table.num_rows, set(table["note"].to_pylist())) == (rows, {text})
