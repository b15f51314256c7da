"""The contract file: what changes its fingerprint, and what it refuses."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest

from hotclub import contract_files
from hotclub.contract import (
    ModelContract,
    SourceContract,
    SourcePolicy,
    SourceSchema,
    canonical_json,
    from_json,
)
from hotclub.errors import ContractError
from tests.factories import FEATURES, make_contract


def test_json_and_back() -> None:
    """A contract read from its own JSON is equal, fingerprint included."""
    contract = make_contract()
    again = ModelContract.from_json(json.loads(json.dumps(contract.to_json())))
    assert contract == again
    assert contract.fingerprint == again.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"features": (*FEATURES[:1], replace(FEATURES[1], maximum=22.0), *FEATURES[2:])},
        {"horizon_seconds": 7200},
        {"task": "regression"},
        {"features": FEATURES[::-1]},
    ],
)
def test_schema_change_is_another_fingerprint(change: dict[str, object]) -> None:
    """A bound, the horizon, the task and the order of features each name another version."""
    assert make_contract().fingerprint != make_contract(**change).fingerprint


def test_policy_change_keeps_the_fingerprint() -> None:
    """A gate is policy: nothing is retrained for it."""
    assert make_contract().fingerprint == make_contract(gates={"roc_auc": 0.9}).fingerprint


def test_names_of_choices_are_policy_and_come_back_as_pairs() -> None:
    """Another display name retrains nothing; a file without any has no word of them."""
    choices = {"carrier": (("AA", "American"), ("B6", "JetBlue"))}
    contract = make_contract(choices=choices)
    assert contract.fingerprint == make_contract().fingerprint
    again = ModelContract.from_json(json.loads(json.dumps(contract.to_json())))
    assert again.policy.choices == choices
    assert "choices" not in make_contract().to_json()["policy"]


def test_hand_edited_file_is_refused() -> None:
    """A schema part that does not hash to its fingerprint names the contract and says who writes files."""
    data = copy.deepcopy(make_contract().to_json())
    data["schema"]["features"][0]["nullable"] = True
    with pytest.raises(ContractError, match=r"arrival_delay version 1.*makecontracts"):
        from_json(data)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("format", 99, "format 99"),
        ("kind", "table", "unknown kind 'table'"),
        ("policy", None, "arrival_delay"),
        ("policy", {**make_contract().to_json()["policy"], "choices": {"carrier": ["AAA"]}}, "arrival_delay"),
        ("policy", {**make_contract().to_json()["policy"], "choices": []}, "arrival_delay"),
    ],
)
def test_unreadable_parts_are_named(key: str, value: object, words: str) -> None:
    """Another format, an unknown kind and a missing part are ContractErrors that name the contract."""
    data = {**make_contract().to_json(), key: value}
    with pytest.raises(ContractError, match=words):
        from_json(data)


def test_canonical_json_refuses_nan() -> None:
    """NaN has no canonical form."""
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"a": float("nan")})


class TestStore:
    """Files are appended, never changed."""

    def test_new_versions_and_policy_revisions(self, tmp_path: Path) -> None:
        """A second schema is 0002.json, a second policy 0002.policy-0002.json, and reading gives the newest of both."""
        contract_files.write(make_contract(version=1), tmp_path)
        second = make_contract(version=2, horizon_seconds=60)
        contract_files.write(second, tmp_path)
        revised = replace(second, policy=replace(second.policy, gates={"roc_auc": 0.9}), policy_revision=2)
        written = contract_files.write(revised, tmp_path)
        assert written.name == "0002.policy-0002.json"
        assert contract_files.find_model("arrival_delay", [tmp_path]) == revised
        assert [c.version for c in contract_files.read_versions(tmp_path / "arrival_delay")] == [1, 2]

    def test_existing_version_is_not_overwritten(self, tmp_path: Path) -> None:
        """Another schema under a version that is there is refused, and the file stays as it was."""
        path = contract_files.write(make_contract(), tmp_path)
        before = path.read_bytes()
        with pytest.raises(ContractError, match="another schema part"):
            contract_files.write(make_contract(horizon_seconds=60), tmp_path)
        assert path.read_bytes() == before

    def test_broken_file_names_itself(self, tmp_path: Path) -> None:
        """A file that is not JSON is named in the error."""
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "0001.json").write_text("{")
        with pytest.raises(ContractError, match=r"broken/0001\.json"):
            contract_files.find("broken", [tmp_path])

    def test_copied_folder_is_refused(self, tmp_path: Path) -> None:
        """A contract in a folder of another name was moved or copied, and says so."""
        path = contract_files.write(make_contract(), tmp_path)
        path.parent.rename(tmp_path / "other")
        with pytest.raises(ContractError, match="moved or copied"):
            contract_files.find("other", [tmp_path])

    def test_unknown_name_lists_the_known(self, tmp_path: Path) -> None:
        """An unknown contract is answered with those that are there."""
        contract_files.write(make_contract(), tmp_path)
        with pytest.raises(ContractError, match="there are: arrival_delay"):
            contract_files.find("arival_delay", [tmp_path])


def test_policy_about_ambiguous_times_is_written_only_where_it_is_not_the_default() -> None:
    """A source's policy from before there was a choice stays equal, and reads as a warning."""
    schema = SourceSchema("a.B", "a_b", ("id",), None, None, "UTC", ())
    default = SourceContract("s", "a", 1, schema=schema, policy=SourcePolicy(checks=()))
    strict = SourceContract("s", "a", 1, schema=schema, policy=SourcePolicy((), ambiguous_times="critical"))
    assert default.to_json()["policy"] == {"checks": [], "doc": ""}
    assert strict.to_json()["policy"]["ambiguous_times"] == "critical"
    assert default.fingerprint == strict.fingerprint
    for contract in (default, strict):
        assert from_json(json.loads(json.dumps(contract.to_json()))) == contract
