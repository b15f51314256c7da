"""Rows to matrix: the one function that training, serving and batch all use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotclub.contract import FeatureSpec

Column: TypeAlias = Sequence[Any] | pa.ChunkedArray | pa.Array
Columns: TypeAlias = Mapping[str, Column] | pa.Table
Vocabulary: TypeAlias = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Features as numbers.

    Attributes:
        values: float32, shape (rows, features), C order; missing is NaN.
        nulls: per feature with any, how many values were null.
        unseen: per category feature with any, how many values training had never seen.
    """

    values: npt.NDArray[np.float32]
    nulls: dict[str, int]
    unseen: dict[str, int]


class MatrixBuilder:
    """Converts columns of feature values to a `Matrix`, for one contract's features and vocabulary.

    Numbers go through float64 to float32, booleans become 1 and 0, a category becomes its place in the
    vocabulary. Null and unseen become NaN: an unseen code is *not* missing to XGBoost by itself.
    """

    def __init__(self, features: Sequence[FeatureSpec], vocabulary: Vocabulary) -> None:
        self.features = tuple(features)
        self._codes: dict[str, dict[str | None, float]] = {
            f.name: {value: float(code) for code, value in enumerate(vocabulary[f.name])}
            for f in self.features
            if f.type == "category"
        }

    def build(self, columns: Columns) -> Matrix:
        """Return the matrix of columns of equal length, one per feature; others are ignored.

        Raises:
            KeyError: a feature has no column.
        """
        parts = [(f, columns[f.name]) for f in self.features]
        rows = len(parts[0][1]) if parts else 0
        values = np.empty((rows, len(parts)), dtype=np.float32)
        nulls: dict[str, int] = {}
        unseen: dict[str, int] = {}
        for place, (feature, column) in enumerate(parts):
            if isinstance(column, pa.ChunkedArray | pa.Array):
                numbers, missing = self._from_arrow(feature, column)
            else:
                numbers, missing = self._from_list(feature, column)
            values[:, place] = numbers
            if missing:
                nulls[feature.name] = missing
            if feature.type == "category":
                strange = int(np.isnan(values[:, place]).sum()) - missing
                if strange:
                    unseen[feature.name] = strange
        return Matrix(values, nulls, unseen)

    def _from_list(self, feature: FeatureSpec, column: Sequence[Any]) -> tuple[npt.NDArray[Any], int]:
        missing = sum(value is None for value in column)
        if feature.type == "category":
            codes = self._codes[feature.name]
            return np.array([codes.get(value, np.nan) for value in column], dtype=np.float64), missing
        # numpy converts None to NaN for float64, and True into 1.
        return np.array(column, dtype=np.float64), missing

    def _from_arrow(
        self, feature: FeatureSpec, column: pa.ChunkedArray | pa.Array
    ) -> tuple[npt.NDArray[Any], int]:
        missing = int(column.null_count)
        if feature.type == "category":
            if isinstance(column, pa.ChunkedArray):
                column = column.combine_chunks()
            encoded = column.dictionary_encode()
            codes = self._codes[feature.name]
            table = np.array([codes.get(v, np.nan) for v in encoded.dictionary.to_pylist()] + [np.nan])
            places = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)
            return table[places.astype(np.int64)], missing
        numbers = pc.cast(column, pa.float64())
        return numbers.to_numpy(zero_copy_only=False) if isinstance(
            numbers, pa.Array
        ) else numbers.to_numpy(), missing


def vocabulary_of(features: Sequence[FeatureSpec], table: pa.Table) -> dict[str, list[str]]:
    """Return the categories of each category feature, sorted, as training rows show them."""
    return {
        f.name: sorted(v for v in pc.unique(table[f.name]).to_pylist() if v is not None)
        for f in features
        if f.type == "category"
    }
