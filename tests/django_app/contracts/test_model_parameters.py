"""What `check_model` says of a model's parameters, days and gates: the class, the attribute and the fix."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from django_app.contracts.validation.model_checks import check_model
from hotclub.declarations import Category, MLModel, Number
from hotclub.errors import ContractError

pytestmark = pytest.mark.usefixtures("declared_for_a_moment")


def _declare(**attributes: Any) -> type[MLModel]:
    declared: dict[str, Any] = {
        "rows": None, "event_time": "at", "horizon": dt.timedelta(hours=1), "label": "late", "task": "binary",
        "metric": "roc_auc", "features": {"hour": Number("hour"), "shop": Category("shop")},
    }  # fmt: skip
    return type("Momentary", (MLModel,), {"__module__": __name__, **declared, **attributes})


def test_good_parameters_pass() -> None:
    """Constraints by name and a list of metrics among them."""
    check_model(
        _declare(
            parameters={
                "max_depth": 4, "monotone_constraints": {"hour": 1}, "interaction_constraints": [["hour", "shop"]],
                "eval_metric": ["logloss", "auc"], "early_stopping_rounds": None,
            },
            gates={"roc_auc": 0.7, "worse_than_champion_by": 0},
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"parameters": {"max_dept": 3}}, "Momentary.parameters['max_dept']: is no parameter of a model; did you mean"),
        ({"parameters": {"objective": "count:poisson"}}, "Momentary.parameters['objective']: 'count:poisson' is an"),
        ({"parameters": {"monotone_constraints": {"hours": 1}}}, "did you mean 'hour'?"),
        ({"parameters": ["max_depth"]}, "Momentary.parameters: must be a dict"),
        ({"evaluate_days": 0}, "Momentary.evaluate_days: must be a whole number from 1 to 36500, got 0"),
        ({"stopping_days": "30"}, "Momentary.stopping_days: must be a whole number from 1 to 36500, got '30'"),
        ({"evaluate_days": dt.timedelta(days=3)}, "Momentary.evaluate_days: must be a whole number"),
        ({"gates": {"roc_auc": "0.7"}}, "Momentary.gates['roc_auc']: must be a number from 0 to 1, got '0.7'"),
        ({"gates": {"roc_auc": float("nan")}}, "Momentary.gates['roc_auc']: must be a number from 0 to 1, got nan"),
        ({"gates": {"worse_than_champion_by": None}}, "must be a number from 0 to 1, got None"),
    ],
)  # fmt: skip
def test_what_is_refused_names_its_place(attributes: dict[str, Any], words: str) -> None:
    """Before anything is compiled, and so before anything is trained."""
    with pytest.raises(ContractError) as refused:
        check_model(_declare(**attributes))
    assert words in str(refused.value)
