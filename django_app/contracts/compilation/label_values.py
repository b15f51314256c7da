"""What a model predicts: the label's type against the task, and which of its values is which class."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models.expressions import Col
from django.utils import translation
from django.utils.functional import Promise

from django_app.contracts.validation.field_types import NUMBERS, is_foreign_key
from django_app.contracts.validation.shown_values import shown
from django_app.contracts.validation.text_checks import check_text
from hotclub.declarations import MLModel
from hotclub.errors import ContractError

#: A tree is fitted for each class in each round.
_MAX_CLASSES: Final = 1000
_EXAMPLE: Final = "classes = ('no', 'yes')"


@dataclass(frozen=True, slots=True)
class LabelClasses:
    """The classes of a model, in the order of their numbers.

    Attributes:
        names: what they are called; empty where the label stays a number.
        values: the label's value of each, None where the label is the number itself.
    """

    names: tuple[str, ...]
    values: tuple[str | int | bool | uuid.UUID, ...] | None


@dataclass(frozen=True, slots=True)
class _Class:
    """One declared class: a value and its name, or a name alone."""

    value: Any
    name: str
    is_pair: bool


def check_type(task: str, kind: str, node: Any) -> None:
    """Check that a label of a type can be predicted by a task.

    Args:
        task: of the model.
        kind: the type that the label gives.
        node: the resolved label.

    Raises:
        ContractError: it cannot; with what to write instead.
    """
    if kind in ("time", "duration"):
        raise ContractError(
            f'a {kind} is no value for a model; write Extract(..., "epoch"), and say in the doc that it is seconds'
        )
    if kind in ("date", "datetime"):
        raise ContractError(
            f"a {kind} is no value for a model; write a number, such as the time since another: "
            'Extract(F("returned_at") - F("placed_at"), "epoch")'
        )
    if task == "regression" and is_foreign_key(node):
        raise ContractError(
            f"{node.target.name!r} is a foreign key, whose number says nothing of what it names; predict a field of that row, or "
            "name the keys in classes of a multiclass model"
        )
    if task == "regression" and kind not in NUMBERS:
        fix = (
            "set task = 'binary'"
            if kind == "boolean"
            else "write Cast(…, FloatField()) where it holds numbers"
        )
        raise ContractError(f"a regression model predicts a number, and the label is of type {kind}; {fix}")
    if task == "multiclass" and kind == "boolean":
        raise ContractError(
            "the label is true or false, and a multiclass model has three or more classes; set task = 'binary'"
        )
    if kind not in (*NUMBERS, "boolean", "text", "uuid"):
        raise ContractError(
            f"the label is of type {kind}, which names no class; write a condition: Q(…), or Case(When(…, then=Value('a')), …)"
        )


def label_classes(cls: type[MLModel], kind: str, node: Any) -> LabelClasses:
    """Return a model's classes.

    Args:
        cls: the declaration; its task is known to be one.
        kind: the type that the label gives.
        node: the resolved label, whose field may have choices.

    Raises:
        ContractError: the classes do not go with the task, with the label, or with each other.
    """
    declared = _declared(cls.classes)
    if cls.task == "regression":
        if declared:
            raise ContractError("a regression model predicts a number and has no classes; leave it out")
        return LabelClasses((), None)
    if not declared:
        declared = _choices_of(node, kind, cls.task)
    if not declared:
        _require_none(cls.task, "foreign key" if is_foreign_key(node) else kind)
        return LabelClasses((), None)
    _check_count(cls.task, declared)
    values = _values(declared, kind)
    ordered = list(zip((each.name for each in declared), values or [None] * len(declared), strict=True))
    if cls.task == "binary" and values is not None and set(values) == {0, 1}:
        # Whatever the order of declaration: a label of 0 and 1, or of false and true, says itself which is which.
        ordered.sort(key=lambda pair: int(pair[1]))
    names = tuple(name for name, _ in ordered)
    _check_unique(names, "name")
    if values is None:
        return LabelClasses(names, None)
    _check_unique(values, "value")
    return LabelClasses(names, tuple(value for _, value in ordered))


def _declared(classes: Any) -> list[_Class]:
    """Return what is declared: values, pairs of value and name as Django's choices are, or a dict of them."""
    if isinstance(classes, type) and issubclass(classes, enum.Enum) and hasattr(classes, "choices"):
        classes = [pair for pair in classes.choices if pair[0] is not None]
    if isinstance(classes, Mapping):
        classes = list(classes.items())
    if isinstance(classes, str | bytes):
        raise ContractError(f"{shown(classes)} is one text; write a tuple: {_EXAMPLE}")
    if not isinstance(classes, Sequence):
        raise ContractError(
            f"must be a tuple of values, of pairs (value, name), or a dict, not {shown(classes)}: {_EXAMPLE}"
        )
    found = [_class(each) for each in classes]
    if len({each.is_pair for each in found}) > 1:
        raise ContractError(
            "has both values and pairs (value, name); write pairs for all of them, or for none"
        )
    return found


