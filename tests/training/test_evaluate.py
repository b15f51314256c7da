"""Metrics that are defined on the rows, and those that are not."""

from __future__ import annotations

import numpy as np

from tests.factories import make_contract
from training import evaluate, gates


class TestQuality:
    """A metric that is not defined is not there, and no gate passes on it."""

    def test_r2_of_a_constant_label(self) -> None:
        """scikit-learn would answer 1 to a constant guess of a constant label."""
        quality = evaluate.quality("regression", np.full(9, 3.0), np.full(9, 3.0))
        assert set(quality) == {"rmse", "mae"}
        contract = make_contract(task="regression", metric="rmse", gates={"r2": 0.5})
        (verdict,) = gates.verdicts(contract, quality, None)
        assert (verdict["passed"], "not defined" in verdict["message"]) == (False, True)

    def test_scores_that_overflow_give_no_metric(self) -> None:
        """A squared error past the largest float is left out."""
        with np.errstate(over="ignore"):
            assert "rmse" not in evaluate.quality("regression", np.arange(3.0), np.full(3, 1e200))
