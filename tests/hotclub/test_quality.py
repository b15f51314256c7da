"""The formulas of the metrics: every metric that has a name has one, and it is the usual one."""

from __future__ import annotations

import numpy as np
import pytest

from hotclub.metrics import METRICS, metrics_of
from hotclub.quality import measure

RANDOM = np.random.default_rng(3)
LABEL = (RANDOM.random(500) < 0.3).astype(float)
SCORE = np.round(RANDOM.random(500) * 0.7 + LABEL * 0.2, 1)


def test_every_metric_has_a_formula() -> None:
    """For each task that it is defined for, in the order of `hotclub.metrics`."""
    classes = RANDOM.integers(0, 3, 60).astype(float)
    shares = RANDOM.dirichlet(np.ones(3), 60)
    found = {
        "binary": measure("binary", LABEL, SCORE),
        "multiclass": measure("multiclass", classes, shares),
        "regression": measure("regression", SCORE, LABEL),
    }
    assert {task: list(values) for task, values in found.items()} == {
        task: metrics_of(task) for task in found
    }
    assert {name for values in found.values() for name in values} == set(METRICS)


def test_formulas_by_hand() -> None:
    """Ties among scores count half for the area under the curve; errors are means."""
    positive, negative = SCORE[LABEL == 1][:, None], SCORE[LABEL == 0][None, :]
    area = ((positive > negative) + (positive == negative) / 2).mean()
    error = SCORE - LABEL
    found = measure("binary", LABEL, SCORE, ("roc_auc", "brier"))
    assert list(found) == ["roc_auc", "brier"]
    assert found == pytest.approx({"roc_auc": area, "brier": (error**2).mean()})
    found = measure("regression", LABEL, SCORE, ("mae", "rmse"))
    assert found == pytest.approx({"mae": np.abs(error).mean(), "rmse": (error**2).mean() ** 0.5})


def test_one_class_has_no_area() -> None:
    """What is not defined on the rows is left out."""
    assert measure("binary", np.zeros(3), np.zeros(3), ("roc_auc", "brier")) == {"brier": 0.0}


def test_r2_of_a_constant_label_is_left_out() -> None:
    """scikit-learn would answer 1 to a constant guess of a constant label."""
    assert set(measure("regression", np.full(9, 3.0), np.full(9, 3.0))) == {"rmse", "mae"}


def test_scores_that_overflow_give_no_metric() -> None:
    """A squared error past the largest float is left out."""
    with np.errstate(over="ignore"):
        assert "rmse" not in measure("regression", np.arange(3.0), np.full(3, 1e200))
