"""What a declaration may say to XGBoost: known names, kinds and ranges, without XGBoost itself."""

from __future__ import annotations

from typing import Any

import pytest

from hotclub import objectives, parameters
from hotclub.errors import ContractError

FEATURES = {"carrier": "category", "hour": "number", "wind_speed": "number", "holiday": "boolean"}


def _refusal(task: str = "binary", **declared: Any) -> str:
    with pytest.raises(ContractError) as refused:
        parameters.check(task, FEATURES, declared)
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("max_dept", "did you mean 'max_depth'?"),
        ("learning_rat", "did you mean 'learning_rate'?"),
        ("num_boost_rounds", "did you mean 'num_boost_round'?"),
        ("monotone_constraint", "did you mean 'monotone_constraints'?"),
        ("zzz", "known are alpha, base_score"),
        ("num_class", "it is the number of `classes`"),
        ("nthread", "set HOTCLUB_TRAINING_THREADS"),
        ("device", "it belongs to the machine"),
        ("process_type", "every run fits a new model"),
        ("updater", "set tree_method"),
        ("callbacks", "training has its own"),
        ("data", "the rows come from the declaration"),
    ],
)
def test_names_that_are_none(name: str, words: str) -> None:
    """A typing error is reported with the nearest name; a parameter that is not the model's, with the reason."""
    message = _refusal(**{name: 1})
    assert message.startswith(f"parameters['{name}']: ")
    assert words in message


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"learning_rate": "fast"}, "must be a number of more than 0 and at most 1, got 'fast'"),
        ({"learning_rate": 0}, "more than 0"),
        ({"learning_rate": True}, "got True"),
        ({"learning_rate": float("nan")}, "got nan"),
        ({"reg_lambda": float("inf")}, "got inf"),
        ({"max_depth": -1}, "must be a whole number of at least 0"),
        ({"max_depth": 6.0}, "must be a whole number"),
        ({"max_depth": 2**31}, "at most"),
        ({"max_bin": 1}, "at least 2"),
        ({"subsample": 0}, "more than 0"),
        ({"subsample": 1.01}, "at most 1"),
        ({"tree_method": "gpu_hist"}, "must be one of hist, approx, exact"),
        ({"booster": "gblinear"}, "must be one of gbtree, dart"),
        ({"num_boost_round": 0}, "at least 1"),
        ({"num_boost_round": "many"}, "must be a whole number"),
        ({"early_stopping_rounds": 0}, "at least 1 and at most 2.14748e+09, got 0; None fits every round"),
        ({"eta": 0.1, "learning_rate": 0.2}, "'eta' and 'learning_rate' are one parameter"),
        ({"base_score": 1}, "less than 1"),
        ({"base_score": 0.0}, "more than 0"),
        ({"tweedie_variance_power": 1.5}, "is read with objective = 'reg:tweedie' alone"),
        ({"rate_drop": 0.1}, "is read with booster = 'dart' alone"),
        ({"booster": "dart"}, "set 'early_stopping_rounds' to None"),
        ({"tree_method": "exact", "max_depth": 0}, "does not go with"),
        ({"tree_method": "exact", "grow_policy": "lossguide"}, "is not read with tree_method = 'exact'"),
        ({"eval_metric": "roc_auc"}, "logloss, auc, aucpr, error, rmse, mae, not 'roc_auc'"),
        ({"eval_metric": ["auc", "mlogloss"]}, "not 'mlogloss'"),
        ({"eval_metric": []}, "must be a metric of XGBoost for binary models"),
        ({"eval_metric": ["auc", "auc"]}, "twice"),
        ({"monotone_constraints": {"hours": 1}}, "'hours' is not among the features; did you mean 'hour'?"),
        ({"monotone_constraints": {"carrier": 1}}, "is a category"),
        ({"monotone_constraints": {"hour": 2}}, "must be 1 (rising), -1 (falling) or 0"),
        ({"monotone_constraints": "(1,0)"}, "must be a dict of feature and"),
        ({"interaction_constraints": [["hour", "wind"]]}, "'wind' is not among the features"),
        ({"interaction_constraints": ["hour"]}, "must be a list of lists"),
    ],
)
def test_values_that_are_none(declared: dict[str, Any], words: str) -> None:
    """A value of another kind, out of its range, or that XGBoost would ignore beside the others, is refused."""
    message = _refusal(**declared)
    assert words in message
    assert any(f"'{name}'" in message for name in declared)


