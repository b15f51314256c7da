"""A version of the model registry as a row: what fits is kept, and what does not is named."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.db.models import Field

from django_app.registry.models import ModelVersion, Promotion
from hotclub import names
from hotclub.model_registry import RegisteredModel, RegisteredVersion

#: The largest number of a version: what a PositiveIntegerField holds.
_MAX_VERSION = 2**31 - 1
_MAX_MODEL_NAME = ModelVersion._meta.get_field("model_name").max_length or 0
_MAX_ALIAS = Promotion._meta.get_field("alias").max_length or 0


def model_problem(model: RegisteredModel) -> str:
    """Return why a registered model cannot be mirrored at all, empty when it can."""
    if len(model.name) > _MAX_MODEL_NAME:
        return f"the name has {len(model.name)} characters; names of Hotclub's models have at most {_MAX_MODEL_NAME}"
    if "\0" in model.name:
        return "the name has a NUL character"
    return ""


def aliases(model: RegisteredModel) -> tuple[dict[str, int], list[str]]:
    """Return the versions that aliases point to, and a reason for each alias that is left out."""
    found: dict[str, int] = {}
    problems = []
    for alias, number in sorted(model.aliases.items()):
        if len(alias) > _MAX_ALIAS or "\0" in alias:
            problems.append(f"the alias {alias[:40]!r} is longer than {_MAX_ALIAS} characters or has a NUL")
        elif whole_number(number) is None:
            problems.append(f"the alias {alias!r} points to {number[:40]!r}, which is no version's number")
        else:
            found[alias] = int(number)
    return found, problems


def whole_number(text: str) -> int | None:
    """Return a number from 1 that a column holds, else None. Only plain digits count: ``²`` is a digit to Python."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_MAX_VERSION)):
        return None
    number = int(text)
    return number if 1 <= number <= _MAX_VERSION else None


def row(version: RegisteredVersion, now: dt.datetime) -> tuple[dict[str, Any], list[str]]:
    """Return the values of a version's columns, and what of it does not fit. Aliases and metrics come elsewhere."""
    problems: list[str] = []
    tagged = version.tags.get(names.TAG_CONTRACT_VERSION, "")
    number = whole_number(tagged)
    if tagged and number is None:
        problems.append(f"the tag {names.TAG_CONTRACT_VERSION} is {tagged[:40]!r}, not a version's number")
    values: dict[str, Any] = {"contract_version": number, "registered_at": _moment(version, now, problems)}
    for name, text in (
        ("run_id", version.run_id),
        ("contract_fingerprint", version.contract_fingerprint or ""),
        ("gates", version.tags.get(names.TAG_GATES, "")),
        ("description", version.description),
    ):
        values[name] = _text(name, text, problems)
    return values, problems


def metrics(values: Mapping[str, float]) -> dict[str, float | str]:
    """Return metrics as JSON holds them: what is no number is its name, ``nan`` or ``inf``."""
    return {
        key.replace("\0", "\N{REPLACEMENT CHARACTER}"): value if math.isfinite(value) else str(value)
        for key, value in values.items()
    }


def _field(name: str) -> Field[Any, Any]:
    return cast("Field[Any, Any]", ModelVersion._meta.get_field(name))  # a column, never a reverse relation


def _text(name: str, text: str, problems: list[str]) -> str:
    if "\0" in text:
        problems.append(f"its {name} has a NUL character, which is replaced here")
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    try:
        _field(name).run_validators(text)
    except ValidationError:
        problems.append(f"its {name} is too long and is left out here: {text[:40]!r}")
        return ""
    return text


def _moment(version: RegisteredVersion, now: dt.datetime, problems: list[str]) -> dt.datetime:
    try:
        return dt.datetime.fromtimestamp(version.created_at_ms / 1000, tz=dt.UTC)
    except (OverflowError, ValueError, OSError):
        problems.append(
            f"its creation time {str(version.created_at_ms)[:40]} is no time; the time when it was found is shown"
        )
        return now
