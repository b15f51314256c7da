"""Baselines of each task, with keys that are null, rare or new."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hotclub import names
from tests.factories import make_contract, make_rows
from training.baselines import baselines, no_better_than_constant

KEYS = ("carrier", "wind_speed")


def _rows(task: str, labels: list[float], carriers: list[str | None], winds: list[float | None]) -> pa.Table:
    rows = make_rows(len(labels), task=task)
    columns = {
        names.COLUMN_LABEL: (labels, pa.float64()),
        "carrier": (carriers, pa.string()),
        "wind_speed": (winds, pa.float64()),
    }
    for name, (values, kind) in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array(values, kind))
    return rows


def _contract(task: str) -> Any:
    classes = ("low", "middle", "high") if task == "multiclass" else ()
    return make_contract(task=task, classes=classes, baseline_by=KEYS)


def test_the_mean_by_keys() -> None:
    """A null is a value of its own; what no fitted row has is the mean of all."""
    fit = _rows("regression", [1, 3, 10, 20, 7], ["AA", "AA", None, None, "B6"], [1, 1, 1, 1, None])
    asked = _rows("regression", [0] * 6, ["AA", None, "B6", "B6", "ZZ", None], [1, 1, None, 1, 1, None])
    found = baselines(_contract("regression"), fit, asked)
    assert found["constant"].tolist() == pytest.approx([8.2] * 6)
    assert found["mean_by_carrier_wind_speed"].tolist() == pytest.approx([2, 15, 7, 8.2, 8.2, 8.2])


def test_shares_by_keys_for_classes() -> None:
    """For multiclass the share of each class, with the same keys."""
    fit = _rows("multiclass", [0, 2, 1, 1], ["AA", "AA", None, "B6"], [1, 1, 1, 2])
    asked = _rows("multiclass", [0, 0, 0], ["AA", None, "ZZ"], [1, 1, 1])
    found = baselines(_contract("multiclass"), fit, asked)
    np.testing.assert_allclose(found["constant"], [[0.25, 0.5, 0.25]] * 3)
    np.testing.assert_allclose(
        found["mean_by_carrier_wind_speed"], [[0.5, 0, 0.5], [0, 1, 0], [0.25, 0.5, 0.25]]
    )


@pytest.mark.parametrize(
    ("metric", "own", "constant", "poorer"),
    [
        ("roc_auc", 0.49, 0.5, True), ("roc_auc", 0.5, 0.5, True), ("roc_auc", 0.51, 0.5, False),
        ("log_loss", 0.7, 0.69, True), ("log_loss", 0.69, 0.69, True), ("log_loss", 0.68, 0.69, False),
        ("r2", None, 0.0, False), ("r2", 0.1, None, False),
    ],
)  # fmt: skip
def test_no_better_than_the_constant(
    metric: str, own: float | None, constant: float | None, *, poorer: bool
) -> None:
    """By the model's own metric, in its own direction; what is not defined is no comparison."""
    task = "regression" if metric == "r2" else "binary"
    values = [{metric: value} if value is not None else {} for value in (own, constant)]
    words = no_better_than_constant(
        make_contract(task=task, metric=metric), values[0], {"constant": values[1]}
    )
    assert bool(words) is poorer
    if poorer:
        assert f"{metric} {own:.4g}" in words
        assert f"is {constant:.4g}" in words
