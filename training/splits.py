"""Rows in three splits: fitted, stopping the fit early, held out. By time where rows have one, else by a hash.

With a time: train on the oldest rows, stop early on newer ones, evaluate on the newest. Without: by `training.hashing`,
in fixed shares; a row's split depends on its own key alone.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hotclub import names
from hotclub.contract import ModelContract
from hotclub.errors import HotclubError
from hotclub.metrics import METRICS
from training.errors import RefusedDataError
from training.event_times import MAX_SHARE
from training.hashing import SPLIT_SALT, row_fractions

#: Without a time: a row whose hash is below the first is held out, below the second it stops the fit.
EVALUATION_BELOW: Final = 0.2
STOPPING_BELOW: Final = 0.4
#: With a time: the two newer splits take at most this share of the time that the rows span, so that most is fitted.
MAX_NEWER_SHARE: Final = 0.5
#: So many rows are loaded for each that a fifth needs.
_ROWS_PER_NEEDED_ROW: Final = 8
_DAY: Final = dt.timedelta(days=1)


class SplitError(RefusedDataError):
    """The rows are not enough for three splits."""


@dataclass(frozen=True)
class Boundaries:
    """Instants at which the splits begin: train < `stopping` <= early stopping < `evaluation` <= evaluation.

    `by_hand` says that the caller chose one of them, so that advice names the caller's options.
    """

    stopping: dt.datetime
    evaluation: dt.datetime
    by_hand: bool = False


@dataclass(frozen=True)
class Splits:
    """The rows of the three splits."""

    train: pa.Table
    stopping: pa.Table
    evaluation: pa.Table

    def named(self) -> dict[str, pa.Table]:
        """Return the splits by name, oldest first."""
        return {"train": self.train, "stopping": self.stopping, "evaluation": self.evaluation}


def declared_boundaries(
    contract: ModelContract,
    table: pa.Table,
    stopping_from: dt.datetime | None = None,
    evaluation_from: dt.datetime | None = None,
) -> Boundaries | None:
    """Return where the splits begin as declared or asked for, whether or not the rows span it; None without a time.

    Raises:
        SplitError: there are no rows.
        HotclubError: a boundary is asked for, and rows have no time.
    """
    by_hand = stopping_from is not None or evaluation_from is not None
    if not table.num_rows:
        raise SplitError(
            f"{contract.name} has no labelled rows yet: load data, or look at label_known in ml.py"
        )
    if contract.schema.event_time is None:
        if by_hand:
            refuse_days(contract, "--stopping-from" if stopping_from is not None else "--evaluation-from")
        return None
    newest: dt.datetime = pc.max(table[names.COLUMN_EVENT_TIME]).as_py()
    evaluation = evaluation_from or newest - _DAY * (contract.policy.evaluate_days or 0)
    stopping = stopping_from or evaluation - _DAY * (contract.policy.stopping_days or 0)
    return Boundaries(stopping, evaluation, by_hand)


def boundaries(
    contract: ModelContract,
    table: pa.Table,
    stopping_from: dt.datetime | None = None,
    evaluation_from: dt.datetime | None = None,
) -> Boundaries | None:
    """Return where the splits begin, counted back from the newest row or as asked for; None without a time.

    Raises:
        SplitError: there are no rows, or they do not span what is declared.
        HotclubError: a boundary is asked for, and rows have no time.
    """
    at = declared_boundaries(contract, table, stopping_from, evaluation_from)
    if at is not None and not at.by_hand:
        _require_span(contract, table)
    return at


def refuse_days(contract: ModelContract, option: str) -> None:
    """Refuse an option that is about time.

    Raises:
        HotclubError: names the option.
    """
    raise HotclubError(
        f"{option}: the rows of {contract.name} have no time (event_time = None in ml.py), so their splits are by a hash "
        "of their key and no day divides them: leave the option out"
    )


def _require_span(contract: ModelContract, table: pa.Table) -> None:
    evaluate, stopping = _days(contract)
    span = _span(table)
    if _DAY * (evaluate + stopping) <= span * MAX_NEWER_SHARE:
        return
    needed = (evaluate + stopping) / MAX_NEWER_SHARE
    found = (
        f"the rows span {_in_days(span)}, and the two newer splits may take at most half of it: "
        f"evaluate_days = {evaluate} and stopping_days = {stopping} need {needed:g} days"
    )
    whole = int(span * MAX_NEWER_SHARE / _DAY)
    if whole < 2:
        raise SplitError(
            f"{found}. Load more history: at least 4 days, for evaluate_days = 1 and stopping_days = 1"
        )
    larger = min(max(1, whole * evaluate // (evaluate + stopping)), whole - 1)
    raise SplitError(
        f"{found}. Lower them in ml.py: the largest values in this proportion are evaluate_days = {larger} and "
        f"stopping_days = {whole - larger}; or load more history"
    )


def _days(contract: ModelContract) -> tuple[int, int]:
    return contract.policy.evaluate_days or 0, contract.policy.stopping_days or 0


def _span(table: pa.Table) -> dt.timedelta:
    ends = pc.min_max(table[names.COLUMN_EVENT_TIME])
    span: dt.timedelta = ends["max"].as_py() - ends["min"].as_py()
    return span


def _in_days(span: dt.timedelta) -> str:
    days = span / _DAY
    return f"{days:,.0f} days" if days >= 100 else f"{days:.3g} days"


def cut(contract: ModelContract, table: pa.Table, at: Boundaries | None) -> Splits:
    """Return the rows of each split, however few."""
    if at is None:
        places = pa.array(row_fractions(contract, table, SPLIT_SALT))
        late, early = pc.less(places, EVALUATION_BELOW), pc.greater_equal(places, STOPPING_BELOW)
    else:
        times = table[names.COLUMN_EVENT_TIME]
        late = pc.greater_equal(times, pa.scalar(at.evaluation, times.type))
        early = pc.less(times, pa.scalar(at.stopping, times.type))
    return Splits(
        train=table.filter(early),
        stopping=table.filter(pc.and_(pc.invert(early), pc.invert(late))),
        evaluation=table.filter(late),
    )


def split_rows(contract: ModelContract, table: pa.Table, at: Boundaries | None) -> Splits:
    """Cut rows into the splits.

    Raises:
        SplitError: a split has fewer rows than the model's metric needs; names it, and what to change.
    """
    splits = cut(contract, table, at)
    needed = METRICS[contract.policy.metric].rows
    for name, rows in splits.named().items():
        if rows.num_rows < needed:
            raise SplitError(
                f"the {name} split has {rows.num_rows} rows of {table.num_rows:,}, and {contract.policy.metric} needs "
                f"at least {needed} ({_described(contract, table, at)}): {advice(contract, table, name, at)}"
                f"{_enough(contract, needed, at)}"
            )
    return splits


def _described(contract: ModelContract, table: pa.Table, at: Boundaries | None) -> str:
    if at is not None:
        begins = f"stopping begins at {at.stopping:%Y-%m-%d %H:%M}, evaluation at {at.evaluation:%Y-%m-%d %H:%M} UTC"
        return begins + _longest_gap(table, at)
    described = "a fifth of the keys is held out by hash, a fifth stops the fit"
    if contract.schema.split_by is None:
        return described
    values = pc.count_distinct(table[names.COLUMN_SPLIT]).as_py()
    return f"{described}; split_by = {contract.schema.split_by!r} has {values:,} different values"


def _enough(contract: ModelContract, needed: int, at: Boundaries | None) -> str:
    if at is not None or contract.schema.split_by is not None:
        return ""
    # A fifth is a fifth on average: with fewer, chance would often leave too few.
    return f", {needed * _ROWS_PER_NEEDED_ROW:,} are enough in most cases"


def _longest_gap(table: pa.Table, at: Boundaries) -> str:
    """Return where the longest time without rows is, if a whole split fits in: few rows after it may be errors."""
    times = np.sort(pc.cast(table[names.COLUMN_EVENT_TIME], pa.int64()).to_numpy())
    place = int(np.diff(times).argmax()) if len(times) > 1 else 0
    gap = (
        dt.timedelta(microseconds=int(times[place + 1] - times[place])) if len(times) > 1 else dt.timedelta()
    )
    if gap <= at.evaluation - at.stopping:
        return ""
    begin, end = (pa.scalar(int(times[index]), pa.timestamp("us", "UTC")) for index in (place, place + 1))
    later = table.filter(
        pc.greater_equal(table[names.COLUMN_EVENT_TIME], end.cast(table[names.COLUMN_EVENT_TIME].type))
    )
    entity = later[names.COLUMN_ENTITY][0].as_py()
    few = later.num_rows <= MAX_SHARE * table.num_rows
    return (
        f"; the longest time without rows is {_in_days(gap)}, {begin.as_py():%Y-%m-%d} to {end.as_py():%Y-%m-%d}, with "
        f"{later.num_rows:,} of {table.num_rows:,} rows after it, such as entity {entity}"
        f"{': correct the times of these, if they are wrong' if few else ''}"
    )


def advice(contract: ModelContract, table: pa.Table, name: str, at: Boundaries | None) -> str:
    """Return which setting makes a split larger, and in which direction to change it.

    Args:
        contract: its policy has the lengths of the splits.
        table: every row.
        name: of the split: train, stopping or evaluation.
        at: where the splits begin; None without a time.
    """
    if at is None:
        grouped = contract.schema.split_by is not None
        return "load more rows" + (", or a split_by with more different values in ml.py" if grouped else "")
    if at.by_hand:
        option = {"train": "--stopping-from (later)", "stopping": "--stopping-from (earlier)"}
        return f"change {option.get(name, '--evaluation-from (earlier)')}, or load more history"
    evaluate, stopping = _days(contract)
    if name == "train":
        return (
            f"lower evaluate_days (now {evaluate}) or stopping_days (now {stopping}) in ml.py, "
            "or load more history"
        )
    setting, days, other = (
        ("evaluate_days", evaluate, stopping)
        if name == "evaluation"
        else ("stopping_days", stopping, evaluate)
    )
    span = _span(table)
    most = int(span * MAX_NEWER_SHARE / _DAY) - other
    if most > days:
        return f"raise {setting} (now {days}, at most {most} for these rows) in ml.py, or load more history"
    return (
        f"load more history: the rows span {_in_days(span)}, of which the two newer splits take at most half, "
        f"so {setting} (now {days}) cannot be raised"
    )
