"""Checks of each feature's own settings: name, kind, bounds, pattern and texts."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.db.models.manager import BaseManager

from django_app.contracts.validation.declaration_problems import Problems
from django_app.contracts.validation.number_checks import check_number
from django_app.contracts.validation.shown_values import shown
from django_app.contracts.validation.text_checks import check_text
from hotclub import names
from hotclub.declarations import Age, Boolean, Category, Feature, MLModel, Number, Unusable
from hotclub.errors import ContractError

#: Seconds in each unit of an `Age`.
SECONDS: Final[Mapping[str, int]] = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
#: A view has at most 1,664 columns.
_MAX_FEATURES: Final = 1600
KINDS: Final = (Number, Category, Boolean, Age)


def check_features(cls: type[MLModel], problems: Problems) -> None:
    """Note what is wrong with each feature.

    Raises:
        ContractError: there are none to look at.
    """
    features: Any = cls.features
    if not isinstance(features, Mapping):
        raise ContractError(
            f"must be a dict of name and feature, such as {{'total': Number('total')}}, not {shown(features)}"
        )
    if not features:
        raise ContractError("is empty; declare at least one feature")
    if len(features) > _MAX_FEATURES:
        raise ContractError(
            f"{len(features):,} are more than {_MAX_FEATURES:,}, as many as a view of PostgreSQL has room for; leave some out"
        )
    for name, feature in features.items():
        place = f"features[{shown(name)}]"
        with problems.of(place):
            _check_name(name)
        with problems.of(place):
            _check_kind(feature)
            _check_settings(feature, place, problems)
            if isinstance(feature, Age) and getattr(cls, "event_time", "") is None:
                raise ContractError(
                    "an Age is the time to event_time, and these rows have none; declare a Number of a part of it: "
                    'Extract…(..., tzinfo=ZoneInfo("…"))'
                )


def is_name(name: Any) -> bool:
    """Return whether a feature may have a name."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None and name not in names.RESERVED_COLUMNS


def _check_name(name: Any) -> None:
    if not is_name(name):
        raise ContractError(
            "a feature's name has lower case letters, digits and _, starts with a letter, has at most 60 characters "
            f"and is none of {', '.join(names.RESERVED_COLUMNS)}; rename it"
        )


def _check_kind(feature: Any) -> None:
    wanted = "must be a Number, Category, Boolean or Age"
    if isinstance(feature, Unusable):
        raise ContractError(f"{feature.reason}; see the arguments of Number, Category, Boolean and Age")
    if isinstance(feature, str):
        raise ContractError(
            f"{wanted} of an expression, not a text; write Number({feature!r}) or Category({feature!r})"
        )
    if not isinstance(feature, KINDS):
        raise ContractError(f"{wanted} of an expression, not {shown(feature)}")


def _check_settings(feature: Feature, place: str, problems: Problems) -> None:
    with problems.of(place):
        _check_expression(feature.expression)
    if not isinstance(feature.nullable, bool):
        problems.add(f"{place}.nullable", f"must be True or False, got {shown(feature.nullable)}")
    for name in ("unit", "doc", "group"):
        if name != "unit" or isinstance(feature, Number):
            with problems.of(f"{place}.{name}"):
                check_text(getattr(feature, name, ""))
    if isinstance(feature, Age) and (not isinstance(feature.unit, str) or feature.unit not in SECONDS):
        problems.add(f"{place}.unit", f"must be one of {', '.join(SECONDS)}, got {shown(feature.unit)}")
    if isinstance(feature, Number | Age):
        _check_bounds(feature, place, problems)
    if isinstance(feature, Category):
        with problems.of(f"{place}.pattern"):
            _check_pattern(feature.pattern)


def is_expression(expression: Any) -> bool:
    """Return whether a feature may be of this: a field path or one value of a row."""
    if isinstance(expression, str):
        return expression != ""
    if isinstance(expression, Q) and not expression:
        return False
    return hasattr(expression, "resolve_expression") and not isinstance(
        expression, type | BaseManager | QuerySet
    )


def _check_expression(expression: Any) -> None:
    if is_expression(expression):
        return
    if not isinstance(expression, BaseManager | QuerySet):
        constant = isinstance(expression, bool | int | float)
        fix = (
            f"write Value({expression!r})"
            if constant
            else "write 'country', F('country') or Lower('country')"
        )
        raise ContractError(
            f"must be of a field path or a Django expression, not of {shown(expression)}; {fix}"
        )
    raise ContractError(
        f"{shown(expression)} has many rows; write Subquery(….order_by('-pk').values('price')[:1])"
    )


def _check_bounds(feature: Number | Age, place: str, problems: Problems) -> None:
    usable = True
    for name in ("minimum", "maximum"):
        bound = getattr(feature, name)
        if bound is not None:
            try:
                check_number(bound)
            except ContractError as error:
                usable = False
                problems.add(f"{place}.{name}", f"{error}; leave it out where there is none")
    low, high = feature.minimum, feature.maximum
    if usable and low is not None and high is not None and low > high:
        problems.add(f"{place}.minimum", f"{low:g} is more than maximum, {high:g}; exchange them")


def check_choices(feature: Category, choices: Iterable[str]) -> None:
    """Check that a category's pattern takes the choices of its field.

    Raises:
        ContractError: it refuses one, so that rows with it could not be trained on.
    """
    if not isinstance(feature.pattern, str):
        return
    with suppress(re.error):  # reported with the pattern
        refused = next((value for value in choices if not re.fullmatch(feature.pattern, value)), None)
        if refused is not None:
            raise ContractError(
                f"the field's own choice {shown(refused)} does not match the pattern {shown(feature.pattern)}; change the pattern, "
                "or leave it out"
            )


def _check_pattern(pattern: Any) -> None:
    if pattern is None:
        return
    if not isinstance(pattern, str):
        raise ContractError(f"must be a regular expression as a text, got {shown(pattern)}")
    check_text(pattern)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a future Python would read otherwise is read today
            re.compile(pattern)
    except Exception as error:
        raise ContractError(f"{shown(pattern)} is no regular expression: {error}") from error
