"""Errors of the contract and of rows name the thing and the fix; the words are what a person gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hotclub import contract, contract_files, names, package
from hotclub.contract import ColumnSpec, SourceContract, SourcePolicy, SourceSchema
from hotclub.errors import ContractError, PackageError
from hotclub.feature_validation import feature_errors
from hotclub.predictor import Predictor
from tests.factories import make_contract


def source() -> SourceContract:
    """Return the contract of a source with one column."""
    columns = (ColumnSpec("number", "number", "integer", nullable=False),)
    schema = SourceSchema("shop.Order", "shop_order", ("number",), None, None, "UTC", columns)
    return SourceContract("orders", "shop", 1, schema=schema, policy=SourcePolicy(checks=()))


def test_both_kinds_are_read_by_their_kind() -> None:
    """What was written comes back."""
    for made in (source(), make_contract()):
        assert contract.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": None}, "contract orders: unknown kind None"),
        ({"kind": "other"}, "contract orders: unknown kind 'other'"),
        ({"format": 99}, "contract orders: format 99 is not 1; it was written by another version of Hotclub"),
        ({"policy": None}, "contract orders: no policy"),
        ({"name": None, "kind": None}, "contract ?: unknown kind None"),
        ({"name": None, "format": 99}, "contract ?: format 99 is not 1; it was written by another version of Hotclub"),
    ],
)  # fmt: skip
def test_a_contract_that_cannot_be_read_says_why(change: dict[str, Any], words: str) -> None:
    """The message has the contract's name, or a question mark where it has none. None takes a key away."""
    data = {k: v for k, v in {**source().to_json(), **change}.items() if v is not None}
    with pytest.raises(ContractError) as told:
        contract.from_json(data)
    assert str(told.value) == words


def test_a_contract_changed_by_hand_has_both_fingerprints() -> None:
    """Twelve characters of each, and who writes contract files."""
    data = source().to_json()
    data["schema"]["timezone"] = "Europe/Berlin"
    with pytest.raises(ContractError) as told:
        contract.from_json(data)
    hashed = contract.fingerprint(data["schema"])
    assert str(told.value) == (
        f"contract orders version 1: the fingerprint says {data['fingerprint'][:12]}, the schema part hashes to "
        f"{hashed[:12]}; contract files are written by makecontracts, never by hand"
    )


def test_a_part_of_another_shape_is_told_with_the_name() -> None:
    """Such as a schema that a later version wrote."""
    for name, expected in (("orders", "orders"), (None, r"\?")):
        data = source().to_json()
        data["schema"]["more"] = 1
        data["fingerprint"] = contract.fingerprint(data["schema"])
        data["name"] = name
        if name is None:
            del data["name"]
        with pytest.raises(ContractError, match=f"^contract {expected}: "):
            contract.from_json(data)


def test_a_folder_without_contracts_says_what_makes_them(tmp_path: Path) -> None:
    """With the folder."""
    with pytest.raises(ContractError) as told:
        contract_files.read_newest(tmp_path)
    assert str(told.value) == f"{tmp_path}: no contract file; run makecontracts"


def test_a_views_name_has_schema_model_and_version() -> None:
    """As SQL that people read has it."""
    assert names.qualified_view_name("late", 3) == "features.ml_late_v3"


@pytest.mark.parametrize(
    ("value", "words"),
    [(1, "a number"), ("x", "a text"), ([], "an array"), ({}, "an object"), (1.5, "a number")],
)
def test_a_value_of_another_kind_is_named(value: Any, words: str) -> None:
    """A row of its own has the feature's name alone; a row in a list has its place before it."""
    row = {"carrier": "AA", "hour": 1.0, "holiday": value}
    (error,) = feature_errors(make_contract(), row, "")
    assert (error.field, error.message) == ("holiday", f"must be true or false, not {words}")
    (error,) = feature_errors(make_contract(), row, "instances.3")
    assert error.field == "instances.3.holiday"


def test_an_engines_reason_is_one_line_of_300_characters(small_package: Path) -> None:
    """What it says goes into the page of a model."""

    def engine(model: bytes, threads: int) -> Any:
        raise RuntimeError("x" * 400 + "\nmore")

    with pytest.raises(PackageError) as told:
        Predictor.load(package.read(small_package), engines=[engine])
    reason = str(told.value).rpartition(">: ")[2]
    assert reason == f"RuntimeError: {'x' * 400}"[:300]
