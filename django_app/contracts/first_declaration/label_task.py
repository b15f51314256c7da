"""What kind of question a label asks: its task, its classes and the metric."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django_app.contracts.first_declaration.candidates import MOST_CLASSES
from django_app.contracts.first_declaration.model_columns import Column
from hotclub.declarations import Task
from hotclub.errors import ContractError

_METRICS: Final[dict[str, str]] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
#: Names of the value that a binary model is asked about.
_POSITIVE: Final = re.compile(
    r"yes|y|true|t|positive|pos|malignant|fraud|churned|returned|failed|bad|late|1", re.IGNORECASE
)
#: Words of names of numbers that stand for classes, although no field says so.
_CLASS_WORDS: Final = re.compile(
    r"(^|_)(class|target|label|category|species|cultivar|kind|type|group|outcome|grade)(_|$)", re.IGNORECASE
)


@dataclass(frozen=True)
class Question:
    """A label's task.

    Attributes:
        classes: values with their names, in the order of their numbers; empty where numbers are predicted or 0 and 1.
        unused: names of choices that no row has.
        counts: rows by value, the most frequent first; empty without rows.
        blank: whether rows have the empty text, which is no class.
    """

    task: Task
    classes: tuple[tuple[Any, str], ...] = ()
    unused: tuple[str, ...] = ()
    counts: tuple[tuple[Any, int], ...] = ()
    blank: bool = False

    @property
    def metric(self) -> str:
        """The metric of the task."""
        return _METRICS[self.task]


def question_of(label: Column, counts: Sequence[tuple[Any, int]], task: str | None) -> Question:
    """Return the task of a label.

    Args:
        label: the label's column.
        counts: its values and how many rows have each, at most one more than can be classes.
        task: what the caller wants; None for what suits the values.

    Raises:
        ContractError: the label's values do not suit the task; the message names both and the fix.
    """
    found = [(value, count) for value, count in counts if value != ""]
    blank = len(found) < len(counts)
    values = [value for value, _ in found]
    wanted = task or _natural_task(label, values)
    if wanted == "regression":
        if label.kind not in ("number", "duration"):
            raise ContractError(f"--task regression: {label.name} is no number; leave --task out")
        return Question("regression")
    if label.kind == "duration":
        raise ContractError(f"--task {wanted}: {label.name} is a duration; use --task regression")
    classes, unused = _classes(label, values)
    _check_number_of_classes(label, wanted, classes)
    if wanted == "multiclass":
        ordered = sorted(classes, key=lambda c: _order(label, c[0]))
        return Question("multiclass", tuple(ordered), unused, tuple(found), blank)
    if label.kind == "boolean" or {value for value, _ in classes} <= {0, 1}:
        return Question("binary", counts=tuple(found))
    return Question("binary", _positive_last(classes, values), unused, tuple(found), blank)


def _natural_task(label: Column, values: Sequence[Any]) -> Task:
    if label.kind == "boolean":
        return "binary"
    if label.kind == "duration":
        return "regression"
    if label.kind == "text" or label.is_code:
        return "binary" if len(values or label.choices) == 2 else "multiclass"
    if values and set(values) <= {0, 1}:
        return "binary"
    is_class = label.whole and _CLASS_WORDS.search(label.name)
    return "multiclass" if is_class and 3 <= len(values) <= MOST_CLASSES else "regression"


def _classes(label: Column, values: Sequence[Any]) -> tuple[list[tuple[Any, str]], tuple[str, ...]]:
    """Return the classes with their names, those of the choices first, and the names of choices that no row has."""
    names = {value: name for value, name in label.choices if value != ""}
    known = [value for value in names if not values or value in values]
    classes = [
        (value, names.get(value, str(value))) for value in (*known, *(v for v in values if v not in names))
    ]
    if len({name for _, name in classes}) < len(classes):
        classes = [(value, str(value)) for value, _ in classes]
    return classes, tuple(str(value) for value in names if values and value not in values)


def _check_number_of_classes(label: Column, task: str, classes: Sequence[tuple[Any, str]]) -> None:
    if label.kind == "boolean":
        if task == "multiclass":
            raise ContractError(f"--task multiclass: {label.name} is true or false; leave --task out")
        return
    if not classes:
        if task == "binary" and label.kind == "number":
            return
        raise ContractError(
            f"label {label.name}: its classes are not known, because no row has one and the field has no choices; "
            "add rows or choices, then run startml again"
        )
    if label.kind == "number" and not label.whole and not {value for value, _ in classes} <= {0, 1}:
        raise ContractError(f"--task {task}: {label.name} has decimals; use --task regression")
    shown = ", ".join(repr(value) for value, _ in classes[:5]) + (", …" if len(classes) > 5 else "")
    if len(classes) > MOST_CLASSES:
        raise ContractError(
            f"label {label.name}: it has more than {MOST_CLASSES} values ({shown}); classes are few. Name another field, "
            "or write an expression in ml.py by hand"
        )
    if task == "binary" and len(classes) != 2:
        raise ContractError(f"--task binary: {label.name} has {len(classes)} values ({shown}), not two")
    if task == "multiclass" and len(classes) < 3:
        kinds = "one value" if len(classes) == 1 else f"{len(classes)} values"
        raise ContractError(
            f"label {label.name}: it has {kinds} ({shown}); a multiclass model has three or more, a binary one two"
        )


def _order(label: Column, value: Any) -> tuple[int, Any]:
    """Choices keep the order that a person gave them; other values are sorted."""
    known = [choice for choice, _ in label.choices]
    return (known.index(value), "") if value in known else (len(known), value)


def _positive_last(classes: Sequence[tuple[Any, str]], values: Sequence[Any]) -> tuple[tuple[Any, str], ...]:
    """Return two classes so that the score is of the one that is asked about: the one so named, else the rarer."""

    def rank(pair: tuple[Any, str]) -> tuple[bool, int]:
        value, name = pair
        named = any(_POSITIVE.fullmatch(text) for text in (str(value), name))
        return named, list(values).index(value) if value in values else len(values)

    return tuple(sorted(classes, key=rank))
