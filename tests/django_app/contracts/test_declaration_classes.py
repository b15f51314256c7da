"""Declarations as Python classes: what several share, what hides what, and attributes that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from django_app.contracts.compilation.model_compiler import compile_model
from django_app.contracts.validation.declaration_problems import DeclarationError
from django_app.contracts.validation.source_checks import check_source
from hotclub import declarations
from hotclub.declarations import MLModel, Number, Source
from tests.django_app.contracts import declared
from tests.django_app.contracts.cases.tables import Order
from tests.django_app.declaration_tables import tables_restored

MODEL: Final = {
    "rows": Order.objects.all(),
    "event_time": None,
    "label": "gift",
    "task": "binary",
    "metric": "roc_auc",
    "features": {"total": Number("total")},
}
SOURCE: Final = {"model": Order, "natural_key": ("number",), "columns": {"number": "number"}}


@pytest.fixture(autouse=True)
def _declared() -> Iterator[None]:
    with tables_restored():
        yield


class _Raises:
    """An attribute that raises when it is read."""

    def __get__(self, instance: object, owner: type) -> Any:
        raise ValueError("not now")


def _class(class_name: str, bases: tuple[type, ...], /, **body: Any) -> Any:
    return type(class_name, bases, {"__module__": declared.MODULE, **body})


def _problems(cls: Any) -> list[str]:
    try:
        if issubclass(cls, Source):
            check_source(cls)
        else:
            compile_model(cls, version=1, policy_revision=1)
    except DeclarationError as error:
        return [problem.removeprefix(f"{declared.MODULE}.") for problem in error.problems]
    return []


def test_what_several_declarations_share_stands_in_a_class_of_its_own() -> None:
    """Also their name, though two of one name are still one too many."""
    common = _class("Common", (), timezone="Europe/Berlin", metric="accuracy", name="shared")
    first = _class("First", (common, MLModel), **{k: v for k, v in MODEL.items() if k != "metric"})
    contract = compile_model(first, version=1, policy_revision=1)
    assert (contract.name, contract.schema.timezone, contract.policy.metric) == (
        "shared", "Europe/Berlin", "accuracy",
    )  # fmt: skip
    second = _class("Second", (common, MLModel), **MODEL)
    assert [each.cls for each in declarations.unregistered] == [second]
    third = _class("Third", (first,), label="returned")
    assert third.name == "third"
    assert compile_model(third, version=1, policy_revision=1).schema.timezone == "Europe/Berlin"


@pytest.mark.parametrize(("base", "body"), [(MLModel, MODEL), (Source, SOURCE)])
def test_a_typing_error_in_a_shared_class_is_one_in_the_declaration(base: type, body: dict[str, Any]) -> None:
    """It would have been ignored without a word."""
    common = _class("Common", (), time_zone="Europe/Berlin", _cache=1)
    (problem, *_) = _problems(_class("First", (common, base), **body))
    assert problem == f"First.time_zone: is not a setting of {base.__name__}; did you mean 'timezone'?"


@pytest.mark.parametrize(("base", "body"), [(MLModel, MODEL), (Source, SOURCE)])
def test_a_shared_class_after_the_base_would_say_nothing(base: type, body: dict[str, Any]) -> None:
    """Python takes the first value that it finds, and that is the base's default."""
    common = _class("Common", (), timezone="Europe/Berlin")
    (problem, *_) = _problems(_class("First", (base, common), **body))
    assert problem == (
        f"First.timezone: Common stands after {base.__name__}, whose default wins; exchange them: "
        f"class First(Common, {base.__name__})"
    )


def test_a_base_that_is_a_declaration_itself_is_told_how_not_to_be_one() -> None:
    """It lacks what only its children have."""
    base = _class("Base", (MLModel,), task="binary", metric="roc_auc", event_time=None, label="gift")
    assert _problems(base) == ["Base.rows: is missing; set it", "Base.features: is missing; set it"]
    child = _class("Child", (base,), rows=MODEL["rows"], features=MODEL["features"])
    assert _problems(child) == []
    hint = (
        "is missing; set it; or, where Base only holds what others share, write it without MLModel: class Base, and "
        "class Child(Base, MLModel)"
    )
    assert _problems(base) == [f"Base.rows: {hint}", f"Base.features: {hint}"]


@pytest.mark.parametrize("attribute", [name for name in MLModel.__annotations__ if name != "name"])
def test_an_attribute_of_a_model_that_raises_is_named(attribute: str) -> None:
    """One problem, and no traceback."""
    cls = _class("First", (MLModel,), **MODEL | {attribute: _Raises()})
    assert _problems(cls) == [f"First.{attribute}: ValueError: not now"]


@pytest.mark.parametrize("attribute", [name for name in Source.__annotations__ if name != "name"])
def test_an_attribute_of_a_source_that_raises_is_named(attribute: str) -> None:
    """The same for sources."""
    cls = _class("First", (Source,), **SOURCE | {attribute: _Raises()})
    assert _problems(cls) == [f"First.{attribute}: ValueError: not now"]


def test_what_a_class_has_for_itself_is_no_setting() -> None:
    """A method, a nested class and a property are named; Python's own attributes are not."""
    cls = _class("First", (MLModel,), **MODEL, helper=lambda self: 1, Meta=type("Meta", (), {}), __slots__=())
    assert [problem.split(";")[0] for problem in _problems(cls)] == [
        "First.helper: is not a setting of MLModel", "First.Meta: is not a setting of MLModel",
    ]  # fmt: skip
    (problem,) = _problems(_class("Second", (MLModel,), **MODEL | {"label": property(lambda self: "gift")}))
    assert problem.startswith(
        "Second.label: must be a field path or a Django expression, not an object of property"
    )
