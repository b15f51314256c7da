"""Features that say nothing about rows to come: a number of the row, and a key."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hotclub import names
from hotclub.contract import FeatureSpec, ModelContract
from tests.factories import FEATURES, make_contract, make_rows
from tests.training.runs import without_time
from training import leakage
from training.splits import boundaries, split_rows

ROWS = 2000
NOISE = np.random.default_rng(11)
CHANGES: dict[str, dict[str, Any]] = {
    "binary": {},
    "multiclass": {"task": "multiclass", "metric": "accuracy", "classes": ("a", "b", "c"), "gates": {}},
    "regression": {"task": "regression", "metric": "rmse", "gates": {}},
}
#: Rows that were loaded in blocks: neighbours have one label, and no number of the row is in order with it.
BLOCKS = {
    "binary": lambda row: np.where(NOISE.random(len(row)) < 0.05, 0, row // 100 % 2),
    "multiclass": lambda row: row // 50 % 3,
    "regression": lambda row: np.sin(row / 100) + NOISE.normal(0, 0.3, len(row)),
}


def _case(
    values: Any, kind: str = "number", task: str = "binary", label: Any = None, *, timed: bool = False
) -> tuple[ModelContract, pa.Table]:
    suspect = FeatureSpec("suspect", kind, nullable=True)  # type: ignore[arg-type]  # a kind by name
    contract = make_contract(features=(*FEATURES, suspect), **CHANGES[task])
    rows = make_rows(ROWS, task=task)
    if label is not None:
        place = rows.schema.get_field_index(names.COLUMN_LABEL)
        rows = rows.set_column(place, names.COLUMN_LABEL, pa.array(np.asarray(label, dtype=np.float64)))
    column = pa.array(list(values), pa.string() if kind == "category" else pa.float64())
    rows = rows.append_column("suspect", column)
    return (contract, rows) if timed else without_time(contract, rows)


def _find(contract: ModelContract, rows: pa.Table, filled: Any = None) -> list[tuple[str, str, str]]:
    splits = split_rows(contract, rows, boundaries(contract, rows))
    return [(f.severity, f.check, f.message) for f in leakage.find(contract, splits, filled)[0]]


@pytest.mark.parametrize("task", CHANGES)
def test_a_number_of_the_row_tells_its_neighbours_label(task: str) -> None:
    """Each held-out row lies between fitted ones: the metric would be excellent, and no row to come has a neighbour."""
    number = np.arange(ROWS, dtype=float)
    ((severity, check, message),) = _find(*_case(number, task=task, label=BLOCKS[task](number)))
    assert (severity, check) == ("critical", "row_number")
    assert message.startswith(
        "suspect numbers the rows: 2,000 rows have 2,000 different whole numbers, and alone it"
    )
    assert "a row to come has none" in message


@pytest.mark.parametrize("order", ["up", "down", "mixed", "with nulls", "with gaps"])
def test_each_way_of_numbering(order: str) -> None:
    """Backwards, in no order of the key, and not in every row."""
    number = np.arange(ROWS, dtype=float)
    values: Any = {
        "up": number, "down": -number, "mixed": NOISE.permutation(ROWS), "with gaps": np.floor(number * 1.9),
        "with nulls": [None if row % 3 == 0 else row for row in number],
    }[order]  # fmt: skip
    (found,) = _find(*_case(values))
    assert found[:2] == ("warning", "row_number")  # the label follows no order: it does no harm but to size


def test_numbers_with_the_gaps_of_the_keys() -> None:
    """Keys that are not loaded leave gaps in both."""
    contract, rows = _case(np.arange(ROWS) * 50.0 + 3)
    place = rows.schema.get_field_index(names.COLUMN_ENTITY)
    keys = pa.array(np.arange(ROWS) * 50, pa.int64())
    assert [f[1] for f in _find(contract, rows.set_column(place, names.COLUMN_ENTITY, keys))] == [
        "row_number"
    ]


def test_a_sample_leaves_gaps() -> None:
    """How many rows there are decides, not how many are read."""
    filled = {"known": 50 * ROWS, "unknown": 0, "features": {"suspect": [50 * ROWS, 0]}}
    values = NOISE.permutation(ROWS) * 50.0
    assert [f[1] for f in _find(*_case(values), filled)] == ["row_number"]
    assert _find(*_case(values)) == []


def test_with_a_time_it_is_a_warning() -> None:
    """Held-out rows are newer than all fitted ones: the metric is as poor as the feature."""
    number = np.arange(ROWS, dtype=float)
    (found,) = _find(*_case(number, label=BLOCKS["binary"](number), timed=True))
    assert found[:2] == ("warning", "row_number")
    assert found[2].endswith("A row to come has a number that no fitted row has")


def test_what_follows_the_key_is_a_warning() -> None:
    """A time of creation as a number; with an event time the split is right, and nothing is said."""
    values = 1.7e9 + np.cumsum(NOISE.random(ROWS))
    (found,) = _find(*_case(values))
    assert found[:2] == ("warning", "follows_the_key")
    assert "declare it as event_time" in found[2]
    assert _find(*_case(values, timed=True)) == []


@pytest.mark.parametrize(
    "values",
    [
        NOISE.integers(0, 3 * ROWS, ROWS),  # whole numbers, some of them twice
        NOISE.permutation(ROWS) + 0.5,
        np.where(np.arange(ROWS) % 20, NOISE.permutation(ROWS), 7),  # all different but for a twentieth
        NOISE.permutation(ROWS) * 1000.0,  # all different, as inhabitants of towns
        np.sort(NOISE.integers(2000, 2015, ROWS)),  # few values in order, as years
    ],
)
def test_other_numbers_raise_nothing(values: Any) -> None:
    """Honest features are not taken for a number of the row."""
    assert _find(*_case(values)) == []


def test_a_key_is_a_warning() -> None:
    """A category that is another in every row, and one that is for half of the held-out rows."""
    (found,) = _find(*_case([f"k{row}" for row in range(ROWS)], "category"))
    assert found[:2] == ("warning", "unseen")
    assert "100% of the held-out rows have a value that none of the fitted rows has (1,202 values" in found[2]
    assert _find(*_case([f"k{row % 400}" for row in range(ROWS)], "category")) == []
    some = ["usual" if row % 10 > 2 else f"k{row}" for row in range(ROWS)]  # 30 % of the held-out rows
    assert _find(*_case(some, "category")) == []


def test_the_customer_that_rows_are_split_by_is_a_warning() -> None:
    """None of the held-out customers was fitted."""
    contract, rows = _case([f"c{(row + 1) % 100}" for row in range(ROWS)], "category")
    contract = dataclasses.replace(contract, schema=dataclasses.replace(contract.schema, split_by="customer"))
    rows = rows.append_column(names.COLUMN_SPLIT, rows["suspect"])
    assert [f[1] for f in _find(contract, rows)] == ["unseen"]
