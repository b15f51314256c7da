"""Checks of a model's declaration that need no field of Django: every attribute, and every problem at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from django_app.contracts.validation import feature_checks, number_checks
from django_app.contracts.validation.attribute_checks import check_attributes
from django_app.contracts.validation.declaration_problems import Problems, label_of
from django_app.contracts.validation.schedule_checks import check_schedule
from django_app.contracts.validation.shown_values import shown
from django_app.contracts.validation.text_checks import check_text
from django_app.contracts.validation.timezone_checks import check_timezone
from hotclub import parameters
from hotclub.declarations import Feature, MLModel
from hotclub.errors import ContractError
from hotclub.metrics import RANGES, WORSE_THAN_CHAMPION, metrics_of

TASKS: Final = ("binary", "multiclass", "regression")
_REQUIRED = ("rows", "event_time", "label", "task", "metric", "features")
_ONLY_WITH_TIME = ("horizon", "evaluate_days", "stopping_days")
#: A hundred years: what is longer is a typing error, and dates end at the year 9999.
_MAX_DAYS = 36_500


def check_model(cls: type[MLModel]) -> None:
    """Check a model's declaration.

    Raises:
        DeclarationError: with every problem: the attribute, what was found, and the fix.
    """
    problems = Problems(cls)
    check_attributes(cls, MLModel, _REQUIRED, problems)
    with problems.of("timezone"):
        check_timezone(cls.timezone)
    _check_time(cls, problems)
    with problems.of("schedule"):
        check_schedule(cls.schedule)
    if hasattr(cls, "task"):
        _check_task(cls, problems)
    if hasattr(cls, "features"):
        with problems.of("features"):
            feature_checks.check_features(cls, problems)
    with problems.of("baseline_by"):
        _check_baseline(cls)
    with problems.of("leakage_accepted"):
        _check_leakage(cls, problems)
    problems.raise_any()


def usable_features(cls: type[MLModel]) -> dict[str, Feature]:
    """Return the features by name that are such, whatever else is declared among them."""
    declared = getattr(cls, "features", None)
    if not isinstance(declared, Mapping):
        return {}
    return {
        name: feature
        for name, feature in declared.items()
        if isinstance(name, str) and isinstance(feature, feature_checks.KINDS)
    }


def _check_time(cls: type[MLModel], problems: Problems) -> None:
    event_time = getattr(cls, "event_time", None)
    if event_time is None:
        for name in _ONLY_WITH_TIME:
            if hasattr(cls, "event_time") and _is_declared(cls, name):
                problems.add(name, "rows without an event_time have no time to count; leave it out")
    else:
        with problems.of("horizon"):
            _check_horizon(cls)
        for name in ("evaluate_days", "stopping_days"):
            with problems.of(name):
                number_checks.check_whole(getattr(cls, name), 1, _MAX_DAYS)
        if cls.split_by is not None:
            problems.add("split_by", "rows with an event_time are split by their time; leave it out")
    if event_time is not None and not _is_path(event_time):
        problems.add(
            "event_time", f"{shown(event_time)} must be a field path as a text, such as 'placed_at', or None"
        )
    for name in ("tenant", "split_by"):
        value = getattr(cls, name)
        if value is not None and not _is_path(value):
            problems.add(
                name, f"{shown(value)} must be a field path as a text, such as 'shop__customer', or None"
            )


def _is_declared(cls: type[MLModel], name: str) -> bool:
    return any(name in vars(base) for base in cls.__mro__ if base is not MLModel)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _check_horizon(cls: type[MLModel]) -> None:
    horizon: Any = getattr(cls, "horizon", None)
    example = "must be a timedelta of zero or more, such as timedelta(hours=1)"
    if not hasattr(cls, "horizon"):
        raise ContractError(f"is missing; it {example}")
    if not isinstance(horizon, dt.timedelta) or horizon < dt.timedelta(0):
        raise ContractError(f"{example}, got {shown(horizon)}")
    if horizon > dt.timedelta(days=_MAX_DAYS):
        raise ContractError(f"{example}, and at most {_MAX_DAYS} days, got {horizon.days} days")
    if horizon.microseconds:
        raise ContractError(f"{example}, in whole seconds, got {shown(horizon)}")


def _check_task(cls: type[MLModel], problems: Problems) -> None:
    task: Any = cls.task
    if not isinstance(task, str) or task not in TASKS:
        problems.add("task", f"{shown(task)} is not one of {', '.join(TASKS)}")
        return
    allowed = metrics_of(task)
    metric: Any = getattr(cls, "metric", None)
    if hasattr(cls, "metric") and (not isinstance(metric, str) or metric not in allowed):
        problems.add("metric", f"{shown(metric)} is not a metric of {task} models: {', '.join(allowed)}")
    with problems.of("gates"):
        _check_gates(cls, allowed, problems)
    with problems.of("parameters"):
        _check_parameters(cls, task)


def _check_parameters(cls: type[MLModel], task: str) -> None:
    types = {name: feature.type for name, feature in usable_features(cls).items()}
    try:
        parameters.check(task, types, cls.parameters)
    except ContractError as error:
        # It names the parameter itself.
        raise ContractError(f"{label_of(cls)}.{error}") from error


def _check_gates(cls: type[MLModel], allowed: Iterable[str], problems: Problems) -> None:
    gates: Any = cls.gates
    if not isinstance(gates, Mapping):
        raise ContractError(
            f"must be a dict of metric and limit, such as {{'{cls.metric}': 0.7}}, not {shown(gates)}"
        )
    for gate, limit in gates.items():
        if gate != WORSE_THAN_CHAMPION and gate not in allowed:
            problems.add(
                "gates",
                f"{shown(gate)} is neither {WORSE_THAN_CHAMPION} nor a metric of {cls.task} models: {', '.join(allowed)}",
            )
            continue
        low, high = RANGES[gate] if gate in RANGES else _tolerance(getattr(cls, "metric", None))
        with problems.of(f"gates[{gate!r}]"):
            number_checks.check_number(limit, low, high)


def _tolerance(metric: Any) -> tuple[float, float | None]:
    """Return between what "how much worse than the champion" lies: no two values of the metric are farther apart."""
    low, high = RANGES.get(metric, (None, None)) if isinstance(metric, str) else (None, None)
    return 0, None if low is None or high is None else high - low


def _check_baseline(cls: type[MLModel]) -> None:
    listed: Any = cls.baseline_by
    if isinstance(listed, str):
        raise ContractError(f"{shown(listed)} is one text; write a tuple of features: ({listed!r},)")
    if not isinstance(listed, list | tuple):
        raise ContractError(f"must be a tuple of features, not {shown(listed)}")
    known = usable_features(cls)
    for name in listed:
        if not isinstance(name, str) or name not in known:
            near = get_close_matches(name, known, n=1) if isinstance(name, str) else []
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
            raise ContractError(f"{shown(name)} is not among the features; {hint}")
    twice = sorted({name for name in listed if listed.count(name) > 1})
    if twice:
        raise ContractError(f"names {', '.join(map(repr, twice))} twice; name each feature once")


def _check_leakage(cls: type[MLModel], problems: Problems) -> None:
    accepted: Any = cls.leakage_accepted
    if not isinstance(accepted, Mapping):
        raise ContractError(f"must be a dict of feature and reason, not {shown(accepted)}")
    known = usable_features(cls)
    for name, reason in accepted.items():
        if not isinstance(name, str) or name not in known:
            near = get_close_matches(name, known, n=1) if isinstance(name, str) else []
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
            problems.add("leakage_accepted", f"{shown(name)} is not among the features; {hint}")
        elif not isinstance(reason, str) or not reason.strip():
            problems.add(
                f"leakage_accepted[{name!r}]",
                f"{shown(reason)} must be a text: the reason why this feature may look as if it knew the label",
            )
        else:
            with problems.of(f"leakage_accepted[{name!r}]"):
                check_text(reason)
