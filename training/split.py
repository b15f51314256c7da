"""A split ordered by time: fit on the oldest rows, stop early on newer ones, evaluate on the newest."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from hotclub import names
from hotclub.contract import ModelContract
from hotclub.errors import HotclubError

#: Fewer rows than this in a slice say nothing.
LEAST_ROWS = 50


class SplitError(HotclubError):
    """The rows do not reach for three slices."""


@dataclass(frozen=True)
class Boundaries:
    """Instants at which the slices begin: fit < `stopping` <= early stopping < `evaluation` <= evaluation."""

    stopping: dt.datetime
    evaluation: dt.datetime


@dataclass(frozen=True)
class Split:
    """The three slices."""

    fit: pa.Table
    stopping: pa.Table
    evaluation: pa.Table


def boundaries(contract: ModelContract, table: pa.Table) -> Boundaries:
    """Return the boundaries that the contract's policy asks for, counted back from the newest row.

    Raises:
        SplitError: there are no rows.
    """
    if not table.num_rows:
        raise SplitError(
            f"{contract.view} has no labelled rows yet: load data, or look at label_known in ml.py"
        )
    newest: dt.datetime = pc.max(table[names.COLUMN_EVENT_TIME]).as_py()
    evaluation = newest - dt.timedelta(days=contract.policy.evaluate_days)
    return Boundaries(evaluation - dt.timedelta(days=contract.policy.stopping_days), evaluation)


def split(table: pa.Table, at: Boundaries) -> Split:
    """Cut rows into the slices.

    Raises:
        SplitError: a slice has fewer than `LEAST_ROWS` rows; names it.
    """
    times = table[names.COLUMN_EVENT_TIME]
    stopping = pa.scalar(at.stopping, times.type)
    evaluation = pa.scalar(at.evaluation, times.type)
    late = pc.greater_equal(times, evaluation)
    early = pc.less(times, stopping)
    parts = Split(
        fit=table.filter(early),
        stopping=table.filter(pc.and_(pc.invert(early), pc.invert(late))),
        evaluation=table.filter(late),
    )
    for name in ("fit", "stopping", "evaluation"):
        rows = getattr(parts, name).num_rows
        if rows < LEAST_ROWS:
            raise SplitError(
                f"the {name} slice has {rows} rows, at least {LEAST_ROWS} are needed; load more history, "
                "or lower evaluate_days and stopping_days in ml.py"
            )
    return parts
