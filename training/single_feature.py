"""How well one feature alone predicts the label: means by bin or category, fitted on some rows, measured on others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotclub import names, quality
from hotclub.contract import FeatureSpec, ModelContract

Floats = npt.NDArray[np.float64]
#: Bins of a number. Fewer where there are few rows, so that a bin's mean is of some.
_MAX_BINS: Final = 200
_ROWS_PER_BIN: Final = 5
_BINS_PER_CLASS: Final = 20
#: What is measured by task; of each, 1 is a feature that knows the label.
METRIC: Final = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "r2"}


@dataclass(frozen=True)
class Association:
    """How a feature and the label go together.

    Attributes:
        metric: roc_auc, accuracy or r2.
        score: of the feature alone; None where the metric is not defined on these rows.
        correlation: Pearson's, for a number and a label that is a number.
        rank_correlation: Spearman's, which any rising or falling curve makes 1 or -1.
    """

    metric: str
    score: float | None
    correlation: float | None = None
    rank_correlation: float | None = None


def association(
    contract: ModelContract, spec: FeatureSpec, train: pa.Table, measured: pa.Table
) -> Association:
    """Return how well a feature alone, fitted on the train rows, predicts the label of the measured rows."""
    task = contract.schema.task
    metric = METRIC[task]
    label, asked = (rows[names.COLUMN_LABEL].to_numpy() for rows in (train, measured))
    if not len(label) or not len(asked):
        return Association(metric, None)
    groups, asked_groups = _groups(spec, train, measured, by_class=task != "regression")
    scores = _means(task, len(contract.schema.classes), label, groups)[asked_groups]
    if task != "multiclass":
        scores = scores[:, 0]
    values = quality.measure(task, asked, scores, only=[metric])
    numbers = task == "regression" and spec.type == "number"
    correlations = _correlations(train, spec) if numbers else (None, None)
    return Association(metric, values.get(metric), *correlations)


def _means(task: str, classes: int, label: Floats, groups: npt.NDArray[np.int64]) -> Floats:
    """Return the mean label by group, for multiclass the share of each class; a group without rows has the overall mean."""
    outcomes = (
        label[:, None] if task != "multiclass" else (label[:, None] == np.arange(classes)).astype(float)
    )
    count = groups.max() + 2  # one more, for values that the fitted rows lack
    rows = np.bincount(groups, minlength=count)
    sums = np.stack([np.bincount(groups, weights=column, minlength=count) for column in outcomes.T], axis=1)
    return np.where(rows[:, None] > 0, sums / np.maximum(rows, 1)[:, None], outcomes.mean(axis=0))


def _groups(
    spec: FeatureSpec, train: pa.Table, measured: pa.Table, *, by_class: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the group of each row: 0 for a null, then bins of a number or values of a category."""
    if spec.type != "number":
        return _value_groups(train[spec.name], measured[spec.name])
    values, asked = (rows[spec.name].to_numpy() for rows in (train, measured))
    edges = _edges(values, train[names.COLUMN_LABEL].to_numpy(), by_class=by_class)
    groups = [np.where(np.isnan(v), 0, np.searchsorted(edges, v) + 1) for v in (values, asked)]
    return groups[0], groups[1]


def _edges(values: Floats, label: Floats, *, by_class: bool) -> Floats:
    """Return where bins end, so that each has fitted rows, and a value between two belongs to the nearer one.

    The bins are quantiles of all values, and those of each class: a rare class has bins of its own.
    """
    known = ~np.isnan(values)
    values, label = values[known], label[known]
    if not len(values):
        return values
    order = np.argsort(values)
    values, label = values[order], label[order]
    parts = [_quantiles(values, int(np.clip(len(values) // _ROWS_PER_BIN, 2, _MAX_BINS)))]
    if by_class:
        for number in np.unique(label):
            own = values[label == number]
            # A bin ends with its edge: the smallest value of a class begins one.
            parts += [np.nextafter(own[:1], -np.inf), _quantiles(own, _BINS_PER_CLASS)]
    places = np.searchsorted(np.unique(np.concatenate(parts)), values)
    # Bins follow one another as values do: each begins where the number of its place changes.
    begins = np.flatnonzero(np.diff(places)) + 1
    return np.asarray((values[begins - 1] + values[begins]) / 2)


def _quantiles(ordered: Floats, parts: int) -> Floats:
    """Return the values that divide values in order into parts of equal size, the ends included."""
    return ordered[np.linspace(0, len(ordered) - 1, parts + 1).astype(np.int64)]


def _value_groups(
    fitted: pa.ChunkedArray, asked: pa.ChunkedArray
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    encoded = fitted.combine_chunks().dictionary_encode()
    groups = pc.add(pc.cast(encoded.indices, pa.int64()), 1).fill_null(0).to_numpy()
    places = pc.add(pc.cast(pc.index_in(asked, encoded.dictionary), pa.int64()), 1)
    # A value that the fitted rows lack has the group after the last, which has no rows.
    unseen = pc.and_(pc.is_null(places), pc.is_valid(asked))
    found = pc.if_else(unseen, pa.scalar(int(groups.max()) + 1, pa.int64()), places)
    return groups, found.fill_null(0).to_numpy()


def _correlations(rows: pa.Table, spec: FeatureSpec) -> tuple[float | None, float | None]:
    values, label = rows[spec.name].to_numpy(), rows[names.COLUMN_LABEL].to_numpy()
    known = ~np.isnan(values)
    values, label = values[known], label[known]
    if len(values) < 3 or np.ptp(values) == 0 or np.ptp(label) == 0:
        return None, None
    return _pearson(values, label), rank_correlation(values, label)


def rank_correlation(one: Floats, other: Floats) -> float | None:
    """Return Spearman's correlation; None where it is not defined."""
    return _pearson(_ranks(one), _ranks(other))


def _pearson(one: Floats, other: Floats) -> float | None:
    with np.errstate(all="ignore"):  # values that are all one have no correlation, very large ones overflow
        found = float(np.corrcoef(one, other)[0, 1])
    return found if np.isfinite(found) else None


def _ranks(values: Floats) -> Floats:
    """Return the place of each value in their order; equal ones share the mean of their places."""
    _, groups, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[groups.reshape(-1)], dtype=np.float64)
