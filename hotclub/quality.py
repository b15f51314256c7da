"""The formulas of the metrics, by scikit-learn. Names and directions are in `hotclub.metrics`, which anyone may import."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

from hotclub.metrics import metrics_of

Floats = npt.NDArray[np.float64]
_EPSILON = 1e-7


def _binary(name: str, label: Floats, score: Floats) -> float:
    known: dict[str, Callable[[], float]] = {
        "roc_auc": lambda: sk.roc_auc_score(label, score),
        "average_precision": lambda: sk.average_precision_score(label, score),
        "brier": lambda: sk.brier_score_loss(label, score),
        "log_loss": lambda: sk.log_loss(label, np.clip(score, _EPSILON, 1 - _EPSILON), labels=[0, 1]),
        "accuracy": lambda: sk.accuracy_score(label, score >= 0.5),
    }
    return float(known[name]())


def _multiclass(name: str, label: Floats, score: Floats) -> float:
    if name == "accuracy":
        return float(sk.accuracy_score(label, score.argmax(axis=1)))
    clipped = np.clip(score, _EPSILON, 1)
    clipped /= clipped.sum(axis=1, keepdims=True)
    return float(sk.log_loss(label, clipped, labels=list(range(score.shape[1]))))


def _regression(name: str, label: Floats, score: Floats) -> float:
    known: dict[str, Callable[[], float]] = {
        "rmse": lambda: sk.root_mean_squared_error(label, score),
        "mae": lambda: sk.mean_absolute_error(label, score),
        "r2": lambda: sk.r2_score(label, score),
    }
    return float(known[name]())


def measure(task: str, label: Floats, score: Floats, only: Iterable[str] | None = None) -> dict[str, float]:
    """Return every metric of the task that is defined on these rows: one that is not is left out.

    Args:
        task: binary, multiclass or regression.
        label: shape (rows,).
        score: shape (rows,), or (rows, classes) for multiclass.
        only: names of metrics, in the order of the answer; all of the task's by default.
    """
    compute = {"binary": _binary, "multiclass": _multiclass, "regression": _regression}[task]
    # AUC and average precision need both classes, R2 labels that differ: scikit-learn answers all the same.
    constant = ("roc_auc", "average_precision", "r2") if len(np.unique(label)) < 2 else ()
    wanted = metrics_of(task) if only is None else only
    values = {name: compute(name, label, score) for name in wanted if name not in constant}
    return {name: value for name, value in values.items() if math.isfinite(value)}
