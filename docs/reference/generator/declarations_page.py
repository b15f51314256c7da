"""docs/reference/declarations.md: what `ml.py` may say, from the classes themselves."""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
from typing import Any, get_origin, get_type_hints

from generator.source_code import attributes, cell, code, page, table
from hotclub import declarations, severities
from hotclub.declarations import Feature, MLModel, Source

_FEATURES = (declarations.Number, declarations.Category, declarations.Boolean, declarations.Age)
_COMMON = {field.name for field in dataclasses.fields(Feature)}


def declarations_page() -> str:
    """Return the page of `MLModel`, `Source`, the features and `Check`."""
    parts = [
        "# Declarations\n",
        "Every attribute of the classes that `ml.py` is made of (`from hotclub.declarations import ...`).",
        "[How to declare a model](../how-to/declare-a-model.md) shows them at work.\n",
        "## MLModel\n",
        _summary(MLModel),
        *_attributes_of(MLModel),
        "## Source\n",
        _summary(Source),
        *_attributes_of(Source),
        "## Features\n",
        "`features = {name: feature}`: the name is the column of the feature view and the key in a request.",
        "Every feature takes these arguments:\n",
        *_arguments_of(Feature, _COMMON),
    ]
    for feature in _FEATURES:
        own = {field.name for field in dataclasses.fields(feature)} - _COMMON
        parts += [f"### {feature.__name__}\n", _summary(feature)]
        parts += _arguments_of(feature, own) if own else ["It takes no further arguments.\n"]
    parts += [
        "## Check\n",
        _summary(declarations.Check),
        "[Checks](checks.md) lists the expectations and their arguments.",
        "`severity` says what a failure does:\n",
        *table(["severity", "what a failure does"], [[code(s), cell(_SEVERITIES[s])] for s in _severities()]),
    ]
    return page(*parts)


#: In words, because code says it in several places; a severity without a line here stops the generator.
_SEVERITIES = {
    severities.CRITICAL: "the delivery is rejected; none of its rows is loaded",
    severities.WARNING: "the delivery is loaded, and the warning stays on it",
    severities.INFO: "the delivery is loaded, and its report says it",
}


def _severities() -> list[str]:
    return list(reversed(severities.ORDER))


def _summary(cls: type) -> str:
    """Return what a class's docstring says before its attributes, code included."""
    text = inspect.getdoc(cls) or ""
    for heading in ("Attributes:", "Args:"):
        text = text.partition(f"{heading}\n")[0]
    paragraphs = [" ".join(part.split()) for part in text.strip().split("\n\n")]
    return "\n\n".join(cell(part) for part in paragraphs) + "\n"


def _attributes_of(cls: type) -> list[str]:
    documented = attributes(inspect.getdoc(cls) or "")
    documented.setdefault(
        "name",
        "the contract's name; by default the class's own in snake_case: `ArrivalDelay` is `arrival_delay`.",
    )
    rows = []
    for name, hint in get_type_hints(cls).items():
        if get_origin(hint) is None and not str(hint).startswith("typing.ClassVar"):
            continue
        default = "the class's name" if name == "name" else _default(getattr(cls, name, dataclasses.MISSING))
        rows.append([code(name), _documented(cls, name, documented), default])
    return table(["attribute", "what it is", "default"], rows)


def _arguments_of(cls: type, wanted: set[str]) -> list[str]:
    documented = attributes(inspect.getdoc(cls) or "")
    rows = [
        [code(field.name), _documented(cls, field.name, documented), _default(field.default)]
        for field in dataclasses.fields(cls)
        if field.name in wanted
    ]
    return table(["argument", "what it is", "default"], rows)


def _documented(cls: type, name: str, documented: dict[str, str]) -> str:
    """Return an attribute's text.

    Raises:
        LookupError: its class's docstring has none.
    """
    if name not in documented:
        raise LookupError(f"{cls.__qualname__}.{name}: add it to the docstring in {cls.__module__}")
    text = documented[name]
    return cell(text[:1].upper() + text[1:])


def _default(value: Any) -> str:
    if value is dataclasses.MISSING:
        return "required"
    if isinstance(value, dt.timedelta):
        return code(f"timedelta(seconds={value.total_seconds():g})")
    return code(repr(value)) if value not in ("", (), {}, None) else ("none" if value is None else "empty")
