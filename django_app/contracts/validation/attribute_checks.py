"""The attributes of a declaration as a class has them: its own, and those of the classes that it inherits from."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from django_app.contracts.validation.declaration_problems import Problems
from django_app.contracts.validation.shown_values import shown
from django_app.contracts.validation.text_checks import check_text


def check_readable(cls: type, base: type, problems: Problems) -> None:
    """Note each attribute that raises when it is read.

    Raises:
        DeclarationError: there are some; nothing else can be said of the declaration then.
    """
    for name in base.__annotations__:
        with problems.of(name):
            getattr(cls, name, None)
    problems.raise_any()


def check_attributes(cls: type, base: type, required: Iterable[str], problems: Problems) -> None:
    """Note what is missing, what is no setting, and what a class that stands after the base would have said.

    Args:
        cls: the declaration.
        base: `MLModel` or `Source`.
        required: the settings without a default.
        problems: where to note.
    """
    for name in required:
        if not hasattr(cls, name):
            problems.add(name, f"is missing; {_missing_hint(cls, base, name)}")
    known = set(base.__annotations__)
    before = [each for each in cls.__mro__ if each not in base.__mro__]
    for name in dict.fromkeys(name for each in before for name in vars(each)):
        if not name.startswith("_") and name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
            problems.add(name, f"is not a setting of {base.__name__}; {hint}")
    for each in cls.__mro__[cls.__mro__.index(base) + 1 :] if base in cls.__mro__ else ():
        _note_hidden(cls, base, each, problems)
    doc: Any = cls.__doc__
    if doc is not None and not isinstance(doc, str):
        problems.add("__doc__", f"{shown(doc)} must be a text")
    elif doc is not None:
        with problems.of("__doc__"):
            check_text(doc)


def _missing_hint(cls: type, base: type, name: str) -> str:
    children: list[type] = cls.__subclasses__()
    if children:
        child = children[0].__name__
        return (
            f"set it; or, where {cls.__name__} only holds what others share, write it without {base.__name__}: "
            f"class {cls.__name__}, and class {child}({cls.__name__}, {base.__name__})"
        )
    return "set it to a field path, or to None where rows have no time" if name == "event_time" else "set it"


def _note_hidden(cls: type, base: type, other: type, problems: Problems) -> None:
    """Note the settings of a class after the base: the base's own defaults would win."""
    for name in vars(other):
        if name in base.__annotations__ and name in vars(base):
            problems.add(
                name,
                f"{other.__name__} stands after {base.__name__}, whose default wins; exchange them: "
                f"class {cls.__name__}({other.__name__}, {base.__name__})",
            )
