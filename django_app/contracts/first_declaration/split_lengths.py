"""How many days the evaluation and the stopping split may take, so that each holds rows."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any, Final

from django.db import models

from django_app.contracts.first_declaration.model_columns import Column
from django_app.contracts.first_declaration.table_sample import quantiles

#: Shares of the rows that lie before the evaluation and before the stopping split: the first pair that fits is taken.
_SHARES: Final = ((0.8, 0.6), (0.8, 0.7), (0.9, 0.8), (0.95, 0.9))
#: Splits are no longer than this where rows are many: what is to be predicted changes with time.
_MOST: Final = 90
#: So many rows a split has all the same, or it is as long as its share of the rows asks for.
_MANY: Final = 1000
#: Without rows to look at.
_DEFAULT: Final = 30
#: An outermost hundredth may be a typing error.
_FIRST, _LAST = 0.01, 0.99


@dataclass(frozen=True)
class SplitDays:
    """The days of the splits.

    Attributes:
        evaluate: of the newest.
        stopping: of the one before it.
        first, last: between which times the rows lie, a few outermost left out; None without rows.
    """

    evaluate: int
    stopping: int
    first: dt.datetime | None = None
    last: dt.datetime | None = None

    @property
    def span(self) -> float | None:
        """Days between the first and the last time."""
        return None if self.first is None or self.last is None else _days(self.first, self.last)


def split_days(rows: models.QuerySet[Any] | None, time: Column) -> SplitDays:
    """Return days with which each split holds rows, and which are at most half of the span together.

    Args:
        rows: the sample; None where there are no rows.
        time: the event time.
    """
    before = sorted({share for pair in _SHARES for share in pair})
    found = quantiles(rows, time, [_FIRST, *before, _LAST]) if rows is not None else None
    if found is None:
        return SplitDays(_DEFAULT, _DEFAULT)
    total = rows.count() if rows is not None else 0
    at = dict(zip([_FIRST, *before, _LAST], found, strict=True))
    first, last = at[_FIRST], at[_LAST]
    half = _days(first, last) / 2
    for newest, middle in _SHARES:
        evaluate = max(1, math.ceil(_days(at[newest], last)))
        stopping = max(1, math.ceil(_days(at[middle], at[newest])))
        if evaluate + stopping <= half:
            evaluate = _shortened(evaluate, total * (1 - newest))
            return SplitDays(evaluate, _shortened(stopping, total * (newest - middle)), first, last)
    short = max(1, int(half / 2))
    return SplitDays(short, short, first, last)


def _shortened(days: int, rows: float) -> int:
    """Return how long a split of so many days and rows may be, see `_MOST` and `_MANY`."""
    return _MOST if days > _MOST and rows * _MOST / days >= _MANY else days


def _days(first: dt.datetime, last: dt.datetime) -> float:
    return (last - first).total_seconds() / 86400
