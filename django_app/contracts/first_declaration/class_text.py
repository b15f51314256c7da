"""The source of a first declaration: a class as a person would have written it, with what to look at as comments."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Final

from django.apps import apps
from django.conf import global_settings, settings
from django.db import models

from django_app.contracts.first_declaration.draft import Draft
from django_app.contracts.first_declaration.feature_choice import ChosenFeature
from django_app.contracts.first_declaration.import_block import Import
from django_app.contracts.first_declaration.model_columns import Column, LeftOut
from django_app.contracts.first_declaration.python_text import bracketed, comment, literal
from hotclub.errors import ContractError

_DECLARATIONS: Final = "hotclub.declarations"
_EXPRESSIONS: Final = "django.db.models"
_FUNCTIONS: Final = "django.db.models.functions"
#: Gives the name by which the file knows an import.
Use = Callable[[Import], str]


def class_lines(draft: Draft, class_name: str, use: Use) -> list[str]:
    """Return the lines of the class.

    Args:
        draft: what it declares.
        class_name: its name.
        use: called for each import that the lines need.

    Raises:
        ContractError: the Django model cannot be imported by its name.
    """
    lines = [f"class {class_name}({use(Import(_DECLARATIONS, 'MLModel'))}):"]
    lines += [f'    """A first declaration: {draft.label.name} of {draft.seen.model.__name__}."""', ""]
    lines += [*_rows(draft, use), *_time(draft, use), *_label(draft, use), *_training(draft)]
    lines.append("    features = {")
    for feature in draft.features:
        lines += _feature(feature, use)
    lines.append("    }")
    return lines + list(_left_out(draft.left_out))


def model_import(model: type[models.Model]) -> Import:
    """Return how a model is imported, by its app's own module where that has it.

    Raises:
        ContractError: no module has it under its name.
    """
    app = apps.get_app_config(model._meta.app_label)
    modules = [app.models_module.__name__] if app.models_module else []
    for name in (*modules, model.__module__):
        if getattr(importlib.import_module(name), model.__name__, None) is model:
            return Import(name, model.__name__)
    raise ContractError(
        f"{model._meta.label}: {model.__module__} has no {model.__name__} to import; write ml.py by hand"
    )


def _rows(draft: Draft, use: Use) -> Iterator[str]:
    model = draft.seen.model
    manager = model._default_manager.name
    rows = f"{use(model_import(model))}.{manager}"
    if draft.time is not None and draft.time.nullable:
        yield from bracketed(f"rows = {rows}.filter(", [f"{draft.time.path}__isnull=False"], ")", 4)
    else:
        yield f"    rows = {rows}.all()"
    if draft.seen.entity != "pk":
        yield f"    entity = {literal(draft.seen.entity)}"
    others = [path for path, _ in draft.seen.tenants if path != draft.tenant]
    if draft.tenant is not None:
        if others:
            yield from comment(f"Other paths to a tenant: {', '.join(others)}.", 4)
        if draft.tenant_may_be_null:
            yield from comment("A row where this is null has no tenant: leave such rows out of `rows`.", 4)
        yield f"    tenant = {literal(draft.tenant)}"


def _time(draft: Draft, use: Use) -> Iterator[str]:
    seen, time = draft.seen, draft.time
    others = [c.name for c in seen.times if c is not time and c is not draft.short_time]
    if others:
        yield from comment(f"Other candidates for the time: {', '.join(others)}.", 4)
    if draft.short_time is not None:
        yield from comment(
            f"{draft.short_time.name} spans too few days to split rows by their time, so it is not used.", 4
        )
    if time is None:
        yield "    event_time = None"
        for group in draft.groups:
            yield from comment(
                f"To keep all rows of one {group} in the same split: split_by = {literal(group)}", 4
            )
        return
    yield f"    event_time = {literal(time.path)}"
    yield from comment(
        "Predictions are made this long before; each feature must be known by then, which nobody can check for you.",
        4,
    )
    yield f"    horizon = {use(Import('datetime', 'timedelta'))}(0)"
    # Nobody chose Django's own default.
    zone = settings.TIME_ZONE
    if zone not in (None, "UTC", global_settings.TIME_ZONE):
        yield f"    timezone = {literal(zone)}"


def _label(draft: Draft, use: Use) -> Iterator[str]:
    label, question = draft.label, draft.question
    others = [c.name for c in draft.seen.labels if c is not label]
    if others:
        yield from comment(
            f"Other candidates for the label: {', '.join(others)}. Remove from the features what is known only afterwards.",
            4,
        )
    if label.nullable:
        yield from comment("Null: not known yet. Such rows are scored, and not trained on.", 4)
    elif draft.time is not None:
        yield from comment(
            "Every row has a label. If it is final only later, say when: label_known = Q(...)", 4
        )
    yield f"    label = {_expression(label, use, as_text=False)}"
    if question.blank:
        q = use(Import(_EXPRESSIONS, "Q"))
        yield f'    label_known = ~{q}({label.path}="")'
    yield f"    task = {literal(question.task)}"
    if question.unused:
        yield from comment(
            f"No row has one of these choices yet: {', '.join(map(literal, question.unused))}.", 4
        )
    if question.classes:
        if all(name == str(value) for value, name in question.classes):
            parts, ends = [literal(value) for value, _ in question.classes], "()"
        else:
            parts = [f"{literal(value)}: {literal(name)}" for value, name in question.classes]
            ends = "{}"
        yield from bracketed(f"classes = {ends[0]}", parts, ends[1], 4)


def _training(draft: Draft) -> Iterator[str]:
    question = draft.question
    yield f"    metric = {literal(question.metric)}"
    known = sum(count for _, count in question.counts)
    if known:
        share = question.counts[0][1] / known
        yield from comment(
            f"To answer always with the most frequent value is right in {share:.1%} of the rows.", 4
        )
    yield from comment(
        "No gates: a version serves only when a person gives a reason. Set them when trainml has shown how good the "
        "model and its baselines are:",
        4,
    )
    yield f"    # gates = {{{literal(question.metric)}: LIMIT}}"
    days = draft.days
    if days is not None:
        if days.first is not None and days.last is not None:
            yield from comment(
                f"Most rows lie between {days.first.date().isoformat()} and {days.last.date().isoformat()}.",
                4,
            )
        yield f"    evaluate_days = {days.evaluate}"
        yield f"    stopping_days = {days.stopping}"


def _feature(feature: ChosenFeature, use: Use) -> list[str]:
    column = feature.column
    parts = [_expression(column, use, as_text=feature.type == "Category")]
    unit = {"duration": "s", "time": "h"}.get(column.kind, column.unit)
    if feature.type == "Number":
        parts += [f"unit={literal(unit)}"] if unit else []
        for name in ("minimum", "maximum"):
            bound = getattr(column, name)
            parts += [] if bound is None else [f"{name}={bound:g}"]
    parts += ["nullable=True"] if column.nullable else []
    parts += [f"doc={literal(column.doc)}"] if column.doc else []
    name = use(Import(_DECLARATIONS, feature.type))
    return bracketed(f"{literal(feature.name)}: {name}(", parts, "),", 8)


def _expression(column: Column, use: Use, *, as_text: bool) -> str:
    path = literal(column.path)
    if column.kind == "duration":
        return f'{use(Import(_FUNCTIONS, "Extract"))}({path}, "epoch")'
    if column.kind == "time":
        return f"{use(Import(_FUNCTIONS, 'ExtractHour'))}({path})"
    # A key or a whole number is a category as it is, with the names of its choices.
    if as_text and column.kind != "text" and not column.whole:
        return f"{use(Import(_FUNCTIONS, 'Cast'))}({path}, {use(Import(_EXPRESSIONS, 'TextField'))}())"
    return path


def _left_out(parts: tuple[LeftOut, ...]) -> Iterator[str]:
    if not parts:
        return
    yield ""
    yield "    # Left out:"
    for part in parts:
        yield from comment(f"- {part.name}: {part.reason}", 4, hanging=2)
