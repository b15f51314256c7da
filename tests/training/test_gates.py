"""The gates of a policy: what passes and what does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hotclub import names
from hotclub.quality import measure
from tests.factories import make_contract
from training import gates


class TestGates:
    """What passes and what does not."""

    def test_direction_of_each_metric(self) -> None:
        """An AUC has to be at least its limit, an RMSE at most."""
        binary = make_contract(gates={"roc_auc": 0.7})
        regression = make_contract(task="regression", metric="rmse", gates={"rmse": 40})
        assert [gates.verdicts(binary, {"roc_auc": v}, None)[0]["passed"] for v in (0.69, 0.7)] == [
            False,
            True,
        ]
        assert [gates.verdicts(regression, {"rmse": v}, None)[0]["passed"] for v in (41.0, 40.0)] == [
            False,
            True,
        ]

    @pytest.mark.parametrize(("candidate", "passed"), [(0.745, True), (0.744, True), (0.73, False)])
    def test_worse_than_champion(self, candidate: float, passed: bool) -> None:
        """A little worse than the champion is allowed, more is not."""
        contract = make_contract(gates={"worse_than_champion_by": 0.0061})
        (verdict,) = gates.verdicts(contract, {"roc_auc": candidate}, {"roc_auc": 0.75})
        assert verdict["passed"] is passed

    def test_only_where_there_is_no_champion_nothing_is_compared(self) -> None:
        """No champion passes; one that could not be scored, or whose metric is not defined, does not, and says why."""
        contract = make_contract(gates={"worse_than_champion_by": 0.01})
        (none,) = gates.verdicts(contract, {"roc_auc": 0.7}, None)
        (unscored,) = gates.verdicts(contract, {"roc_auc": 0.7}, None, champion_failure="its view is gone")
        (undefined,) = gates.verdicts(contract, {}, {"roc_auc": 0.7})
        assert [v["passed"] for v in (none, unscored, undefined)] == [True, False, False]
        assert unscored["message"] == "its view is gone"
        assert "not defined on this split" in undefined["message"]

    def test_metric_that_cannot_be_computed_fails(self) -> None:
        """A split with one class has no AUC, and a gate on it does not pass."""
        quality = measure("binary", np.zeros(5), np.full(5, 0.1))
        assert "roc_auc" not in quality
        assert not gates.verdicts(make_contract(gates={"roc_auc": 0.1}), quality, None)[0]["passed"]

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_no_gate_passes_on_what_is_no_number(self, value: float) -> None:
        """Not even in the direction in which an infinity is better."""
        for metric, task in (("roc_auc", "binary"), ("rmse", "regression")):
            contract = make_contract(task=task, metric=metric, gates={metric: 0.5})
            assert not gates.verdicts(contract, {metric: value}, None)[0]["passed"]

    @pytest.mark.parametrize(
        ("candidate", "passed", "worse"), [(40.4, True, 0.4), (39.0, True, -1.0), (41.0, False, 1.0)]
    )
    def test_a_worse_rmse_does_not_pass_the_champion(
        self, candidate: float, passed: bool, worse: float
    ) -> None:
        """Where less is better, worse is more: the sign of the champion's gate."""
        contract = make_contract(task="regression", metric="rmse", gates={"worse_than_champion_by": 0.5})
        (verdict,) = gates.verdicts(contract, {"rmse": candidate}, {"rmse": 40.0})
        assert verdict["passed"] is passed
        assert verdict["value"] == pytest.approx(worse)
        assert (
            f"{'better' if worse < 0 else 'worse'} by {abs(worse):g}, worse by at most 0.5"
            in verdict["message"]
        )


def test_a_metric_that_is_not_defined_passes_no_gate() -> None:
    """R2 of labels that do not differ is not there; a gate on it does not pass, and says why."""
    contract = make_contract(task="regression", metric="rmse", gates={"r2": 0.5})
    (verdict,) = gates.verdicts(contract, {"rmse": 0.0}, None)
    assert (verdict["passed"], "not defined" in verdict["message"]) == (False, True)


class TestOutcome:
    """What the gates say together."""

    def _outcome(
        self, declared: dict[str, float], candidate: float, champion: float | None, **more: Any
    ) -> str:
        contract = make_contract(gates=declared)
        scores = None if champion is None else {"roc_auc": champion}
        return gates.outcome(gates.verdicts(contract, {"roc_auc": candidate}, scores, **more))

    def test_none_declared_is_not_passed(self) -> None:
        """Nothing was asked of the version, so nothing says that it is good."""
        assert self._outcome({}, 0.99, None) == names.GATES_NONE
        assert self._outcome({}, 0.99, 0.5) == names.GATES_NONE

    def test_the_gate_on_the_champion_alone_needs_a_champion(self) -> None:
        """Without one it has measured nothing, and the first version would be good however bad it is."""
        alone = {"worse_than_champion_by": 0.01}
        assert self._outcome(alone, 0.3, None) == names.GATES_NONE
        assert self._outcome(alone, 0.8, 0.8) == names.GATES_PASSED
        assert self._outcome(alone, 0.7, 0.8) == names.GATES_FAILED
        assert self._outcome(alone, 0.7, None, champion_failure="gone") == names.GATES_FAILED

    def test_a_metric_is_merit_enough(self) -> None:
        """A first version that reaches its limits passes, and one that does not fails."""
        both = {"roc_auc": 0.7, "worse_than_champion_by": 0.01}
        assert self._outcome(both, 0.8, None) == names.GATES_PASSED
        assert self._outcome(both, 0.6, None) == names.GATES_FAILED