def _class(declared: Any) -> _Class:
    if isinstance(declared, list | tuple):
        if len(declared) != 2 or isinstance(declared[1], list | tuple):
            raise ContractError(f"{shown(declared)} must be a pair of a value and its name")
        return _Class(_value(declared[0]), _name(declared[1]), is_pair=True)
    value = _value(declared)
    return _Class(value, _name(str(value)), is_pair=False)


def _value(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        value = value.value
    if not isinstance(value, str | int | uuid.UUID):
        raise ContractError(
            f"{shown(value)} must be a text, a whole number, True, False or a UUID; null is no class"
        )
    return value


def _name(name: Any) -> str:
    """Return a class's name; of one that is translated later the text that is in the code."""
    if isinstance(name, Promise):
        with translation.override(None):
            name = str(name)
    if not isinstance(name, str) or not name.strip():
        raise ContractError(f"{shown(name)} is the name of a class, and must be a text that is not empty")
    check_text(str(name))
    if name != name.strip():
        raise ContractError(
            f"{shown(name)} is the name of a class and has blanks around it, which nobody sees in an answer; write pairs of the "
            "value and a name without them"
        )
    return str(name)


def choices_of(node: Any) -> list[tuple[Any, str]]:
    """Return the choices of the field that a resolved expression is, each with its name; none for anything else."""
    if not isinstance(node, Col) or is_foreign_key(node):
        return []
    flat = getattr(node.target, "flatchoices", None) or ()
    with translation.override(None):
        return [(getattr(value, "value", value), str(name)) for value, name in flat if value is not None]


def _choices_of(node: Any, kind: str, task: str) -> list[_Class]:
    """Return the classes that a label's field names, where they say what the task needs."""
    choices = choices_of(node)
    if not choices or kind not in ("text", "integer"):
        return []
    if task == "binary" and len(choices) != 2:
        raise ContractError(
            f"a binary model has two classes, and the label's field has {len(choices)} choices; set task = 'multiclass', or let "
            "the label be a condition, such as Q(stars__gte=4)"
        )
    return [_Class(value, _name(name), is_pair=True) for value, name in choices]


def _require_none(task: str, kind: str) -> None:
    if task == "multiclass":
        raise ContractError(
            "a multiclass model names its three or more classes; write the label's values: classes = ('red', 'green', 'blue')"
        )
    if kind in ("text", "uuid", "foreign key"):
        raise ContractError(
            f"the label is a {kind}; name its two values, the one that is predicted last: {_EXAMPLE}"
        )


def _check_count(task: str, declared: Sequence[_Class]) -> None:
    count = len(declared)
    if task == "binary" and count != 2:
        fix = "set task = 'multiclass', or name two" if count > 2 else "name two"
        raise ContractError(f"a binary model has two classes, and {count} are named; {fix}")
    if task == "multiclass" and count < 3:
        fix = "set task = 'binary', or name all of them" if count == 2 else "name all of them"
        raise ContractError(
            f"a multiclass model names its three or more classes, and {count} are named; {fix}"
        )
    if count > _MAX_CLASSES:
        raise ContractError(
            f"{count} classes are more than {_MAX_CLASSES}; group the label's values into fewer"
        )


def _values(declared: Sequence[_Class], kind: str) -> list[Any] | None:
    """Return the label's value of each class, None where the label is the class's number."""
    texts = all(isinstance(each.value, str) for each in declared)
    if texts and not declared[0].is_pair and kind in (*NUMBERS, "boolean"):
        return None
    wanted: dict[str, type] = {"text": str, "integer": int, "boolean": bool, "uuid": uuid.UUID}
    if kind not in wanted:
        raise ContractError(
            f"the label is of type {kind}, whose values name no class; make it a text or whole number: Case(When(…, then=Value('a')), …)"
        )
    return [_of_kind(each.value, kind, wanted[kind]) for each in declared]


def _of_kind(value: Any, kind: str, wanted: type) -> Any:
    if wanted is uuid.UUID and isinstance(value, str):
        try:
            return uuid.UUID(value)
        except ValueError as error:
            raise ContractError(f"{shown(value)} is no UUID, and the label is one") from error
    if isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool)):
        return value
    names = {"text": "a text", "integer": "a whole number", "boolean": "True or False", "uuid": "a UUID"}
    raise ContractError(f"{shown(value)} must be {names[kind]}, as the label is")


def _check_unique(parts: Sequence[Any], what: str) -> None:
    twice = list(dict.fromkeys(part for part in parts if list(parts).count(part) > 1))
    if twice:
        raise ContractError(
            f"the {what} {', '.join(map(shown, twice))} is there twice; each class needs its own"
        )
