"""Rows whose time cannot be meant: one typing error must not decide where the splits begin.

The newest row is where the splits are counted back from, so a single row of the year 2203 would be the whole evaluation
split. The rule looks at the distribution alone: a time is far away when a gap divides it from the rest that is longer
than the time in which nearly all rows lie. A history that began with few rows has no such gap, and is kept.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotclub import names
from hotclub.contract import ModelContract
from training.errors import RefusedDataError

#: Nearly all rows: those between these quantiles.
_LOWER, _UPPER = 0.02, 0.98
_SHORTEST_SPAN: Final = dt.timedelta(days=1)
#: More rows than this share are no typing errors.
MAX_SHARE: Final = 0.01
_MAX_SHOWN: Final = 5


@dataclass(frozen=True)
class LeftOut:
    """Rows that no split has, because their times are far away.

    Attributes:
        count: how many.
        examples: entity and time of some, as text.
    """

    count: int = 0
    examples: tuple[tuple[str, str], ...] = ()

    def sentence(self) -> str:
        """Return what was left out and why, for a person; empty when nothing was."""
        if not self.count:
            return ""
        listed = ", ".join(f"{entity} ({time})" for entity, time in self.examples)
        more = ", …" if self.count > len(self.examples) else ""
        what = "row is" if self.count == 1 else "rows are"
        return (
            f"{self.count:,} {what} left out of every split, because the time lies far from all others: "
            f"{listed}{more}. Correct them, or leave them out of rows in ml.py"
        )

    def facts(self) -> dict[str, Any]:
        """Return the same for a JSON file."""
        examples = [list(example) for example in self.examples]
        return {"count": self.count, "examples": examples, "sentence": self.sentence()}


def leave_out_far_rows(
    contract: ModelContract, table: pa.Table, unreadable: Mapping[str, Any] | None = None
) -> tuple[pa.Table, LeftOut]:
    """Return the rows whose time can be meant, and what was left out.

    Args:
        contract: where its rows have no time, every row is kept.
        table: the rows of a snapshot.
        unreadable: `count` and `examples` of rows that the snapshot lacks: their times are infinite, or of a year that
            Python does not have.

    Raises:
        RefusedDataError: rows have no time at all, or more than `MAX_SHARE` of them are far away.
    """
    if contract.schema.event_time is None or not table.num_rows:
        return table, LeftOut()
    times = table[names.COLUMN_EVENT_TIME]
    if times.null_count:
        raise RefusedDataError(
            f"{times.null_count:,} of {table.num_rows:,} labelled rows have no event_time "
            f"({contract.schema.event_time}), such as entity {_entities(table.filter(pc.is_null(times)))[0]}: "
            "fill it, or leave them out of rows in ml.py"
        )
    far = is_far(pc.cast(times, pa.int64()).to_numpy())
    rows = table.filter(pa.array(far))
    other = unreadable or {}
    shown = [tuple(example) for example in other.get("examples", ())]
    shown += zip(_entities(rows), _texts(rows), strict=True)
    left_out = LeftOut(int(other.get("count", 0)) + rows.num_rows, tuple(shown[:_MAX_SHOWN]))
    every = table.num_rows + int(other.get("count", 0))
    if left_out.count > MAX_SHARE * every:
        listed = ", ".join(f"{entity} ({time})" for entity, time in left_out.examples)
        raise RefusedDataError(
            f"the times of {left_out.count:,} of {every:,} rows lie far from all others, which is more than "
            f"{MAX_SHARE:.0%} and so no single error: {listed}. Correct them, or leave them out of rows in ml.py"
        )
    return table.filter(pa.array(~far)), left_out


def is_far(times: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which times (microseconds) a gap divides from the rest that is longer than nearly all rows span.

    The gap is looked for from the middle outwards; what lies beyond the first one is far, however much it is.
    """
    every = np.sort(times)
    # Rows' own times and no means of two: one far row moves neither.
    low = every[math.ceil(_LOWER * (len(every) - 1))]
    high = every[math.floor(_UPPER * (len(every) - 1))]
    ordered = np.unique(every)
    span = max(high - low, _SHORTEST_SPAN // dt.timedelta(microseconds=1))
    gaps = np.diff(ordered) > span
    above = np.flatnonzero(gaps & (ordered[:-1] >= high))
    below = np.flatnonzero(gaps & (ordered[1:] <= low))
    last = ordered[above[0]] if len(above) else ordered[-1]
    first = ordered[below[-1] + 1] if len(below) else ordered[0]
    return np.asarray((times < first) | (times > last))


def _entities(rows: pa.Table) -> Sequence[str]:
    return [str(entity) for entity in rows[names.COLUMN_ENTITY].slice(0, _MAX_SHOWN).to_pylist()]


def _texts(rows: pa.Table) -> Sequence[str]:
    # Arrow writes every time that it has, Python only those up to the year 9999.
    return [
        str(time)[:16]
        for time in pc.cast(rows[names.COLUMN_EVENT_TIME].slice(0, _MAX_SHOWN), pa.string()).to_pylist()
    ]
