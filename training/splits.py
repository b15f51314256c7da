"""Splits ordered by time: train on the oldest rows, stop early on newer ones, evaluate on the newest."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from hotclub import names
from hotclub.contract import ModelContract
from training.errors import RefusedDataError

#: A split with fewer rows than this says nothing.
MIN_ROWS = 50
#: Neither of the two newer splits takes more than this share of the history.
MAX_SHARE_OF_SPAN = 0.2


class SplitError(RefusedDataError):
    """The rows are not enough for three splits."""


@dataclass(frozen=True)
class Boundaries:
    """Instants at which the splits begin: train < `stopping` <= early stopping < `evaluation` <= evaluation."""

    stopping: dt.datetime
    evaluation: dt.datetime


@dataclass(frozen=True)
class Splits:
    """The rows of the three splits."""

    train: pa.Table
    stopping: pa.Table
    evaluation: pa.Table

    def named(self) -> dict[str, pa.Table]:
        """Return the splits by name, oldest first."""
        return {"train": self.train, "stopping": self.stopping, "evaluation": self.evaluation}


def advice(contract: ModelContract, table: pa.Table, name: str, at: Boundaries) -> str:
    """Return which setting makes a split larger, and in which direction to change it.

    Args:
        contract: its policy has the lengths of the splits.
        table: every row.
        name: of the split: train, stopping or evaluation.
        at: where the splits begin.
    """
    policy = contract.policy
    if at != boundaries(contract, table):
        option = {"train": "--stopping-from (later)", "stopping": "--stopping-from (earlier)"}
        return f"change {option.get(name, '--evaluation-from (earlier)')}, or load more history"
    if name == "train":
        return (
            f"lower evaluate_days (now {policy.evaluate_days}) or stopping_days (now {policy.stopping_days}) in ml.py, "
            "or load more history"
        )
    setting = "evaluate_days" if name == "evaluation" else "stopping_days"
    days: int = getattr(policy, setting)
    max_duration = _max_duration(table)
    if dt.timedelta(days=days) < max_duration:
        return f"raise {setting} (now {days}) in ml.py, or load more history"
    span = max_duration.total_seconds() / MAX_SHARE_OF_SPAN / 86400
    return (
        f"load more history: the rows span {span:.3g} days, of which a split takes at most a fifth, "
        f"so {setting} (now {days}) is no limit"
    )


def _max_duration(table: pa.Table) -> dt.timedelta:
    times = table[names.COLUMN_EVENT_TIME]
    span: dt.timedelta = pc.max(times).as_py() - pc.min(times).as_py()
    return span * MAX_SHARE_OF_SPAN


def boundaries(contract: ModelContract, table: pa.Table) -> Boundaries:
    """Return the boundaries that the contract's policy asks for, counted back from the newest row.

    A history too short for them is cut to the same purpose: each of the two newer splits takes at most
    `MAX_SHARE_OF_SPAN` of the time that the rows span.

    Raises:
        SplitError: there are no rows.
    """
    if not table.num_rows:
        raise SplitError(
            f"{contract.view} has no labelled rows yet: load data, or look at label_known in ml.py"
        )
    newest: dt.datetime = pc.max(table[names.COLUMN_EVENT_TIME]).as_py()
    max_duration = _max_duration(table)
    evaluation = newest - min(dt.timedelta(days=contract.policy.evaluate_days or 0), max_duration)
    return Boundaries(
        evaluation - min(dt.timedelta(days=contract.policy.stopping_days or 0), max_duration), evaluation
    )


def split_rows(contract: ModelContract, table: pa.Table, at: Boundaries) -> Splits:
    """Cut rows into the splits.

    Raises:
        SplitError: a split has fewer than `MIN_ROWS` rows; names it, and what to change.
    """
    times = table[names.COLUMN_EVENT_TIME]
    stopping = pa.scalar(at.stopping, times.type)
    evaluation = pa.scalar(at.evaluation, times.type)
    late = pc.greater_equal(times, evaluation)
    early = pc.less(times, stopping)
    splits = Splits(
        train=table.filter(early),
        stopping=table.filter(pc.and_(pc.invert(early), pc.invert(late))),
        evaluation=table.filter(late),
    )
    for name, rows in splits.named().items():
        if rows.num_rows < MIN_ROWS:
            raise SplitError(
                f"the {name} split has {rows.num_rows} rows of {table.num_rows}, at least {MIN_ROWS} are needed "
                f"(stopping begins at {at.stopping:%Y-%m-%d %H:%M}, evaluation at {at.evaluation:%Y-%m-%d %H:%M} UTC): "
                + advice(contract, table, name, at)
            )
    return splits
