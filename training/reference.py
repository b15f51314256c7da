"""Histograms of features and scores at training time: what drift is later measured against."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotclub.contract import FeatureSpec, ModelContract

BINS = 20


def histograms(contract: ModelContract, table: pa.Table, scores: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return counts per bin of each feature and of the score.

    Numbers: `edges` are quantiles (unique, so there may be fewer than `BINS` bins), `counts` one more
    than the inner edges. Categories and booleans: `counts` by value. `nulls` apart in each.
    A multiclass score is that of each class, by name.
    """
    by_feature = {spec.name: _feature(spec, table[spec.name]) for spec in contract.features}
    wide = scores.reshape(len(scores), -1)
    labels = contract.schema.classes or ("score",)
    by_score = {label: _numbers(wide[:, place]) for place, label in enumerate(labels[: wide.shape[1]])}
    return {"rows": table.num_rows, "features": by_feature, "score": by_score}


def _feature(spec: FeatureSpec, column: pa.ChunkedArray) -> dict[str, Any]:
    if spec.type == "number":
        return _numbers(column.to_numpy())
    counted = pc.value_counts(column.drop_null())
    counts = {str(entry["values"]): int(entry["counts"]) for entry in counted.to_pylist()}
    return {"counts": dict(sorted(counts.items())), "nulls": int(column.null_count)}


def _numbers(values: npt.NDArray[Any]) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    if not len(known):
        return {"edges": [], "counts": [], "nulls": len(values)}
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)))
    if len(edges) == 1:
        return {"edges": [float(edges[0])], "counts": [len(known)], "nulls": int(len(values) - len(known))}
    counts, _ = np.histogram(known, bins=edges)
    return {
        "edges": [float(edge) for edge in edges],
        "counts": [int(count) for count in counts],
        "nulls": int(len(values) - len(known)),
    }
