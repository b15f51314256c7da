"""Which columns become features, and why the others do not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from django_app.contracts.first_declaration.model_columns import Column, LeftOut
from django_app.contracts.first_declaration.table_sample import Facts, Relation, Sample
from hotclub import names

#: Of numbers that name rows, deleted ones leave gaps.
_NUMBERING_GAPS: Final = 10
#: A text with more values than this is no category, whatever the number of rows.
_MOST_CATEGORIES: Final = 200
#: With fewer rows than this, that all are alike or all differ says nothing.
_FEW_ROWS: Final = 20

FeatureClass = Literal["Number", "Category", "Boolean", "Age"]


@dataclass(frozen=True)
class ChosenFeature:
    """A feature as it will be declared.

    Attributes:
        name: the feature's name, which is the field's where that is allowed.
        column: where it comes from.
        type: the class of the declaration.
    """

    name: str
    column: Column
    type: FeatureClass


def choose_features(
    columns: Sequence[Column], sample: Sample, relations: Mapping[str, Relation], *, with_time: bool
) -> tuple[list[ChosenFeature], list[LeftOut]]:
    """Return the features and what is left out.

    Args:
        columns: those that are not the label, the event time or the tenant.
        sample: what their rows hold.
        relations: how they go with the label and the time, by name; empty without rows.
        with_time: whether rows have an event time.
    """
    chosen: list[ChosenFeature] = []
    left_out: list[LeftOut] = []
    taken: set[str] = set(names.RESERVED_COLUMNS)
    for column in columns:
        facts = sample.facts.get(column.name) if sample.rows else None
        reason = _reason_of_type(column, facts, with_time=with_time) or _reason_of_rows(
            column, facts, sample.rows, relations.get(column.name)
        )
        if reason:
            left_out.append(LeftOut(column.name, reason))
            continue
        name = feature_name(column.name, taken)
        taken.add(name)
        chosen.append(ChosenFeature(name, _within_bounds(column, facts), _class_of(column)))
    return chosen, left_out


def feature_name(field: str, taken: set[str]) -> str:
    """Return a feature's name for a field: ASCII, lower case, at most 60 characters, and not among those taken."""
    plain = unicodedata.normalize("NFKD", field.casefold()).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "field"
    name = (name if name[0].isalpha() else f"f_{name}")[:60]
    if name in names.RESERVED_COLUMNS:
        name = f"{name}_value"
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name[:56]}_{number}"
    return unique


def _within_bounds(column: Column, facts: Facts | None) -> Column:
    """Leave out a bound that rows do not keep: Django's validators say nothing of what is in the table."""
    if facts is None or facts.low is None or facts.high is None:
        return column
    low, high = column.minimum, column.maximum
    return replace(
        column,
        minimum=low if low is not None and facts.low >= low else None,
        maximum=high if high is not None and facts.high <= high else None,
    )


def _class_of(column: Column) -> FeatureClass:
    if column.kind == "boolean":
        return "Boolean"
    if column.is_code or column.kind == "text":
        return "Category"
    return "Age" if column.kind in ("date", "moment") else "Number"


def _reason_of_type(column: Column, facts: Facts | None, *, with_time: bool) -> str:
    """Return why a column cannot be a feature by what its field says; empty where it can."""
    if column.automatic:
        return "it changes whenever the row is saved, also afterwards"
    if column.kind in ("date", "moment") and not with_time:
        return "a date is a feature by its distance to the event time, and there is none"
    if column.unique:
        return "unique: it names the row"
    if column.kind == "number" and not column.is_code and column.name.lower().endswith("_id"):
        return "a code, not a quantity"
    if facts is None and column.kind == "text" and not column.is_code:
        return "free text, as far as its type says; with few values it is a Category"
    return ""


def _is_numbering(column: Column, facts: Facts) -> bool:
    """Return whether whole numbers count the rows: a population is another one in every row too, with wide gaps."""
    if not column.whole or facts.low is None or facts.high is None:
        return False
    return facts.high - facts.low < _NUMBERING_GAPS * facts.filled


def _reason_of_rows(column: Column, facts: Facts | None, rows: int, relation: Relation | None) -> str:
    """Return why a column's values make no feature; empty where they do, or where there are no rows."""
    if facts is None:
        return ""
    relation = relation or Relation(filled_with_label=False, later=0.0)
    coded = column.is_code or column.kind == "text"
    enough = rows >= _FEW_ROWS
    many = facts.distinct > _MOST_CATEGORIES or facts.distinct * 3 > facts.filled
    reasons = {
        "null in every row": not facts.filled,
        "filled exactly where the label is: known only afterwards": relation.filled_with_label,
        f"after the event time in {relation.later:.0%} of its rows: not known by then": relation.later > 0.01,
        "the same in every row": enough and facts.distinct == 1 and facts.filled == rows,
        "another value in every row: it names the row": enough
        and (coded or _is_numbering(column, facts))
        and facts.distinct == facts.filled,
        f"{'it names one of' if column.parent else 'free text or codes:'} {facts.distinct} values, few rows each": enough
        and coded
        and not column.choices
        and many,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")
