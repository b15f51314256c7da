"""What `MLModel.parameters` may hold: XGBoost's parameters by name, kind and range.

Django compiles declarations without XGBoost, so the table is here; a test of training holds it against the real one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from hotclub import objectives
from hotclub.errors import ContractError

#: Keys that are Hotclub's own; the others go to XGBoost.
ROUNDS: Final = "num_boost_round"
EARLY_STOPPING: Final = "early_stopping_rounds"
OURS: Final = (ROUNDS, EARLY_STOPPING)
DEFAULT_ROUNDS: Final = 400
DEFAULT_EARLY_STOPPING: Final = 30
MONOTONE: Final = "monotone_constraints"
INTERACTION: Final = "interaction_constraints"


@dataclass(frozen=True, slots=True)
class Number:
    """A number from `low` to `high`; an end that is `open` is left out."""

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    low_open: bool = False
    high_open: bool = False

    def error(self, value: object) -> str | None:
        """Return what is wrong with a value, None when nothing is."""
        kind = "a whole number" if self.whole else "a number"
        is_number = isinstance(value, int if self.whole else (int, float)) and not isinstance(value, bool)
        try:
            if is_number and math.isfinite(value) and self._within(float(value)):  # type: ignore[arg-type]  # a number, see above
                return None
        except OverflowError:  # a whole number that no float holds
            return f"must be {kind}{self._range()}, got one of more than 300 digits"
        return f"must be {kind}{self._range()}, got {value!r}"

    def _within(self, value: float) -> bool:
        low = value > self.low if self.low_open else value >= self.low
        high = value < self.high if self.high_open else value <= self.high
        return low and high

    def _range(self) -> str:
        ends = []
        if self.low > -math.inf:
            ends.append(f"more than {self.low:g}" if self.low_open else f"at least {self.low:g}")
        if self.high < math.inf:
            ends.append(f"less than {self.high:g}" if self.high_open else f"at most {self.high:g}")
        return " of " + " and ".join(ends) if ends else ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    def error(self, value: object) -> str | None:
        """Return what is wrong with a value, None when nothing is."""
        return None if value in self.words else f"must be one of {', '.join(self.words)}, got {value!r}"


_SHARE: Final = Number(0, 1, low_open=True)
_RATE: Final = Number(0, 1)
_NOT_NEGATIVE: Final = Number(0)
_WHOLE: Final = Number(0, 2**31 - 1, whole=True)
_FROM_ONE: Final = Number(1, 2**31 - 1, whole=True)

#: XGBoost's parameters that a declaration may set.
ALLOWED: Final[Mapping[str, Number | Choice]] = {
    "learning_rate": _SHARE,
    "max_depth": _WHOLE,
    "min_child_weight": _NOT_NEGATIVE,
    "min_split_loss": _NOT_NEGATIVE,
    "max_delta_step": _NOT_NEGATIVE,
    "subsample": _SHARE,
    "colsample_bytree": _SHARE,
    "colsample_bylevel": _SHARE,
    "colsample_bynode": _SHARE,
    "reg_lambda": _NOT_NEGATIVE,
    "reg_alpha": _NOT_NEGATIVE,
    "scale_pos_weight": Number(0, low_open=True),
    "base_score": Number(),
    "num_parallel_tree": _FROM_ONE,
    "tree_method": Choice(("hist", "approx", "exact")),
    "grow_policy": Choice(("depthwise", "lossguide")),
    "max_leaves": _WHOLE,
    "max_bin": Number(2, 2**31 - 1, whole=True),
    "seed": _WHOLE,
    "booster": Choice(("gbtree", "dart")),
    "sample_type": Choice(("uniform", "weighted")),
    "normalize_type": Choice(("tree", "forest")),
    "rate_drop": _RATE,
    "skip_drop": _RATE,
    "one_drop": Number(0, 1, whole=True),
    "tweedie_variance_power": Number(1, 2, low_open=True, high_open=True),
    "huber_slope": Number(0, low_open=True),
    "quantile_alpha": Number(0, 1, low_open=True, high_open=True),
}
#: Other names that XGBoost takes for some of them.
ALIASES: Final[Mapping[str, str]] = {
    "eta": "learning_rate",
    "gamma": "min_split_loss",
    "lambda": "reg_lambda",
    "alpha": "reg_alpha",
    "random_state": "seed",
    "n_estimators": ROUNDS,
}
_ROWS: Final = "the rows come from the declaration"
_MACHINE: Final = "it belongs to the machine, not to the model"
_FRESH: Final = "every run fits a new model"
_CODES: Final = "the model sees a category's code as a number"
#: Parameters of XGBoost, or of its functions, that a declaration may not set, with the reason.
REFUSED: Final[Mapping[str, str]] = {
    "num_class": "it is the number of `classes`",
    "nthread": f"{_MACHINE}: set HOTCLUB_TRAINING_THREADS",
    "n_jobs": f"{_MACHINE}: set HOTCLUB_TRAINING_THREADS",
    "device": _MACHINE,
    "gpu_id": _MACHINE,
    "predictor": _MACHINE,
    "verbosity": "it changes no model",
    "validate_parameters": "parameters are checked before XGBoost sees them",
    "disable_default_eval_metric": "`metric` and eval_metric decide",
    "process_type": _FRESH,
    "updater": "set tree_method",
    "refresh_leaf": _FRESH,
    "xgb_model": _FRESH,
    "seed_per_iteration": "set seed",
    "multi_strategy": "one tree for each class is what every engine reads",
    "sampling_method": "uniform is what a CPU has: set subsample",
    "max_cat_to_onehot": _CODES,
    "max_cat_threshold": _CODES,
    "enable_categorical": _CODES,
    "missing": "a null is missing, and nothing else",
    "feature_selector": "it is gblinear's",
    "top_k": "it is gblinear's",
    "callbacks": "training has its own",
    "evals": _ROWS,
    "data": _ROWS,
    "label": _ROWS,
    "weight": _ROWS,
    "verbose_eval": "it changes no model",
    "obj": "name an objective of XGBoost",
    "feval": "name metrics of XGBoost in eval_metric",
    "custom_metric": "name metrics of XGBoost in eval_metric",
    "maximize": "the metric says which way is better",
}
#: Metrics for early stopping and progress, by task; a declared list is watched whole, and its last one stops.
EVAL_METRICS: Final[Mapping[str, tuple[str, ...]]] = {
    "binary": ("logloss", "auc", "aucpr", "error", "rmse", "mae"),
    "multiclass": ("mlogloss", "merror", "auc"),
    "regression": (
        "rmse", "mae", "mape", "rmsle", "mphe", "poisson-nloglik", "gamma-nloglik", "gamma-deviance", "quantile",
    ),
}  # fmt: skip
#: Parameters that only one choice of another one reads: elsewhere XGBoost would ignore them without a word.
READ_WITH: Final[Mapping[str, tuple[str, str]]] = {
    "tweedie_variance_power": ("objective", "reg:tweedie"),
    "huber_slope": ("objective", "reg:pseudohubererror"),
    "quantile_alpha": ("objective", "reg:quantileerror"),
    "sample_type": ("booster", "dart"),
    "normalize_type": ("booster", "dart"),
    "rate_drop": ("booster", "dart"),
    "skip_drop": ("booster", "dart"),
    "one_drop": ("booster", "dart"),
}


def canonical(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters under their first names: ``eta`` is ``learning_rate``."""
    return {ALIASES.get(name, name): value for name, value in parameters.items()}


