"""Checks that a declaration says what it must, before it is compiled."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django_app.contracts.declaration_problems import label_of
from hotclub import names, parameters
from hotclub.declarations import Feature, MLModel
from hotclub.errors import ContractError
from hotclub.metrics import METRICS, WORSE_THAN_CHAMPION, metrics_of

_FEATURE_NAME = re.compile(r"^[a-z][a-z0-9_]{0,59}$")
_TASKS = ("binary", "multiclass", "regression")


def _require(cls: type, attributes: Iterable[str], base: type) -> None:
    where = label_of(cls)
    missing = [name for name in attributes if not hasattr(cls, name)]
    if missing:
        raise ContractError(f"{where}: set {', '.join(missing)}")
    known = set(base.__annotations__)
    for name in vars(cls):
        if not name.startswith("_") and name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"
            raise ContractError(f"{where}: {name!r} is not a setting of {base.__name__}{hint}")


def _zone(where: str, timezone: str) -> None:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ContractError(
            f"{where}.timezone: {timezone!r} is not a zone of the IANA database, such as 'Europe/Paris'"
        ) from error


def check_model(cls: type[MLModel]) -> None:
    """Check a model's declaration.

    Raises:
        ContractError: with the attribute and the fix.
    """
    where = label_of(cls)
    _require(cls, ("rows", "event_time", "label", "task", "metric", "features"), MLModel)
    _zone(where, cls.timezone)
    if cls.task not in _TASKS:
        raise ContractError(f"{where}.task: {cls.task!r} is not one of {', '.join(_TASKS)}")
    if cls.task == "multiclass" and len(cls.classes) < 3:
        raise ContractError(f"{where}.classes: a multiclass model names its three or more classes")
    _check_time(where, cls)
    _check_gates(where, cls)
    if not cls.features:
        raise ContractError(f"{where}.features: declare at least one feature")
    for name, feature in cls.features.items():
        _check_feature(where, name, feature)
    _check_training(where, cls)
    unknown = [name for name in cls.baseline_by if name not in cls.features]
    if unknown:
        raise ContractError(f"{where}.baseline_by: {', '.join(unknown)} is not among the features")


def _check_time(where: str, cls: type[MLModel]) -> None:
    if cls.event_time is not None:
        horizon = getattr(cls, "horizon", None)
        if not isinstance(horizon, dt.timedelta) or horizon < dt.timedelta(0):
            raise ContractError(f"{where}.horizon: must be a timedelta of zero or more")
        if cls.split_by is not None:
            raise ContractError(
                f"{where}.split_by: rows with an event_time are split by their time; leave it out"
            )
        return
    for name in ("horizon", "evaluate_days", "stopping_days"):
        if any(name in vars(base) for base in cls.__mro__ if base is not MLModel):
            raise ContractError(
                f"{where}.{name}: rows without an event_time have no time to count; leave it out"
            )


def _check_gates(where: str, cls: type[MLModel]) -> None:
    allowed = metrics_of(cls.task)
    if cls.metric not in allowed:
        raise ContractError(
            f"{where}.metric: {cls.metric!r} is not a metric of {cls.task}: {', '.join(allowed)}"
        )
    if not isinstance(cls.gates, Mapping):
        raise ContractError(f"{where}.gates: must be a dict of metric and limit")
    for gate in cls.gates:
        if gate != WORSE_THAN_CHAMPION and (gate not in METRICS or gate not in allowed):
            raise ContractError(
                f"{where}.gates: {gate!r} is neither {WORSE_THAN_CHAMPION} nor a metric of {cls.task}: "
                f"{', '.join(allowed)}"
            )
    for gate, limit in cls.gates.items():
        error = parameters.Number().error(limit)
        if error is not None:
            raise ContractError(f"{where}.gates[{gate!r}]: {error}")


def _check_training(where: str, cls: type[MLModel]) -> None:
    for name in ("evaluate_days", "stopping_days"):
        error = parameters.Number(1, whole=True).error(getattr(cls, name))
        if error is not None:
            raise ContractError(f"{where}.{name}: {error}")
    try:
        parameters.check(cls.task, {name: f.type for name, f in cls.features.items()}, cls.parameters)
    except ContractError as error:
        raise ContractError(f"{where}.{error}") from error


def _check_feature(where: str, name: str, feature: object) -> None:
    place = f"{where}.features[{name!r}]"
    if not _FEATURE_NAME.match(name) or name in names.RESERVED_COLUMNS:
        raise ContractError(
            f"{place}: a feature's name has lower case letters, digits and _, starts with a letter, "
            f"and is none of {', '.join(names.RESERVED_COLUMNS)}"
        )
    if not isinstance(feature, Feature) or type(feature) is Feature:
        raise ContractError(f"{place}: must be a Number, Category, Boolean or Age")
