"""XGBoost's objectives: which a model may have, and how a margin becomes a score in the label's own unit.

The one home of objective → link. A score is what XGBoost's own ``predict`` answers; packages carry golden scores, so
that this table is held against XGBoost at training and at every load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hotclub.errors import ContractError

Floats = npt.NDArray[np.float64]


def _unchanged(margins: Floats) -> Floats:
    return margins


def _logistic(margins: Floats) -> Floats:
    # exp of a negative number only, so that a large margin cannot overflow.
    small = np.exp(-np.abs(margins))
    return np.where(margins >= 0, 1.0 / (1.0 + small), small / (1.0 + small))


def _softmax(margins: Floats) -> Floats:
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class Objective:
    """An objective that a model may have.

    Attributes:
        task: the task that it answers.
        link: margins (rows,) or (rows, classes) to scores of the same shape.
        label: what its labels must be, in words.
        accepts: which labels are so, by row.
        base_score: the open interval in which a declared ``base_score`` must lie.
    """

    task: str
    link: Callable[[Floats], Floats]
    label: str = "any number"
    accepts: Callable[[Floats], npt.NDArray[np.bool_]] = np.isfinite
    base_score: tuple[float, float] = (-np.inf, np.inf)


_POSITIVE: Final = (0.0, np.inf)
_SHARE: Final = (0.0, 1.0)
_COUNT: Final = Objective("regression", np.exp, "zero or more", lambda y: y >= 0, _POSITIVE)

ALLOWED: Final[Mapping[str, Objective]] = {
    "binary:logistic": Objective("binary", _logistic, "0 or 1", lambda y: np.isin(y, (0, 1)), _SHARE),
    "multi:softprob": Objective("multiclass", _softmax),
    "reg:squarederror": Objective("regression", _unchanged),
    "reg:absoluteerror": Objective("regression", _unchanged),
    "reg:pseudohubererror": Objective("regression", _unchanged),
    "reg:quantileerror": Objective("regression", _unchanged),
    "reg:squaredlogerror": Objective(
        "regression", _unchanged, "more than -1", lambda y: y > -1, (-1, np.inf)
    ),
    "reg:logistic": Objective("regression", _logistic, "from 0 to 1", lambda y: (y >= 0) & (y <= 1), _SHARE),
    "count:poisson": _COUNT,
    "reg:tweedie": _COUNT,
    "reg:gamma": Objective("regression", np.exp, "more than zero", lambda y: y > 0, _POSITIVE),
}
DEFAULTS: Final[Mapping[str, str]] = {
    "binary": "binary:logistic",
    "multiclass": "multi:softprob",
    "regression": "reg:squarederror",
}
_RANKING: Final = "ranking is not a task of Hotclub"
_SURVIVAL: Final = "censored labels are not a task of Hotclub"
#: Objectives of XGBoost that no model may have, with the reason.
REFUSED: Final[Mapping[str, str]] = {
    "binary:logitraw": "it answers log odds, and a binary model's score is a probability: leave it out",
    "binary:hinge": "it answers 0 or 1, and a binary model's score is a probability: leave it out",
    "multi:softmax": "it answers a class alone, and a multiclass model's score is a probability for each: leave it out",
    "rank:ndcg": _RANKING,
    "rank:map": _RANKING,
    "rank:pairwise": _RANKING,
    "survival:aft": _SURVIVAL,
    "survival:cox": _SURVIVAL,
    "reg:linear": "it is the old name of reg:squarederror",
}


def of_task(task: str) -> list[str]:
    """Return the names of the objectives that a task may have, the default first."""
    others = [name for name, known in ALLOWED.items() if known.task == task and name != DEFAULTS[task]]
    return [DEFAULTS[task], *others]


def name_of(task: str, parameters: Mapping[str, Any]) -> str:
    """Return the objective that a model is trained with: the declared one, else that of its task."""
    return str(parameters.get("objective", DEFAULTS[task]))


def find(task: str, parameters: Mapping[str, Any]) -> Objective:
    """Return the objective that a model is trained with.

    Raises:
        ContractError: it is not one that models of this task may have; the message lists those.
    """
    name = name_of(task, parameters)
    known = ALLOWED.get(name)
    if known is not None and known.task == task:
        return known
    if known is not None:
        reason = f"is an objective of {known.task} models"
    else:
        reason = f"cannot be used: {REFUSED[name]}" if name in REFUSED else "is not an objective of XGBoost"
    raise ContractError(
        f"parameters['objective']: {name!r} {reason}; for task = {task!r}: {', '.join(of_task(task))}"
    )


def scores(objective: Objective, margins: npt.NDArray[np.float32]) -> Floats:
    """Return margins as scores: what XGBoost's own ``predict`` answers, in float64."""
    return objective.link(margins.astype(np.float64))