def test_parameters_must_be_a_dict() -> None:
    """A list of pairs is none."""
    with pytest.raises(ContractError, match="must be a dict"):
        parameters.check("binary", FEATURES, [("max_depth", 3)])


@pytest.mark.parametrize(
    ("task", "declared", "words"),
    [
        ("binary", {"objective": "binary:logitraw"}, "score is a probability"),
        ("binary", {"objective": "binary:hinge"}, "for task = 'binary': binary:logistic"),
        ("binary", {"objective": "count:poisson"}, "is an objective of regression models"),
        ("multiclass", {"objective": "multi:softmax"}, "for task = 'multiclass': multi:softprob"),
        ("regression", {"objective": "rank:pairwise"}, "ranking is not a task"),
        ("regression", {"objective": "survival:cox"}, "censored labels"),
        ("regression", {"objective": "poisson"}, "is not an objective of XGBoost; for task = 'regression'"),
        ("regression", {"objective": None}, "is not an objective of XGBoost"),
        ("regression", {"objective": "count:poisson", "base_score": -1}, "more than 0"),
        ("regression", {"objective": "reg:quantileerror"}, "parameters['quantile_alpha']: is required"),
        ("regression", {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.9]}, "must be a number"),
        ("regression", {"eval_metric": "quantile"}, "needs the objective reg:quantileerror"),
        ("regression", {"scale_pos_weight": 2}, "for binary models alone"),
        ("multiclass", {"scale_pos_weight": 2}, "for binary models alone"),
    ],
)
def test_objectives_and_what_goes_with_them(task: str, declared: dict[str, Any], words: str) -> None:
    """An objective whose answers are no scores of the task is refused with those that are allowed."""
    assert words in _refusal(task, **declared)


def test_constraints_name_features_and_xgboost_counts_columns() -> None:
    """By name in the declaration, by place for XGBoost."""
    declared = {
        "eta": 0.3,
        "num_boost_round": 5,
        "early_stopping_rounds": None,
        "monotone_constraints": {"wind_speed": -1, "hour": 1},
        "interaction_constraints": [["hour", "carrier"], ["holiday"]],
    }
    parameters.check("binary", FEATURES, declared)
    assert parameters.for_xgboost(list(FEATURES), declared) == {
        "learning_rate": 0.3,
        "monotone_constraints": "(0,1,-1,0)",
        "interaction_constraints": "[[1, 0], [3]]",
    }


def test_a_feature_that_a_run_leaves_out_takes_its_constraints_along() -> None:
    """What is left is valid for what is left; a constraint of nobody is none."""
    declared = {
        "max_depth": 3,
        "monotone_constraints": {"wind_speed": -1, "hour": 1},
        "interaction_constraints": [["hour", "carrier"], ["holiday"]],
    }
    kept = parameters.without({"hour", "holiday"}, declared)
    assert kept == {
        "max_depth": 3, "monotone_constraints": {"wind_speed": -1}, "interaction_constraints": [["carrier"]],
    }  # fmt: skip
    parameters.check("binary", {"carrier": "category", "wind_speed": "number"}, kept)
    assert parameters.without({"hour", "holiday", "wind_speed", "carrier"}, declared) == {"max_depth": 3}


def test_every_refused_name_is_no_allowed_one() -> None:
    """A name is in one of the tables only."""
    allowed = {*parameters.ALLOWED, *parameters.ALIASES, *parameters.OURS, "objective", "eval_metric"}
    assert not allowed & set(parameters.REFUSED)
    assert not set(objectives.ALLOWED) & set(objectives.REFUSED)
    assert set(parameters.ALIASES.values()) <= {*parameters.ALLOWED, *parameters.OURS}
