"""What a Django developer writes in ``ml.py``: `MLModel`, `Source`, `Check` and the features.

The classes only hold what was declared. They know nothing of Django: a `Case`, a `Q` or a queryset
is kept as it is, and `makecontracts` (in django_app/contracts) compiles it to a contract.
Nothing here raises for what was declared: an error in ``ml.py`` would stop every management command. What is wrong is
kept, and `makecontracts` reports all of it at once.
"""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from hotclub import severities
from hotclub.severities import SeriousSeverity

Task = Literal["binary", "multiclass", "regression"]

_SNAKE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

#: Every declared class by kind and name, in the order of declaration; filled by `ml.py` autodiscovery.
models: dict[str, type[MLModel]] = {}
sources: dict[str, type[Source]] = {}
#: Classes that could not be registered under their name, and why.
unregistered: list[Unregistered] = []


@dataclass(frozen=True)
class Unregistered:
    """A declared class that is in neither table.

    Attributes:
        cls: the class; its ``name`` is a text that may be no contract name.
        reason: what was found, and the fix.
    """

    cls: type[MLModel | Source]
    reason: str


@dataclass(frozen=True)
class Unusable:
    """Stands for a feature that was declared with arguments that its class does not take."""

    reason: str


class _FeatureType(type):
    """Makes features, and an `Unusable` in place of a TypeError."""

    # Type checkers go on to see each class's own arguments.
    if not TYPE_CHECKING:

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            try:
                return super().__call__(*args, **kwargs)
            except TypeError as error:
                return Unusable(str(error).replace("__init__", "", 1).replace(".()", "()"))


@dataclass(frozen=True)
class Feature(metaclass=_FeatureType):
    """A column of the feature view.

    Args:
        expression: a field path (``"carrier__code"``) or a Django expression.
        nullable: whether a missing value is expected. Where it is not, a null is refused.
        doc: what the number means, for people who read the contract or the endpoint's docs.
        group: a family of features (``"history"``), so that training can leave it out to see what it is worth.
    """

    expression: Any
    nullable: bool = False
    doc: str = ""
    group: str = ""

    #: The name of the type in the contract.
    type: ClassVar[str]


@dataclass(frozen=True)
class Number(Feature):
    """A number.

    Args:
        unit: of the values, for people: ``"mph"``. Empty for a count.
        minimum: the smallest value that is accepted, in ``unit``.
        maximum: the greatest value that is accepted, in ``unit``.
    """

    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    type: ClassVar[str] = "number"


@dataclass(frozen=True)
class Age(Feature):
    """A date or moment, as the time from it to the event time: negative when it lies after.

    Dates reach a model as numbers, so a caller of the endpoint sends the number too.

    Args:
        unit: seconds, minutes, hours or days.
        minimum: the smallest value that is accepted, in ``unit``.
        maximum: the greatest value that is accepted, in ``unit``.
    """

    unit: Literal["s", "min", "h", "d"] = "d"
    minimum: float | None = None
    maximum: float | None = None
    type: ClassVar[str] = "number"


@dataclass(frozen=True)
class Boolean(Feature):
    """True or false; the model sees 1 or 0."""

    type: ClassVar[str] = "boolean"


@dataclass(frozen=True)
class Category(Feature):
    """A text code. The categories are those of the training rows; an unseen one counts as missing.

    Args:
        pattern: a regular expression that every value matches in full.
    """

    pattern: str | None = None
    type: ClassVar[str] = "category"


@dataclass(frozen=True, init=False)
class Check:
    """An expectation by its name, with its arguments: data, resolved by data_checks.

    ``Check("ExpectColumnValuesToBeBetween", column="distance", min_value=0, severity="warning")``

    It holds whatever it is given: `makecontracts` says what is wrong with it. `unnamed` are arguments without a name,
    which no expectation takes.
    """

    expectation: Any
    severity: Any
    arguments: Mapping[str, Any] = field(default_factory=dict)
    unnamed: tuple[Any, ...] = ()

    def __init__(
        self, expectation: Any = None, *unnamed: Any, severity: Any = severities.CRITICAL, **arguments: Any
    ) -> None:
        object.__setattr__(self, "expectation", expectation)
        object.__setattr__(self, "severity", severity)
        object.__setattr__(self, "arguments", arguments)
        object.__setattr__(self, "unnamed", unnamed)


def snake_case(name: str) -> str:
    """Return the contract name of a class: ``ArrivalDelay`` is ``arrival_delay``."""
    return _SNAKE.sub("_", name).lower()


