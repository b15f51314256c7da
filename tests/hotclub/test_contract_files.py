"""Contract files are read by their numbers, however many there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hotclub import contract_files
from hotclub.errors import ContractError
from tests.factories import make_contract


def test_the_newest_policy_revision_counts_by_number(tmp_path: Path) -> None:
    """Revision 10000 is newer than 9999, which comes after it as text; the oldest never counts."""
    contract = make_contract()
    contract_files.write(contract, tmp_path)
    for revision in (2, 9999, 10000):
        policy = replace(contract.policy, gates={"roc_auc": revision / 100000})
        contract_files.write(replace(contract, policy=policy, policy_revision=revision), tmp_path)
    [read] = contract_files.read_versions(tmp_path / contract.name)
    assert (read.policy_revision, read.policy.gates) == (10000, {"roc_auc": 0.1})  # type: ignore[union-attr]


def test_versions_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Version 10000 is there and is the newest."""
    for version in (10000, 2, 9999):
        contract_files.write(make_contract(version=version, horizon_seconds=version), tmp_path)
    found = contract_files.read_versions(tmp_path / "arrival_delay")
    assert [c.version for c in found] == [2, 9999, 10000]
    assert contract_files.read_newest(tmp_path / "arrival_delay").version == 10000


def test_a_revision_belongs_to_its_own_version(tmp_path: Path) -> None:
    """A policy of version 1 does not reach version 2."""
    first, second = make_contract(), make_contract(version=2, horizon_seconds=60)
    contract_files.write(first, tmp_path)
    contract_files.write(second, tmp_path)
    contract_files.write(replace(first, policy_revision=2), tmp_path)
    assert [c.policy_revision for c in contract_files.read_versions(tmp_path / first.name)] == [2, 1]


def test_a_file_that_was_copied_is_refused(tmp_path: Path) -> None:
    """What is in the file and what it is called must agree."""
    path = contract_files.write(make_contract(), tmp_path)
    path.with_name("0003.json").write_bytes(path.read_bytes())
    with pytest.raises(ContractError, match="moved or copied"):
        contract_files.read_versions(path.parent)


def test_an_existing_file_is_never_changed(tmp_path: Path) -> None:
    """Another schema part under a number that is taken is refused; the same revision twice is too."""
    path = contract_files.write(make_contract(), tmp_path)
    before = path.read_bytes()
    with pytest.raises(ContractError, match="another schema part"):
        contract_files.write(make_contract(horizon_seconds=1), tmp_path)
    contract_files.write(replace(make_contract(), policy_revision=2), tmp_path)
    with pytest.raises(FileExistsError):
        contract_files.write(replace(make_contract(), policy_revision=2), tmp_path)
    assert path.read_bytes() == before
