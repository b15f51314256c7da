"""What a Django developer writes in ``ml.py``: `MLModel`, `Source`, `Check` and the features.

The classes only hold what was declared. They know nothing of Django: a `Case`, a `Q` or a queryset
is kept as it is, and `makecontracts` (in django_app/contracts) compiles it to a contract.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from hotclub import severities
from hotclub.errors import ContractError
from hotclub.severities import SeriousSeverity

Task = Literal["binary", "multiclass", "regression"]

_SNAKE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NAME = re.compile(r"^[a-z][a-z0-9_]{0,39}$")

#: Every declared class by kind and name, in the order of declaration; filled by `ml.py` autodiscovery.
models: dict[str, type[MLModel]] = {}
sources: dict[str, type[Source]] = {}


@dataclass(frozen=True)
class Feature:
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
    """A number. Bounds are inclusive and in ``unit``."""

    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    type: ClassVar[str] = "number"


@dataclass(frozen=True)
class Age(Feature):
    """A date or moment, as the time from it to the event time: negative when it lies after.

    Dates reach a model as numbers, so a caller of the endpoint sends the number too.
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


def _register(cls: type[Any], table: dict[str, type[Any]]) -> None:
    name = cls.__dict__.get("name") or snake_case(cls.__name__)
    if not _NAME.match(name):
        raise ContractError(
            f"{cls.__module__}.{cls.__qualname__}: the name {name!r} must be lower case letters, "
            "digits and _, start with a letter and have at most 40 characters; set `name`"
        )
    cls.name = name
    known = {**models, **sources}.get(name)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ContractError(
            f"{cls.__module__}.{cls.__qualname__} and {known.__module__}.{known.__qualname__} are both "
            f"named {name!r}: set a different `name` on one of them"
        )
    table[name] = cls


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
        super().__init_subclass__(**kwargs)
        _register(cls, sources)


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
        super().__init_subclass__(**kwargs)
        _register(cls, models)
