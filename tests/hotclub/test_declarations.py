"""Declarations register themselves under a name, once, and checks know their severities."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from hotclub import declarations
from hotclub.declarations import Check, MLModel, Number, Source, Unusable


@pytest.fixture(autouse=True)
def _tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty tables for each test: those of the process hold the example's declarations."""
    monkeypatch.setattr(declarations, "models", {})
    monkeypatch.setattr(declarations, "sources", {})
    monkeypatch.setattr(declarations, "unregistered", [])


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_a_check_takes_the_three_severities(severity: declarations.Severity) -> None:
    """With its arguments apart."""
    check = Check("ExpectX", column="distance", severity=severity)
    assert (check.expectation, check.severity, check.arguments) == (
        "ExpectX",
        severity,
        {"column": "distance"},
    )


def test_a_check_is_critical_unless_it_says_otherwise() -> None:
    """It is data: what is no severity is held as it is, and makecontracts says so; an import must not fail."""
    assert Check("ExpectX").severity == "critical"
    held = Check(int, "loose", severity="fatal", column=3)
    assert (held.expectation, held.unnamed, held.severity, held.arguments) == (
        int, ("loose",), "fatal", {"column": 3},
    )  # fmt: skip


def test_a_declaration_is_found_under_its_contract_name() -> None:
    """Models and sources apart; a `name` of one's own is taken."""
    late = type("LateOrder", (MLModel,), {})
    orders = type("Orders", (Source,), {"name": "shop_orders"})
    assert declarations.models == {"late_order": late}
    assert declarations.sources == {"shop_orders": orders}
    assert (late.name, orders.name) == ("late_order", "shop_orders")


def test_two_declarations_of_one_name_are_both_named() -> None:
    """A source and a model share the names, since their DAGs do."""
    orders = type("Orders", (Source,), {"__module__": "shop.ml"})
    second = type("Orders", (MLModel,), {"__module__": "other.ml"})
    (unregistered,) = declarations.unregistered
    assert unregistered.cls is second
    assert unregistered.reason == (
        "other.ml.Orders and shop.ml.Orders are both named 'orders': set a different `name` on one of them"
    )
    assert (declarations.sources, declarations.models) == ({"orders": orders}, {})


def test_two_classes_of_one_name_in_one_module_are_both_kept() -> None:
    """Python would forget the first without a word."""
    first = type("Orders", (Source,), {"__module__": __name__})
    second = type("Orders", (Source,), {"__module__": __name__})
    (unregistered,) = declarations.unregistered
    assert unregistered.cls is second
    assert "declares two classes Orders; call one of them something else" in unregistered.reason
    assert declarations.sources == {"orders": first}


def test_a_module_that_is_imported_again_takes_its_problems_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is declared now counts."""
    module = SimpleNamespace(__spec__=object())
    monkeypatch.setitem(sys.modules, "shop.ml", module)  # type: ignore[arg-type]
    type("Orders", (Source,), {"__module__": "shop.ml", "name": "No Name"})
    assert len(declarations.unregistered) == 1
    module.__spec__ = object()
    again = type("Orders", (Source,), {"__module__": "shop.ml"})
    assert declarations.unregistered == []
    assert declarations.sources == {"orders": again}


def test_a_feature_with_arguments_that_do_not_exist_is_kept_with_the_reason() -> None:
    """The module can be imported, and makecontracts reports it."""
    feature: Any = Number("total", maxmum=3)  # type: ignore[call-arg]
    assert isinstance(feature, Unusable)
    assert "Number() got an unexpected keyword argument 'maxmum'" in feature.reason
    assert "missing 1 required positional argument" in Number().reason  # type: ignore[call-arg, attr-defined]


def test_class_keywords_are_kept_with_the_reason() -> None:
    """A class statement never raises."""
    made = type("Orders", (Source,), {}, abstract=True)
    (unregistered,) = declarations.unregistered
    assert unregistered.cls is made
    assert (
        unregistered.reason
        == "abstract: a declaration takes no keywords; write them as attributes in its body, and what several share into a class "
        "without MLModel or Source"
    )


def test_a_module_that_is_imported_again_replaces_its_declaration() -> None:
    """The same module and class is the same declaration."""
    type("Orders", (Source,), {"__module__": "shop.ml"})
    again = type("Orders", (Source,), {"__module__": "shop.ml"})
    assert declarations.sources == {"orders": again}


@pytest.mark.parametrize("name", ["Orders", "1st", "a-b", "a" * 41, "orders\n", 3, ["a"], ""])
def test_a_name_that_is_no_contract_name_is_refused(name: Any) -> None:
    """With the class and the rule; forty characters are the most."""
    if name:
        made = type("Orders", (Source,), {"name": name})
        (unregistered,) = declarations.unregistered
        assert unregistered.cls is made
        assert "must be lower case letters" in unregistered.reason
        assert declarations.sources == {}
    else:
        assert type("Orders", (Source,), {"name": name}).name == "orders"
    assert type("Longest", (Source,), {"name": "a" * 40}).name == "a" * 40
