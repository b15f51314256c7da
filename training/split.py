"""A split ordered by time: fit on the oldest rows, stop early on newer ones, evaluate on the newest."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from hotclub import names
from hotclub.contract import ModelContract
from training.errors import RefusedDataError

#: Fewer rows than this in a slice say nothing.
LEAST_ROWS = 50
#: Neither of the two newer slices takes more than this share of the history.
MOST_OF_SPAN = 0.2


class SplitError(RefusedDataError):
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

    def named(self) -> dict[str, pa.Table]:
        """Return the slices by name, oldest first."""
        return {"fit": self.fit, "stopping": self.stopping, "evaluation": self.evaluation}


def advice(contract: ModelContract, table: pa.Table, name: str, at: Boundaries) -> str:
    """Return which setting makes a slice reach further, and in which direction to change it.

    Args:
        contract: whose policy cuts.
        table: every row.
        name: of the slice: fit, stopping or evaluation.
        at: where the slices begin.
    """
    policy = contract.policy
    if at != boundaries(contract, table):
        option = {"fit": "--stopping-from (later)", "stopping": "--stopping-from (earlier)"}
        return f"change {option.get(name, '--evaluation-from (earlier)')}, or load more history"
    if name == "fit":
        return (
            f"lower evaluate_days (now {policy.evaluate_days}) or stopping_days (now {policy.stopping_days}) in ml.py, "
            "or load more history"
        )
    setting = "evaluate_days" if name == "evaluation" else "stopping_days"
    days: int = getattr(policy, setting)
    most = _most(table)
    if dt.timedelta(days=days) < most:
        return f"raise {setting} (now {days}) in ml.py, or load more history"
    span = most.total_seconds() / MOST_OF_SPAN / 86400
    return (
        f"load more history: the rows span {span:.3g} days, of which a slice takes at most a fifth, "
        f"so {setting} (now {days}) is no limit"
    )


def _most(table: pa.Table) -> dt.timedelta:
    times = table[names.COLUMN_EVENT_TIME]
    span: dt.timedelta = pc.max(times).as_py() - pc.min(times).as_py()
    return span * MOST_OF_SPAN


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
    newest: dt.datetime = pc.max(table[names.COLUMN_EVENT_TIME]).as_py()
    most = _most(table)
    evaluation = newest - min(dt.timedelta(days=contract.policy.evaluate_days), most)
    return Boundaries(evaluation - min(dt.timedelta(days=contract.policy.stopping_days), most), evaluation)


def split(contract: ModelContract, table: pa.Table, at: Boundaries) -> Split:
    """Cut rows into the slices.

    Raises:
        SplitError: a slice has fewer than `LEAST_ROWS` rows; names it, and what to change.
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
    for name, rows in parts.named().items():
        if rows.num_rows < LEAST_ROWS:
            raise SplitError(
                f"the {name} slice has {rows.num_rows} rows of {table.num_rows}, at least {LEAST_ROWS} are needed "
                f"(stopping begins at {at.stopping:%Y-%m-%d %H:%M}, evaluation at {at.evaluation:%Y-%m-%d %H:%M} UTC): "
                + advice(contract, table, name, at)
            )
    return parts