def check(task: str, features: Mapping[str, str], parameters: object) -> None:
    """Check a declaration's parameters.

    Args:
        task: of the model.
        features: the type of each feature (number, boolean, category) by name.
        parameters: as declared.

    Raises:
        ContractError: with the parameter and the fix.
    """
    if not isinstance(parameters, Mapping):
        raise ContractError("parameters: must be a dict of parameter and value")
    for name in parameters:
        _check_name(name)
        first = ALIASES.get(name)
        if first in parameters:
            raise ContractError(f"parameters: {name!r} and {first!r} are one parameter: keep {first!r}")
    found = canonical(parameters)
    objective = objectives.find(task, found)
    for name, value in found.items():
        error = _value_error(name, value, task, features)
        if error is not None:
            raise ContractError(f"parameters[{name!r}]: {error}")
    _check_together(task, objective, found)


def _check_name(name: object) -> None:
    known = (*ALLOWED, *ALIASES, *OURS, "objective", "eval_metric", MONOTONE, INTERACTION)
    if name in known:
        return
    if name in REFUSED:
        raise ContractError(f"parameters[{name!r}]: cannot be declared: {REFUSED[str(name)]}")
    near = get_close_matches(str(name), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
    raise ContractError(f"parameters[{name!r}]: is no parameter of a model; {hint}")


def _value_error(name: str, value: object, task: str, features: Mapping[str, str]) -> str | None:
    if name == "eval_metric":
        return _metric_error(value, task)
    if name == MONOTONE:
        return _monotone_error(value, features)
    if name == INTERACTION:
        return _interaction_error(value, features)
    if name == ROUNDS:
        return _FROM_ONE.error(value)
    if name == EARLY_STOPPING:
        error = None if value is None else _FROM_ONE.error(value)
        return f"{error}; None fits every round" if error else None
    return ALLOWED[name].error(value) if name in ALLOWED else None


def _metric_error(value: object, task: str) -> str | None:
    wanted = f"must be a metric of XGBoost for {task} models, or a list of them whose last one stops early"
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, Sequence) or not listed:
        return f"{wanted}: {', '.join(EVAL_METRICS[task])}"
    if len(set(map(str, listed))) != len(listed):
        return "names a metric twice"
    unknown = [metric for metric in listed if metric not in EVAL_METRICS[task]]
    return f"{wanted}: {', '.join(EVAL_METRICS[task])}, not {unknown[0]!r}" if unknown else None


