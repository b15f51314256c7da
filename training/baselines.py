"""The baselines that a model is compared with: what knows almost nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hotclub import names
from hotclub.contract import ModelContract

Floats = npt.NDArray[np.float64]


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