def _register(cls: type[Any], table: dict[str, type[Any]], keywords: Mapping[str, Any]) -> None:
    """Enter a class under its contract name, or note why that cannot be."""
    # Also of a class that it shares with others; another declaration's name is not inherited.
    shared = takewhile(lambda each: not issubclass(each, MLModel | Source), cls.__mro__[1:])
    declared = next((vars(each)["name"] for each in (cls, *shared) if "name" in vars(each)), None)
    name = snake_case(cls.__name__) if declared is None or declared == "" else declared
    usable = isinstance(name, str) and _NAME.fullmatch(name) is not None
    # Whoever reads it elsewhere finds a text, whatever was declared.
    cls.name = name if usable else re.sub("[^a-z0-9_]", "_", snake_case(cls.__name__))
    where = f"{cls.__module__}.{cls.__qualname__}"
    # A module that is imported again declares the same classes anew.
    unregistered[:] = [u for u in unregistered if not _is_same(u.cls, cls) or _is_same_import(u.cls, cls)]
    cls._imported_with = _import_of(cls)
    reason = ""
    known = {**models, **sources}.get(cls.name)
    if keywords:
        reason = (
            f"{', '.join(keywords)}: a declaration takes no keywords; write them as attributes in its body, and what several "
            "share into a class without MLModel or Source"
        )
    elif not usable:
        found = repr(name) if isinstance(name, str | int | float) else f"of type {type(name).__name__}"
        reason = (
            f"the name {found} must be lower case letters, digits and _, start with a letter and have at most 40 "
            "characters; set `name`"
        )
    elif known is not None and not _is_same(known, cls):
        reason = (
            f"{where} and {known.__module__}.{known.__qualname__} are both named {name!r}: "
            "set a different `name` on one of them"
        )
    elif known is not None and _is_same_import(known, cls):
        reason = f"{cls.__module__} declares two classes {cls.__qualname__}; call one of them something else"
    if reason:
        unregistered.append(Unregistered(cls, reason))
    else:
        table[cls.name] = cls


def _is_same(one: type, other: type) -> bool:
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def _import_of(cls: type) -> object:
    """Return what is another object for each import of a class's module, None where there is no such module."""
    return getattr(sys.modules.get(cls.__module__), "__spec__", None)


def _is_same_import(one: Any, other: type) -> bool:
    """Return whether two classes come from one execution of their module."""
    imported = _import_of(other)
    return imported is not None and one.__dict__.get("_imported_with") is imported


class Source:
    """What someone delivers: files that are checked, then loaded into one Django model.

    Attributes:
        model: the Django model that rows go to.
        natural_key: the model's fields that identify a row; a unique constraint must cover them.
        columns: file column → model field. The type, nullability, length and choices come from the field.
        tenant: a field path from the model to the tenant, or None.
        checks: expectations in addition to those that the fields imply.
        timezone: the zone of times without an offset, and of the day that is delivered.
        ambiguous_times: how severe a time without an offset is that clocks in that zone skip or show twice:
            ``"warning"`` loads it as PostgreSQL reads it, ``"critical"`` refuses the file.
    """

    name: ClassVar[str]
    model: ClassVar[Any]
    natural_key: ClassVar[Sequence[str]]
    columns: ClassVar[Mapping[str, str]]
    tenant: ClassVar[str | None] = None
    checks: ClassVar[Sequence[Check]] = ()
    timezone: ClassVar[str] = "UTC"
    ambiguous_times: ClassVar[SeriousSeverity] = severities.WARNING

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Register the declaration under its contract name."""
        super().__init_subclass__()
        _register(cls, sources, kwargs)


class MLModel:
    """A model: which rows, what is known of each in time, what is to be predicted.

    Attributes:
        rows: the queryset of things to predict; nothing in it may be known only afterwards.
        entity: the field that names a row, such as ``"pk"``.
        tenant: a field path to the tenant, or None.
        event_time: the field with the time of what is predicted, or None where rows have no time.
        horizon: predictions are made this long before `event_time`; only with one.
        split_by: only without `event_time`: a field path whose rows of one value stay in one split, such as the customer.
            By default each entity is for itself.
        label: an expression: 0 or 1, a class number from 0, true or false, a text, or a quantity.
        label_known: a `Q` that holds once the label is final.
        classes: the label's values, for multiclass models and for binary ones whose label is a text: values, pairs of a
            value and its name (as Django's choices are), or a dict of them. Names of a label that is a number from 0.
        task: ``"binary"``, ``"multiclass"`` or ``"regression"``.
        features: `Number`, `Category`, `Boolean` and `Age` by name.
        timezone: the zone in which a day of this model begins and ends.
        metric: the metric that training optimises early stopping for and that gates speak of first.
        gates: ``{metric: limit}``, and ``worse_than_champion_by``: how much worse than the champion is allowed.
            Without any, a version serves only when a person gives a reason.
        baseline_by: features by whose mean label the model must be compared.
        evaluate_days, stopping_days: of the evaluation split, the newest rows, and of the stopping split before it; only
            with `event_time`.
        leakage_accepted: ``{feature: reason}``: why a feature may look as if it knew the label.
        score_on: a `Source` (or its name): each loaded partition of it is scored.
        schedule: a cron expression for training, or None for by hand.
        parameters: XGBoost parameters in addition to those of the task, see `hotclub.parameters`. Constraints name features.
    """

    name: ClassVar[str]
    rows: ClassVar[Any]
    entity: ClassVar[str] = "pk"
    tenant: ClassVar[str | None] = None
    event_time: ClassVar[str | None]
    horizon: ClassVar[dt.timedelta]
    split_by: ClassVar[str | None] = None
    label: ClassVar[Any]
    label_known: ClassVar[Any] = None
    task: ClassVar[Task]
    classes: ClassVar[Sequence[Any] | Mapping[Any, str]] = ()
    timezone: ClassVar[str] = "UTC"
    metric: ClassVar[str]
    gates: ClassVar[Mapping[str, float]] = {}
    features: ClassVar[Mapping[str, Feature]]
    baseline_by: ClassVar[Sequence[str]] = ()
    evaluate_days: ClassVar[int] = 30
    stopping_days: ClassVar[int] = 30
    leakage_accepted: ClassVar[Mapping[str, str]] = {}
    score_on: ClassVar[type[Source] | str | None] = None
    schedule: ClassVar[str | None] = None
    parameters: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Register the declaration under its contract name."""
        super().__init_subclass__()
        _register(cls, models, kwargs)
