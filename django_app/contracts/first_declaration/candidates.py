"""Which columns are likely the label and the time of what is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django_app.contracts.first_declaration.model_columns import Column
from django_app.contracts.first_declaration.table_sample import Sample


def _points(**words: str) -> dict[str, int]:
    """Return points by word, from texts of words by their points: ``p3="amount total"``."""
    return {word: int(points[1:]) for points, text in words.items() for word in text.split()}


#: Words of names that are often an outcome, and how much one says.
_LABEL_WORDS: Final = _points(
    p6="label target class churn churned fraud fraudulent returned defaulted converted survived diagnosis outcome species "
    "cultivar won lost",
    p5="price result success successful failed failure cancelled canceled attrition delay delayed default response winner "
    "purchased bought clicked accepted approved rejected refunded repaid late progression demand revenue sales sold "
    "attended noshow quality",
    p3="amount total score rating grade status duration cost value yield consumption risk",
)
#: Words of names of times at which something happens.
_TIME_WORDS: Final = _points(
    p4="event ordered placed scheduled timestamp occurred started observed",
    p3="created date time datetime day when at on start begin booked signup joined registered admitted measured opened "
    "submitted received transaction sale week month",
)
#: Words of times that are known afterwards, or say nothing of when something happened; the points say nothing.
_LATER_WORDS: Final = _points(
    p1="updated modified changed deleted archived closed ended finished completed end until expires expiry due valid birth "
    "birthday born dob delivered shipped returned paid cancelled canceled resolved landed arrived arrival last",
).keys()
#: Least sum of points of a label that is taken without being asked for.
_ENOUGH: Final = 3
#: A text with more values than this is no class.
MOST_CLASSES: Final = 50


def label_candidates(columns: Sequence[Column], sample: Sample) -> list[Column]:
    """Return likely labels, the likeliest first."""
    points = {c.name: _label_points(c, sample) for c in columns}
    likely = [c for c in columns if points[c.name] >= _ENOUGH]
    return sorted(likely, key=lambda c: -points[c.name])


def time_candidates(columns: Sequence[Column], sample: Sample) -> list[Column]:
    """Return likely event times, the likeliest first."""
    points = {c.name: _time_points(c, sample) for c in columns}
    likely = [c for c in columns if points[c.name] > 0]
    return sorted(likely, key=lambda c: -points[c.name])


def can_be_label(column: Column) -> bool:
    """Return whether a column has a type that can be predicted and does not name its row."""
    return column.kind in ("boolean", "number", "text", "duration") and not column.unique


def can_be_time(column: Column) -> bool:
    """Return whether a column is a date or a moment."""
    return column.kind in ("date", "moment")


def _label_points(column: Column, sample: Sample) -> int:
    facts = sample.facts.get(column.name)
    if not can_be_label(column) or column.parent:
        return 0
    # Rows that have no value, or all the same, teach nothing; free text is no class.
    if facts is not None and sample.rows and facts.distinct < 2:
        return 0
    if (
        column.kind == "text"
        and not column.choices
        and (facts is None or not 2 <= facts.distinct <= MOST_CLASSES)
    ):
        return 0
    by_name = max((_LABEL_WORDS.get(word, 0) for word in _words(column.name)), default=0)
    # A nullable flag is one whose answer is not there yet.
    by_type = 2 if column.kind == "boolean" and column.nullable else 1 if column.kind == "boolean" else 0
    by_nulls = 1 if facts is not None and 0 < facts.filled < sample.rows else 0
    return by_name + by_type + by_nulls


def _time_points(column: Column, sample: Sample) -> int:
    facts = sample.facts.get(column.name)
    words = _words(column.name)
    if not can_be_time(column) or column.automatic or _LATER_WORDS & set(words):
        return 0
    if facts is not None and sample.rows and (facts.distinct < 2 or facts.filled < sample.rows):
        return 0
    if column.nullable and not sample.rows:
        return 0
    by_name = max((_TIME_WORDS.get(word, 0) for word in words), default=0)
    return 1 + by_name + (1 if column.kind == "moment" else 0) + (0 if column.nullable else 1)


def _words(name: str) -> list[str]:
    return name.lower().split("_")
