"""The baselines that a model is compared with: what knows almost nothing."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hotclub import names
from hotclub.contract import ModelContract
from hotclub.metrics import not_worse

Floats = npt.NDArray[np.float64]
CONSTANT = "constant"
#: Scores are 32-bit floats: metrics that differ by less are equal.
_EQUAL: Final = 1e-6


def baselines(contract: ModelContract, fit: pa.Table, evaluation: pa.Table) -> dict[str, Floats]:
    """Return the scores of two models that know almost nothing.

    ``constant``: the mean label of the fitted rows, for multiclass the share of each class.
    ``mean_by_…``: the same among the fitted rows with equal `baseline_by` features. A null is a value like any other;
    where no fitted row has the values it is the constant.
    """
    outcomes = _outcomes(contract, fit)
    constant = outcomes.mean(axis=0)
    found = {CONSTANT: np.repeat(constant[None, :], evaluation.num_rows, axis=0)}
    keys = list(contract.policy.baseline_by)
    if keys:
        both = _groups([fit, evaluation], keys)
        fitted, asked = both[: fit.num_rows], both[fit.num_rows :]
        counts = np.bincount(fitted, minlength=both.max() + 1)
        sums = np.stack(
            [np.bincount(fitted, weights=column, minlength=len(counts)) for column in outcomes.T], axis=1
        )
        means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], constant)
        found["mean_by_" + "_".join(keys)] = means[asked]
    if contract.schema.task == "multiclass":
        return found
    return {name: scores[:, 0] for name, scores in found.items()}


def no_better_than_constant(
    contract: ModelContract, candidate: dict[str, float], measured: dict[str, dict[str, float]]
) -> str:
    """Return a sentence when a model is not better than the constant by its own metric, else the empty text."""
    metric = contract.policy.metric
    constant = measured[CONSTANT]
    if metric not in candidate or metric not in constant:
        return ""
    same = math.isclose(candidate[metric], constant[metric], rel_tol=_EQUAL, abs_tol=_EQUAL)
    if not same and not_worse(metric, candidate[metric], constant[metric]):
        return ""
    return (
        f"{'no better' if same else 'poorer'} than the constant baseline: {metric} {candidate[metric]:.4g}, that of always giving the same answer "
        f"is {constant[metric]:.4g}"
    )


def _outcomes(contract: ModelContract, rows: pa.Table) -> Floats:
    """Return labels with shape (rows, 1), for multiclass 1 and 0 with shape (rows, classes)."""
    label: Floats = rows[names.COLUMN_LABEL].to_numpy()
    if contract.schema.task != "multiclass":
        return label[:, None]
    return np.asarray(label[:, None] == np.arange(len(contract.schema.classes)), dtype=np.float64)


def _groups(tables: list[pa.Table], keys: list[str]) -> npt.NDArray[np.int64]:
    """Return the number of each row's group, over all tables: rows of equal keys are of one group."""
    groups = np.zeros(sum(table.num_rows for table in tables), dtype=np.int64)
    for key in keys:
        column = pa.chunked_array([chunk for table in tables for chunk in table[key].chunks])
        encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
        codes = encoded.indices.to_numpy().astype(np.int64)
        # Numbered anew at each key, so that many keys cannot make a number too large.
        groups = np.unique(groups * (codes.max() + 1) + codes, return_inverse=True)[1].reshape(-1)
    return groups
