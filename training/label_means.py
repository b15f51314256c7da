"""Features that are the mean or the sum of the label by a group: each row's own label is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hotclub import names
from hotclub.contract import FeatureSpec, ModelContract
from training.findings import MIN_ROWS, Finding, critical

Floats = npt.NDArray[np.float64]
_FIRST_ROWS: Final = 1000
_MIN_GROUPS: Final = 5
_TOLERANCE: Final = 1e-9


def label_means(contract: ModelContract, rows: pa.Table) -> dict[str, Floats]:
    """Return, by words for it, the mean and the sum of each row's group, by `split_by` and by each category."""
    by = {spec.name: spec.name for spec in contract.features if spec.type == "category"}
    if contract.schema.split_by is not None:
        by[contract.schema.split_by] = names.COLUMN_SPLIT
    label = rows[names.COLUMN_LABEL].to_numpy()
    found: dict[str, Floats] = {}
    for words, column in by.items():
        encoded = rows[column].combine_chunks().dictionary_encode(null_encoding="encode")
        groups = encoded.indices.to_numpy()
        counts = np.bincount(groups)
        # Groups of one have the label itself.
        if (counts > 1).sum() < _MIN_GROUPS:
            continue
        sums = np.bincount(groups, weights=label)
        found[f"the mean of the label by {words}"] = (sums / counts)[groups]
        found[f"the sum of the label by {words}"] = sums[groups]
    return found


def means_of_label(spec: FeatureSpec, rows: pa.Table, means: Mapping[str, Floats]) -> Finding | None:
    """Return that a number is one of `label_means` wherever it has a value."""
    if spec.type != "number":
        return None
    values = rows[spec.name].to_numpy()
    known = ~np.isnan(values)
    if known.sum() < MIN_ROWS:
        return None
    for words, expected in means.items():
        if _equal(values[:_FIRST_ROWS], expected[:_FIRST_ROWS]) and _equal(values, expected):
            message = f"{spec.name} is {words} in all {known.sum():,} rows in which it has a value, each row's own label in it"
            return critical(spec.name, "mean_of_label", 1.0, message)
    return None


def _equal(values: Floats, expected: Floats) -> bool:
    known = ~np.isnan(values)
    return bool(np.allclose(values[known], expected[known], rtol=_TOLERANCE, atol=_TOLERANCE))
