"""Features that say nothing about rows to come: null, constant, different in every row, or a number of the row.

A number of the row is the treacherous one where rows are split by a hash: rows that were written one after the other
often have one label, and each held-out row has neighbours among the fitted ones. A row to come has none.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotclub import names
from hotclub.contract import FeatureSpec, ModelContract
from training.findings import MIN_ROWS, Finding, critical, warning
from training.single_feature import Association, rank_correlation
from training.splits import Splits

_FIRST_ROWS: Final = 1000
#: The numbers of rows are nearly all different, and take not many more values than there are rows.
_DIFFERENT: Final = 0.99
_VALUES_PER_ROW: Final = 2
#: How much better than a constant answer a feature alone must be, so that its order matters to the model.
_BETTER_THAN_CONSTANT: Final = 0.1
_IN_ORDER: Final = 0.9999
_NEARLY_IN_ORDER: Final = 0.99
_UNSEEN: Final = 0.5


def without_values(spec: FeatureSpec, column: pa.ChunkedArray) -> Finding | None:
    """Return that a feature is null in all rows, or has one value in all of them."""
    if column.null_count == len(column):
        message = f"{spec.name} is null in all {len(column):,} labelled rows"
        return warning(spec.name, "all_null", 1.0, message)
    values = pc.unique(column.slice(0, _FIRST_ROWS))
    if len(values) == 1 and len(values := pc.unique(column)) == 1:
        message = f"{spec.name} is constant: {values[0].as_py()!r} in all {len(column):,} labelled rows"
        return warning(spec.name, "constant", 1.0, message)
    return None


def unseen(spec: FeatureSpec, splits: Splits) -> Finding | None:
    """Return that most held-out rows have a category that no fitted row has, as with a key."""
    if spec.type != "category":
        return None
    held = pa.concat_tables([splits.stopping, splits.evaluation])[spec.name].drop_null()
    if len(held) < MIN_ROWS or splits.train.num_rows < MIN_ROWS:
        return None
    fitted = pc.unique(splits.train[spec.name].drop_null())
    share = 1 - (pc.sum(pc.is_in(held, fitted)).as_py() or 0) / len(held)
    if share <= _UNSEEN:
        return None
    message = (
        f"{spec.name} says little about rows to come: {share:.0%} of the held-out rows have a value that none of the fitted "
        f"rows has ({len(fitted):,} values in {splits.train.num_rows:,} rows)"
    )
    return warning(spec.name, "unseen", share, message)


def row_number(
    contract: ModelContract, spec: FeatureSpec, splits: Splits, rows: pa.Table, total: int, alone: Association
) -> Finding | None:
    """Return that a feature counts the rows, or follows the order in which they were written.

    Args:
        contract: says whether rows are split by time.
        spec: the feature.
        splits: the rows, cut.
        rows: every row that is split.
        total: how many rows there are, also without a label or outside of a sample.
        alone: how well the feature alone predicts the label.
    """
    if spec.type != "number":
        return None
    known = rows.select([spec.name, names.COLUMN_ENTITY]).filter(pc.is_valid(rows[spec.name]))
    values = known[spec.name].to_numpy()
    if len(values) < MIN_ROWS or not np.isfinite(values).all():
        return None
    entity = known[names.COLUMN_ENTITY]
    order = _order(values, entity)
    if not _counts(values, entity, total, order):
        if (
            contract.schema.event_time is not None
            or abs(order) < _IN_ORDER
            or len(np.unique(values)) < MIN_ROWS
        ):
            return None
        message = (
            f"{spec.name} follows the order of the keys (rank correlation {order:.5f}), as a time of creation does: rows to "
            "come have values beyond all that were fitted, which a split by hash does not test. Where it is a time, "
            "declare it as event_time"
        )
        return warning(spec.name, "follows_the_key", order, message)
    message = f"{spec.name} numbers the rows: {len(values):,} rows have {len(np.unique(values)):,} different whole numbers"
    if contract.schema.event_time is None and _is_used(contract, splits, alone):
        message += (
            f", and alone it reaches {alone.metric} {alone.score:.3f}, because neighbours have one label and the "
            "split by hash leaves neighbours of each held-out row in the fit; a row to come has none"
        )
        return critical(spec.name, "row_number", alone.score or 0.0, message)
    return warning(
        spec.name, "row_number", 1.0, f"{message}. A row to come has a number that no fitted row has"
    )


def _counts(values: npt.NDArray[np.float64], entity: pa.ChunkedArray, total: int, order: float) -> bool:
    if (values != np.floor(values)).any() or len(np.unique(values)) < _DIFFERENT * len(values):
        return False
    span = float(np.ptp(values))
    if span <= _VALUES_PER_ROW * total:
        return True
    # Numbers with gaps, where keys have such gaps too.
    return abs(order) >= _IN_ORDER and span <= _VALUES_PER_ROW * float(np.ptp(entity.to_numpy()))


def _order(values: npt.NDArray[np.float64], entity: pa.ChunkedArray) -> float:
    """Return the rank correlation with the key, 0 where keys are no numbers."""
    if not pa.types.is_integer(entity.type):
        return 0.0
    keys = entity.to_numpy().astype(np.float64)
    # Ranks of a million rows take a second, for each feature: a few hundred rows tell most of them apart.
    some = slice(None, None, max(1, len(values) // _FIRST_ROWS))
    few = rank_correlation(values[some], keys[some]) or 0.0
    if abs(few) < _NEARLY_IN_ORDER:
        return few
    return rank_correlation(values, keys) or 0.0


def _is_used(contract: ModelContract, splits: Splits, alone: Association) -> bool:
    if alone.score is None:
        return False
    constant = {"binary": 0.5, "multiclass": 0.0, "regression": 0.0}[contract.schema.task]
    if contract.schema.task == "multiclass":
        label: npt.NDArray[Any] = splits.stopping[names.COLUMN_LABEL].to_numpy().astype(int)
        constant = np.bincount(label).max() / len(label)
    return bool(alone.score >= constant + _BETTER_THAN_CONSTANT)
