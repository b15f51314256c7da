"""Loaded rows whose time lies on another day than the one that was delivered: the day's batch leaves them out."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import connection
from django.db.models import Model

from django_app.contracts.column_defaults import Defaults
from django_app.ingest import selectors
from django_app.ingest.load_statement import LoadStatement
from django_app.ingest.models import Delivery
from django_app.ingest.services.row_loading import MAX_VALUES_SHOWN, zone_set
from hotclub import names
from hotclub.contract import SourceContract


def rows_outside_day(delivery: Delivery, contract: SourceContract, staged: int) -> list[str]:
    """Return a warning for each time by which models would score the day and that lies elsewhere in some rows.

    A row may have several times, and only a model says by which of them it is of a day: its ``event_time``. Where no
    model scores the source's loads, nothing is wrong with any day. Compared is what the table holds after the load, so that
    a file may also lack the time, or have it in another table's row.

    Args:
        delivery: that was loaded, in the caller's transaction.
        contract: the source's.
        staged: rows in the file.
    """
    warnings = []
    for (rows, path), scored_by in _times(contract).items():
        if _is_checked_by_key(contract, path):
            continue  # other days were refused before the load
        statement = LoadStatement(
            contract, names.staging_table(str(delivery.pk)), Defaults(), shown=MAX_VALUES_SHOWN
        )
        try:
            query = statement.outside_day(rows, path, delivery.day)
        except FieldError:
            continue  # the path is of another version of the code, or of an annotation that rows of a file do not have
        with connection.cursor() as cursor:
            zone_set(cursor, contract.schema.timezone)
            cursor.execute(query)
            count, lines, times = cursor.fetchone()
            zone_set(cursor, connection.timezone_name)
        if count:
            called = _file_column(contract, path) or path
            score = "scores" if len(scored_by) == 1 else "score"
            warnings.append(
                f"{called}: {count:,} of {staged:,} rows do not lie on {delivery.day}, the day that is delivered, so that "
                f"{' and '.join(scored_by)} {score} none of them with it: {_examples(lines, times, count)}"
            )
    return warnings


def _examples(lines: list[int], times: list[str | None], count: int) -> str:
    shown = ", ".join(f"line {line:,} ({time or 'no time'})" for line, time in zip(lines, times, strict=True))
    return f"{shown}, …" if count > len(lines) else shown


def _times(contract: SourceContract) -> dict[tuple[type[Model], str], list[str]]:
    """Return the models that score the source's rows, by the time that says which day's batch has a row.

    A time is a Django model and the field path from it.
    """
    found: dict[tuple[type[Model], str], list[str]] = defaultdict(list)
    loaded = apps.get_model(contract.schema.django_model)
    for model in selectors.models_scored_on(contract.name):
        try:
            scored = apps.get_model(model.schema.django_model)
        except LookupError:
            continue  # of a class that is gone
        if model.schema.event_time is None:
            continue
        # A batch of another table's rows is about other rows than those of the file; a row of a parent's table is the
        # child's too.
        if issubclass(loaded, scored):
            found[loaded, model.schema.event_time].append(model.name)
        elif issubclass(scored, loaded):
            found[scored, model.schema.event_time].append(model.name)
    return dict(found)


def _file_column(contract: SourceContract, path: str) -> str | None:
    """Return the file's column that loads a time, None where it is not in the file."""
    model: Any = apps.get_model(contract.schema.django_model)
    try:
        column = model._meta.get_field(path).column
    except FieldDoesNotExist:
        return None  # the path goes on to another table
    return next((c.name for c in contract.schema.columns if c.target == column), None)


def _is_checked_by_key(contract: SourceContract, path: str) -> bool:
    """Return whether the checks of the file compare this time with the day in every row: an empty one they pass over."""
    filled = {
        c.name for c in contract.schema.columns if c.target in contract.schema.natural_key and not c.nullable
    }
    return contract.key_has_day and _file_column(contract, path) in filled
