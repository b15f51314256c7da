"""Puts together what a first declaration says: what was seen, what is chosen, and what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from django.db import models

from django_app.contracts.first_declaration import table_sample
from django_app.contracts.first_declaration.candidates import (
    MOST_CLASSES,
    can_be_label,
    can_be_time,
    label_candidates,
    time_candidates,
)
from django_app.contracts.first_declaration.feature_choice import ChosenFeature, choose_features
from django_app.contracts.first_declaration.label_task import Question, question_of
from django_app.contracts.first_declaration.model_columns import Column, LeftOut, read_columns
from django_app.contracts.first_declaration.split_lengths import SplitDays, split_days
from django_app.contracts.first_declaration.table_sample import Relation, Sample
from django_app.contracts.first_declaration.tenant_paths import tenant_paths
from django_app.contracts.validation.entity_keys import key_type
from hotclub.errors import ContractError

#: For `--time`: rows have none.
NO_TIME: Final = "none"
#: With fewer days between the first row and the last, rows are not split by their time.
_SHORTEST_SPAN: Final = 5


@dataclass(frozen=True)
class Seen:
    """A model and its rows, as they were looked at.

    Attributes:
        entity: the field that names a row, as declarations name it.
        key: the same field's name for queries.
        labels, times: likely candidates, the likeliest first.
        tenants: paths to the tenant, each with whether it may be null.
    """

    model: type[models.Model]
    entity: str
    rows: models.QuerySet[Any]
    columns: tuple[Column, ...]
    left_out: tuple[LeftOut, ...]
    sample: Sample
    labels: tuple[Column, ...]
    times: tuple[Column, ...]
    tenants: tuple[tuple[str, bool], ...]

    def column(self, name: str) -> Column | None:
        """Return a column by its name."""
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True)
class Draft:
    """What is declared.

    Attributes:
        days: how rows are split by their time; None without one.
        short_time: a time that was likely, and spans too little to split by.
    """

    seen: Seen
    label: Column
    question: Question
    time: Column | None
    tenant: str | None
    tenant_may_be_null: bool
    features: tuple[ChosenFeature, ...]
    left_out: tuple[LeftOut, ...]
    days: SplitDays | None = None
    short_time: Column | None = None
    groups: tuple[str, ...] = field(default=())


def look_at(model: type[models.Model]) -> Seen:
    """Return what a model and a sample of its rows show.

    Raises:
        ContractError: no field names a row by itself, or the database is not PostgreSQL.
    """
    entity, key = _entity(model)
    columns, left_out = read_columns(model)
    rows = table_sample.sampled(model, key)
    sample = table_sample.look(rows, key.name, columns)
    return Seen(
        model, entity, rows, tuple(columns), tuple(left_out), sample,
        tuple(label_candidates(columns, sample)), tuple(time_candidates(columns, sample)), tuple(tenant_paths(model)),
    )  # fmt: skip


def choose_label(seen: Seen, name: str | None) -> Column:
    """Return the label's column: the one that is named, else the likeliest.

    Raises:
        ContractError: there is no such field, it cannot be predicted, or none is likely; with the fields there are.
    """
    possible = [c.name for c in seen.columns if can_be_label(c)]
    if name is None:
        if seen.labels:
            return seen.labels[0]
        raise ContractError(
            f"no field of {seen.model._meta.label} looks like what is to be predicted. Name it: --label FIELD, one of "
            f"{', '.join(possible) or 'none: it has no number, choice, text or yes or no'}"
        )
    column = _named(seen, "--label", name, possible)
    if not can_be_label(column):
        what = "is unique: it names the row" if column.unique else f"a {column.kind} is not predicted"
        raise ContractError(f"--label {name}: {what}; possible are {', '.join(possible) or 'none'}")
    facts = seen.sample.facts.get(name)
    if facts is not None and seen.sample.rows and facts.distinct < 2:
        state = "null in every row" if not facts.filled else "the same in every row that has one"
        raise ContractError(f"--label {name}: it is {state}; there is nothing to learn from")
    return column


def choose_time(seen: Seen, name: str | None) -> Column | None:
    """Return the event time's column: the one that is named, else the likeliest, or None.

    Raises:
        ContractError: there is no such field, or it is no date and no moment.
    """
    if name is None:
        return seen.times[0] if seen.times else None
    if name == NO_TIME and seen.column(NO_TIME) is None:
        return None
    possible = [c.name for c in seen.columns if can_be_time(c)]
    column = _named(seen, "--time", name, [*possible, NO_TIME])
    if not can_be_time(column):
        raise ContractError(
            f"--time {name}: it is no date and no moment; possible are {', '.join([*possible, NO_TIME])}"
        )
    return column


def make_draft(
    seen: Seen, *, label: str | None = None, time: str | None = None, task: str | None = None
) -> Draft:
    """Return the declaration of a model.

    Args:
        seen: from `look_at`.
        label: the field to predict; None for the likeliest.
        time: the field with the event time, `NO_TIME`, or None for the likeliest.
        task: binary, multiclass or regression; None for what the label's values are.

    Raises:
        ContractError: something that was named does not suit, there is no likely label, or no feature is left.
    """
    target, moment = choose_label(seen, label), choose_time(seen, time)
    days = split_days(seen.rows if seen.sample.rows else None, moment) if moment is not None else None
    short = None
    if time is None and days is not None and days.span is not None and days.span < _SHORTEST_SPAN:
        moment, short, days = None, moment, None
    tenant, nullable = seen.tenants[0] if seen.tenants else (None, False)
    others = [
        c for c in seen.columns if c not in (target, moment) and c.name not in (tenant or "", target.name)
    ]
    left_out = list(seen.left_out)
    if tenant is not None and "__" not in tenant:
        left_out.append(LeftOut(tenant, "it is the tenant"))
    features, more = choose_features(
        others, seen.sample, _relations(seen, others, target, moment), with_time=moment is not None
    )
    left_out += more
    if not features:
        reasons = "; ".join(f"{part.name}: {part.reason}" for part in left_out) or "it has no other fields"
        raise ContractError(
            f"no field of {seen.model._meta.label} can be a feature of {target.name}: {reasons}"
        )
    return Draft(
        seen, target, _question(seen, target, task), moment, tenant, nullable, tuple(features), tuple(left_out),
        days=days, short_time=short, groups=_groups(seen, others),
    )  # fmt: skip


def _named(seen: Seen, option: str, name: str, possible: Sequence[str]) -> Column:
    column = seen.column(name)
    if column is None:
        near = get_close_matches(name, possible, n=1)
        unsuitable = next((part for part in seen.left_out if part.name == name), None)
        found = f"it cannot be one: {unsuitable.reason}" if unsuitable else "there is no such field"
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ContractError(f"{option} {name}: {found}{hint}; possible are {', '.join(possible) or 'none'}")
    return column


def _question(seen: Seen, label: Column, task: str | None) -> Question:
    counts: list[tuple[Any, int]] = []
    if seen.sample.rows:
        counts = table_sample.value_counts(seen.model, seen.rows, label.path, MOST_CLASSES + 2)
    return question_of(label, counts, task)


def _relations(
    seen: Seen, columns: Sequence[Column], label: Column, time: Column | None
) -> Mapping[str, Relation]:
    return table_sample.relations(seen.rows, columns, label, time) if seen.sample.rows else {}


def _entity(model: type[models.Model]) -> tuple[str, models.Field[Any, Any]]:
    """Return the field that names a row: the primary key where it can, else one that is unique by itself."""
    pk: Any = model._meta.pk
    unique = [f for f in model._meta.concrete_fields if f.unique and not f.null and not f.primary_key]
    for name, field_ in [("pk", pk), *((f.name, f) for f in unique)]:
        try:
            key_type(field_, model._meta.label)
        except ContractError:
            continue
        return name, field_
    raise ContractError(
        f"{model._meta.label}: no field names a row by itself. An entity is a primary key of one column, or a unique field, "
        "that is a number, a UUID or a text; add one"
    )


def _groups(seen: Seen, columns: Sequence[Column]) -> tuple[str, ...]:
    """Return foreign keys that several rows share: whose rows may have to stay in one split."""
    found = []
    for column in columns:
        facts = seen.sample.facts.get(column.name)
        if column.parent and facts is not None and 20 < facts.distinct < facts.filled:
            found.append(column.name)
    return tuple(found)
