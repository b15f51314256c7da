"""The whole text of an ``ml.py`` with a first declaration in it, compiled before anyone sees it."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from django.apps import AppConfig

from django_app.contracts.compilation import model_compiler
from django_app.contracts.first_declaration.class_text import class_lines, import_lines
from django_app.contracts.first_declaration.draft import Draft
from django_app.contracts.first_declaration.ml_file import Import, MlFile
from django_app.contracts.first_declaration.model_columns import LeftOut
from django_app.contracts.validation.declaration_problems import DeclarationError
from hotclub import declarations
from hotclub.declarations import snake_case
from hotclub.errors import ContractError

_CLASS_NAME: Final = re.compile(r"^[A-Za-z][A-Za-z0-9_]*$")
_LONGEST: Final = 40


@dataclass(frozen=True)
class Declaration:
    """A first declaration, ready to be written.

    Attributes:
        class_name: the class.
        name: the contract's name.
        draft: what it says.
        file_text: the text of the whole file.
        class_text: the class with all of its imports, for another file.
    """

    class_name: str
    name: str
    draft: Draft
    file_text: str
    class_text: str


def declare(draft: Draft, file: MlFile, app: AppConfig, class_name: str | None) -> Declaration:
    """Return the text of the declaration; a feature that makecontracts refuses is left out with its reason.

    Args:
        draft: what to declare.
        file: where it goes.
        app: whose file that is.
        class_name: how the class is to be called; None for a name made of the model and the label.

    Raises:
        ContractError: the name is taken or no name of a class, or makecontracts refuses the declaration.
    """
    name = class_name or default_name(draft)
    _check_name(name, file)
    while True:
        text, alone = _text(draft, name, file), _text(draft, name, MlFile(file.path))
        refused = _problems(alone, name, f"{app.name}.ml")
        if not refused:
            return Declaration(name, snake_case(name), draft, text, alone)
        draft = _without(draft, refused)


def default_name(draft: Draft) -> str:
    """Return a name made of the model and the label, short enough for a contract."""
    label = "".join(_ascii(part)[:1].upper() + _ascii(part)[1:] for part in draft.label.name.split("_"))
    model = _ascii(draft.seen.model.__name__)
    for name in (f"{model}{label}", label, model):
        if _CLASS_NAME.match(name) and len(snake_case(name)) <= _LONGEST and not keyword.iskeyword(name):
            return name[0].upper() + name[1:]
    return "FirstModel"


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]", "", plain)


def _check_name(name: str, file: MlFile) -> None:
    if not _CLASS_NAME.match(name) or keyword.iskeyword(name) or len(snake_case(name)) > _LONGEST:
        raise ContractError(
            f"--name {name}: a class is named by letters, digits and _, a letter first, and its name in the contract "
            f"({snake_case(name)}) has at most {_LONGEST} characters"
        )
    if name in file.bound_names():
        raise ContractError(
            f"{file.path} has {name} already; nothing was written. Give the class another name: --name"
        )
    known = {**declarations.models, **declarations.sources}.get(snake_case(name))
    if known is not None:
        raise ContractError(
            f"{known.__module__}.{known.__qualname__} is named {snake_case(name)!r} already; nothing was written. "
            "Give the class another name: --name"
        )


def _text(draft: Draft, class_name: str, file: MlFile) -> str:
    bound = file.bound_names() | {class_name}
    missing: dict[Import, str] = {}

    def use(wanted: Import) -> str:
        there = missing.get(wanted) or file.local_name(wanted)
        if there is not None:
            return there
        local = wanted.name
        while local in bound:
            local = f"{wanted.module.split('.')[-1].capitalize()}{local}"
        bound.add(local)
        missing[wanted] = local
        return local

    lines = class_lines(draft, class_name, use)
    return file.with_class(import_lines(missing), lines)


def _problems(text: str, class_name: str, module: str) -> tuple[str, ...]:
    """Return what makecontracts says of a declaration; the class is known to nobody afterwards."""
    with _unregistered():
        namespace: dict[str, Any] = {"__name__": module}
        exec(compile(text, "ml.py", "exec"), namespace)  # noqa: S102  # the text was written here, all values as literals
        try:
            model_compiler.compile_model(namespace[class_name], version=1, policy_revision=1)
        except DeclarationError as error:
            return error.problems
        except ContractError as error:
            return (str(error),)
    return ()


@contextmanager
def _unregistered() -> Iterator[None]:
    before = dict(declarations.models)
    try:
        yield
    finally:
        declarations.models.clear()
        declarations.models.update(before)


def _without(draft: Draft, problems: tuple[str, ...]) -> Draft:
    """Return the draft without the features that have problems.

    Raises:
        ContractError: a problem is about something else, or no feature is left.
    """
    reasons: dict[str, str] = {}
    for problem in problems:
        found = re.search(r"features\[(['\"])(.+?)\1\][.\w]*: *(.+)", problem, re.DOTALL)
        if found is None or found[2] not in {f.name for f in draft.features}:
            raise ContractError(f"makecontracts would refuse the declaration; nothing was written: {problem}")
        reasons[found[2]] = found[3]
    kept = tuple(f for f in draft.features if f.name not in reasons)
    if not kept:
        raise ContractError(
            f"makecontracts would refuse every feature; nothing was written: {'; '.join(problems)}"
        )
    more = [LeftOut(f.column.name, reasons[f.name]) for f in draft.features if f.name in reasons]
    return replace(draft, features=kept, left_out=(*draft.left_out, *more))
