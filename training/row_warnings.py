"""What a person should know of the rows before believing a metric: one row that decides it, few rows, copies."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotclub import names
from hotclub.contract import ModelContract
from training.findings import MIN_ROWS
from training.splits import Boundaries, Splits

#: One row with more than this share of the variation decides every squared error.
_ONE_ROW: Final = 0.5
#: And it is this much farther from the middle than the next one: prices and durations have far values too.
_FARTHER: Final = 5
#: A split whose rows are this much rarer in time than all rows are.
_SPARSE: Final = 0.1
#: Copies: this share of the held-out rows has the features of a fitted row, and of those nearly all its label too.
_COPIES: Final = 0.05
_OTHER_LABEL: Final = 0.1
_OTHER_LABEL_BY_CHANCE: Final = 0.25
#: Where features have few combinations, rows are equal without being copies.
_COMBINATIONS: Final = 0.05
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)


@dataclass(frozen=True)
class Copies:
    """Evaluation rows that are fitted rows too.

    Attributes:
        is_copy: of each evaluation row.
    """

    is_copy: npt.NDArray[np.bool_]

    def sentence(
        self, contract: ModelContract, everywhere: dict[str, float], others: dict[str, float]
    ) -> str:
        """Return what it means, for a person; the metric of all evaluation rows and that of those that are no copies."""
        metric = contract.policy.metric
        fix = "remove the copies from rows in ml.py"
        if contract.schema.event_time is None:
            fix += ", or give split_by a field that copies share"
        without = f"{others[metric]:.4g}" if metric in others else "not defined"
        return (
            f"{self.is_copy.sum():,} of {len(self.is_copy):,} evaluation rows ({self.is_copy.mean():.0%}) are copies of "
            f"fitted rows, in every feature and the label: {metric} of the others is {without}, of all "
            f"{everywhere.get(metric, float('nan')):.4g}. Where one thing is there twice, {fix}"
        )


def find(contract: ModelContract, splits: Splits, at: Boundaries | None) -> list[str]:
    """Return a sentence for everything about the splits that makes a metric doubtful."""
    found = []
    for name, rows in splits.named().items():
        if contract.schema.task == "regression":
            found.append(_one_row(name, rows))
    if at is not None:
        found += _sparse(splits, at)
    return [sentence for sentence in found if sentence]


def _one_row(name: str, rows: pa.Table) -> str:
    """Return that the label of one row is so far from the others that squares are about that row alone."""
    label = rows[names.COLUMN_LABEL].to_numpy()
    if len(label) < MIN_ROWS:
        return ""
    squares = (label - np.median(label)) ** 2
    place = int(squares.argmax())
    share = squares[place] / squares.sum() if squares.sum() else 0.0
    second = float(np.partition(squares, -2)[-2])
    if share <= _ONE_ROW or squares[place] <= _FARTHER**2 * second:
        return ""
    return (
        f"one row has {share:.0%} of the variation of the label in the {name} split: entity "
        f"{rows[names.COLUMN_ENTITY][place].as_py()} ({label[place]:g}; half of the rows are below {np.median(label):g}). "
        "Squared errors, as in rmse and r2, are about that row: correct it, or leave it out of rows in ml.py"
    )


def _sparse(splits: Splits, at: Boundaries) -> list[str]:
    """Return that a newer split has far fewer rows than its time would have: errors in times, or a source that ended."""
    named = splits.named()
    every = sum(rows.num_rows for rows in named.values())
    ends = pc.min_max(pa.concat_tables(named.values())[names.COLUMN_EVENT_TIME])
    first, last = ends["min"].as_py(), ends["max"].as_py()
    parts = {
        "stopping": (at.evaluation - at.stopping, splits.stopping),
        "evaluation": (last - at.evaluation, splits.evaluation),
    }
    found = []
    for name, (length, rows) in parts.items():
        expected = every * (length / (last - first)) if last > first and length > dt.timedelta() else 0.0
        if 0 < rows.num_rows < _SPARSE * expected:
            found.append(
                f"the {name} split has {rows.num_rows:,} of {every:,} rows ({rows.num_rows / every:.2%}) in "
                f"{length / (last - first):.1%} of the time, from {rows[names.COLUMN_EVENT_TIME][0].as_py():%Y-%m-%d}: few "
                "rows are new, or the times of few rows are wrong"
            )
    return found


def copies(contract: ModelContract, splits: Splits, ignored: Collection[str] = ()) -> Copies | None:
    """Return which evaluation rows are copies of fitted ones; None where they are too few, or equal by chance.

    Args:
        contract: its features.
        splits: the rows.
        ignored: features that differ between copies, such as a number of the row.
    """
    columns = [name for name in contract.feature_names if name not in ignored]
    fitted, asked = splits.train, splits.evaluation
    if not columns or fitted.num_rows < MIN_ROWS or asked.num_rows < MIN_ROWS:
        return None
    every = pa.concat_tables([fitted, asked])
    features = np.zeros(every.num_rows, dtype=np.uint64)
    for name in columns:
        features = _mixed(features, every[name])
    rows = _mixed(features, every[names.COLUMN_LABEL])
    if len(np.unique(features)) < _COMBINATIONS * every.num_rows:
        return None
    known = fitted.num_rows
    # Of many rows with equal features some have any label: what is compared is the label that all of them have.
    firsts = np.unique(rows[:known], return_index=True)[1]
    values, labels = np.unique(features[firsts], return_counts=True)
    alike = np.isin(features[known:], values[labels == 1])
    is_copy = alike & np.isin(rows[known:], rows[:known])
    if is_copy.sum() < max(MIN_ROWS, _COPIES * asked.num_rows):
        return None
    other_label = 1 - is_copy.sum() / alike.sum()
    counts = np.unique(every[names.COLUMN_LABEL].to_numpy(), return_counts=True)[1]
    by_chance = 1 - float(((counts / every.num_rows) ** 2).sum())
    if other_label > min(_OTHER_LABEL, _OTHER_LABEL_BY_CHANCE * by_chance):
        return None
    return Copies(is_copy)


def _mixed(numbers: npt.NDArray[np.uint64], column: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Return a number of each row that also depends on a column's value."""
    if pa.types.is_floating(column.type):
        values: npt.NDArray[Any] = column.to_numpy() + 0.0  # a zero has two signs
        codes = np.where(np.isnan(values), np.nan, values).astype(np.float64).view(np.uint64)
    else:
        encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
        codes = encoded.indices.to_numpy().astype(np.uint64) + np.uint64(1)
    mixed = (numbers ^ codes) * _MULTIPLIER
    return np.asarray((mixed ^ (mixed >> _SHIFT)) * _MULTIPLIER)
