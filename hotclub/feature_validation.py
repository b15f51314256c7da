"""Checks features that came from outside against the contract, every field's error at once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache

from hotclub.columns import FLOAT32_MAX
from hotclub.contract import FeatureSpec, ModelContract
from hotclub.errors import FieldError, InvalidInputError

#: Past this many errors a caller learns nothing more.
MAX_ERRORS = 100


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _number_error(spec: FeatureSpec, value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"must be a number{_unit(spec)}, not {_type_name(value)}"
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number; send null for a missing value"
    if abs(value) > FLOAT32_MAX:
        return "is too large for a 32-bit float"
    if spec.minimum is not None and value < spec.minimum:
        return f"must be at least {spec.minimum:g}{_unit(spec)}, got {value:g}"
    if spec.maximum is not None and value > spec.maximum:
        return f"must be at most {spec.maximum:g}{_unit(spec)}, got {value:g}"
    return None


def _value_error(spec: FeatureSpec, value: object) -> str | None:
    if value is None:
        return None if spec.nullable else "must not be null"
    if spec.type == "number":
        return _number_error(spec, value)
    if spec.type == "boolean":
        return None if isinstance(value, bool) else f"must be true or false, not {_type_name(value)}"
    return _text_error(spec, value)


def _text_error(spec: FeatureSpec, value: object) -> str | None:
    if not isinstance(value, str):
        return f"must be a text code, not {_type_name(value)}"
    if not is_unicode(value):
        return "has half of a surrogate pair, which is no character"
    if spec.pattern is not None and not _pattern(spec.pattern).fullmatch(value):
        return f"must match {spec.pattern}, got {value[:40]!r}"
    return None


def _unit(spec: FeatureSpec) -> str:
    return f" in {spec.unit}" if spec.unit else ""


def _type_name(value: object) -> str:
    kinds = {dict: "an object", list: "an array", str: "a text", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def is_unicode(text: str) -> bool:
    """Return whether a text is made of characters alone: JSON can hold half of a surrogate pair, and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def feature_errors(contract: ModelContract, features: object, where: str) -> list[FieldError]:
    """Return what is wrong with one row of features; empty when it may be scored.

    A nullable feature may be left out. A name that the contract lacks is an error, with the nearest known one.

    Args:
        contract: the contract of the version that will score the row.
        features: what the caller sent, from JSON.
        where: the dotted path of the row, which starts every error's field.
    """
    if not isinstance(features, Mapping):
        return [FieldError(where, f"must be an object of feature values, not {_type_name(features)}")]
    errors = []
    for spec in contract.features:
        path = f"{where}.{spec.name}" if where else spec.name
        if spec.name not in features:
            if not spec.nullable:
                errors.append(FieldError(path, "is required"))
            continue
        message = _value_error(spec, features[spec.name])
        if message is not None:
            errors.append(FieldError(path, message))
    known = contract.feature_names
    for name in features:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
            path = f"{where}.{name}" if where else str(name)
            errors.append(FieldError(path, f"is not a feature of {contract.name}{hint}"))
    return errors


def validate_instances(contract: ModelContract, instances: object, where: str = "instances") -> None:
    """Check rows of features.

    Raises:
        InvalidInputError: with every error of every row, up to `MAX_ERRORS`.
    """
    if not isinstance(instances, Sequence) or isinstance(instances, str | bytes):
        raise InvalidInputError.of(where, f"must be an array of objects, not {_type_name(instances)}")
    errors: list[FieldError] = []
    for place, row in enumerate(instances):
        errors.extend(feature_errors(contract, row, f"{where}.{place}"))
        if len(errors) >= MAX_ERRORS:
            break
    if errors:
        raise InvalidInputError(errors[:MAX_ERRORS])