def _unknown_feature(name: object, features: Mapping[str, str]) -> str:
    near = get_close_matches(str(name), features, n=1)
    return f"{name!r} is not among the features" + (f"; did you mean {near[0]!r}?" if near else "")


def _monotone_error(value: object, features: Mapping[str, str]) -> str | None:
    if not isinstance(value, Mapping) or not value:
        return "must be a dict of feature and 1 (rising), -1 (falling) or 0, such as {'distance': 1}"
    for name, way in value.items():
        if name not in features:
            return _unknown_feature(name, features)
        if features[name] == "category":
            return f"{name!r} is a category, and its codes have no order that means anything"
        if isinstance(way, bool) or way not in (-1, 0, 1):
            return f"{name!r}: must be 1 (rising), -1 (falling) or 0, got {way!r}"
    return None


def _interaction_error(value: object, features: Mapping[str, str]) -> str | None:
    wanted = "must be a list of lists of features that may be used together, such as [['hour', 'carrier']]"
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return wanted
    for group in value:
        if not isinstance(group, Sequence) or isinstance(group, str) or not group:
            return wanted
        for name in group:
            if not isinstance(name, str) or name not in features:
                return _unknown_feature(name, features)
    return None


def _check_together(task: str, objective: objectives.Objective, found: Mapping[str, Any]) -> None:
    chosen = {"objective": objectives.name_of(task, found), "booster": found.get("booster", "gbtree")}
    for name in found:
        key, wanted = READ_WITH.get(name, ("", ""))
        if key and chosen[key] != wanted:
            raise ContractError(
                f"parameters[{name!r}]: is read with {key} = {wanted!r} alone, not {chosen[key]!r}"
            )
    if chosen["objective"] == "reg:quantileerror" and "quantile_alpha" not in found:
        raise ContractError("parameters['quantile_alpha']: is required by reg:quantileerror, such as 0.9")
    if "quantile" in _metrics(found) and chosen["objective"] != "reg:quantileerror":
        raise ContractError("parameters['eval_metric']: 'quantile' needs the objective reg:quantileerror")
    if "scale_pos_weight" in found and task != "binary":
        raise ContractError("parameters['scale_pos_weight']: is for binary models alone")
    if chosen["booster"] == "dart" and found.get(EARLY_STOPPING, DEFAULT_EARLY_STOPPING) is not None:
        raise ContractError(
            "parameters['booster']: dart changes the weights of older trees in later rounds, so the best round cannot be "
            f"kept alone: set {EARLY_STOPPING!r} to None and choose {ROUNDS!r}"
        )
    if found.get("tree_method") == "exact":
        _check_exact(found)
    low, high = objective.base_score
    if "base_score" in found and not low < found["base_score"] < high:
        error = Number(low, high, low_open=True, high_open=True).error(found["base_score"])
        raise ContractError(f"parameters['base_score']: {error}, for {chosen['objective']}")


def _check_exact(found: Mapping[str, Any]) -> None:
    if found.get("max_depth") == 0:
        raise ContractError("parameters['max_depth']: 0 (no limit) does not go with tree_method = 'exact'")
    for name in ("grow_policy", "max_leaves", "max_bin"):
        if name in found:
            raise ContractError(f"parameters[{name!r}]: is not read with tree_method = 'exact'")


def _metrics(found: Mapping[str, Any]) -> list[str]:
    declared = found.get("eval_metric", [])
    return [declared] if isinstance(declared, str) else list(declared)


def without(left_out: Collection[str], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters for a run that leaves features out: constraints that name them go with them."""
    kept = dict(parameters)
    if MONOTONE in kept:
        kept[MONOTONE] = {name: way for name, way in kept[MONOTONE].items() if name not in left_out}
    if INTERACTION in kept:
        groups = [[name for name in group if name not in left_out] for group in kept[INTERACTION]]
        kept[INTERACTION] = [group for group in groups if group]
    return {name: value for name, value in kept.items() if value or name not in (MONOTONE, INTERACTION)}


def for_xgboost(features: Sequence[str], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return checked parameters as XGBoost takes them, Hotclub's own left out.

    Constraints name features; XGBoost counts columns.

    Args:
        features: in the order of the matrix's columns.
        parameters: as declared.
    """
    found = {name: value for name, value in canonical(parameters).items() if name not in OURS}
    if MONOTONE in found:
        found[MONOTONE] = "(" + ",".join(str(found[MONOTONE].get(name, 0)) for name in features) + ")"
    if INTERACTION in found:
        found[INTERACTION] = str([[features.index(name) for name in group] for group in found[INTERACTION]])
    return found
