"""Quality of scores, and the baselines that a model is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn import metrics as sk

from hotclub import names
from hotclub.contract import ModelContract
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


def quality(task: str, label: Floats, score: Floats) -> dict[str, float]:
    """Return every metric of the task that is defined on these rows: one that is not is left out.

    Args:
        task: binary, multiclass or regression.
        label: shape (rows,).
        score: shape (rows,), or (rows, classes) for multiclass.
    """
    compute = {"binary": _binary, "multiclass": _multiclass, "regression": _regression}[task]
    # AUC and average precision need both classes, R2 labels that differ: scikit-learn answers all the same.
    constant = ("roc_auc", "average_precision", "r2") if len(np.unique(label)) < 2 else ()
    values = {name: compute(name, label, score) for name in metrics_of(task) if name not in constant}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def baselines(contract: ModelContract, fit: pa.Table, evaluation: pa.Table) -> dict[str, Floats]:
    """Return the scores of two models that know almost nothing.

    ``constant``: the mean label of the fitted rows (for multiclass the share of each class).
    ``mean_by_…``: the mean label by the contract's `baseline_by` features; not for multiclass.
    """
    label = fit[names.COLUMN_LABEL].to_numpy()
    rows = evaluation.num_rows
    if contract.schema.task == "multiclass":
        shares = np.bincount(label.astype(int), minlength=len(contract.schema.classes)) / len(label)
        return {"constant": np.tile(shares, (rows, 1))}
    found = {"constant": np.full(rows, label.mean())}
    keys = list(contract.policy.baseline_by)
    if keys:
        means = fit.group_by(keys).aggregate([(names.COLUMN_LABEL, "mean")])
        lookup = dict(zip(_keys(means, keys), means[f"{names.COLUMN_LABEL}_mean"].to_pylist(), strict=True))
        overall = float(label.mean())
        found["mean_by_" + "_".join(keys)] = np.array(
            [lookup.get(key, overall) for key in _keys(evaluation, keys)]
        )
    return found


def _keys(table: pa.Table, keys: list[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(table[key].to_pylist() for key in keys), strict=True))
