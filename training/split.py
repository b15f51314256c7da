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
#: Neither of the two newer slices takes more than this share of the history.
MOST_OF_SPAN = 0.2


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

    A history too short for them is cut to the same purpose: each of the two newer slices takes at most
    `MOST_OF_SPAN` of the time that the rows span.

    Raises:
        SplitError: there are no rows.
    """
    if not table.num_rows:
        raise SplitError(
            f"{contract.view} has no labelled rows yet: load data, or look at label_known in ml.py"
        )
    times = table[names.COLUMN_EVENT_TIME]
    newest: dt.datetime = pc.max(times).as_py()
    most = (newest - pc.min(times).as_py()) * MOST_OF_SPAN
    evaluation = newest - min(dt.timedelta(days=contract.policy.evaluate_days), most)
    return Boundaries(evaluation - min(dt.timedelta(days=contract.policy.stopping_days), most), evaluation)


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
