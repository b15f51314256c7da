"""Declarations register themselves under a name, once, and checks know their severities."""

from __future__ import annotations

import pytest

from hotclub import declarations
from hotclub.declarations import Check, MLModel, Source
from hotclub.errors import ContractError


@pytest.fixture(autouse=True)
def _tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty tables for each test: those of the process hold the example's declarations."""
    monkeypatch.setattr(declarations, "models", {})
    monkeypatch.setattr(declarations, "sources", {})


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
    type("Orders", (Source,), {"__module__": "shop.ml"})
    with pytest.raises(
        ContractError,
        match=r"other\.ml\.Orders and shop\.ml\.Orders are both named 'orders': set a different",
    ):
        type("Orders", (MLModel,), {"__module__": "other.ml"})


def test_a_module_that_is_imported_again_replaces_its_declaration() -> None:
    """The same module and class is the same declaration."""
    type("Orders", (Source,), {"__module__": "shop.ml"})
    again = type("Orders", (Source,), {"__module__": "shop.ml"})
    assert declarations.sources == {"orders": again}


@pytest.mark.parametrize("name", ["Orders", "1st", "a-b", "a" * 41, ""])
def test_a_name_that_is_no_contract_name_is_refused(name: str) -> None:
    """With the class and the rule; forty characters are the most."""
    if name:
        with pytest.raises(ContractError, match="must be lower case letters"):
            type("Orders", (Source,), {"name": name})
    else:
        assert type("Orders", (Source,), {"name": name}).name == "orders"
    assert type("Longest", (Source,), {"name": "a" * 40}).name == "a" * 40
