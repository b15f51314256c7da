"""Contract files: ``<app>/contracts/<name>/0001.json``, append-only.

A policy change of version 1 is a file of its own, ``0001.policy-0002.json``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotclub import names
from hotclub.contract import Contract, ModelContract, SourceContract, from_json
from hotclub.errors import ContractError, UnknownContractError

_VERSION = re.compile(r"^(\d{4,})\.json$")
_POLICY = re.compile(r"^(\d{4,})\.policy-(\d{4,})\.json$")


def folders(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the folders that ``HOTCLUB_CONTRACTS`` names in an environment, separated as in PATH; empty parts are nothing."""
    value = environment.get(names.VARIABLE_CONTRACTS, "")
    return [Path(part) for part in value.split(os.pathsep) if part]


def join_folders(roots: Iterable[Path]) -> str:
    """Return the value of ``HOTCLUB_CONTRACTS`` that names these folders."""
    return os.pathsep.join(map(str, roots))


def contract_dirs(roots: Iterable[Path]) -> list[Path]:
    """Return the folder of every contract, by name. One that is broken is in the list too."""
    return sorted(
        (d for root in roots if root.is_dir() for d in root.iterdir() if d.is_dir()), key=lambda d: d.name
    )


def holds_contract(directory: Path) -> bool:
    """Return whether a folder has a file that is named as a contract's: an app may have other folders beside them."""
    return any(_VERSION.match(path.name) or _POLICY.match(path.name) for path in directory.glob("*.json"))


def read_versions(directory: Path) -> list[Contract]:
    """Return every version in a contract's folder, oldest first, each with its newest policy.

    Raises:
        ContractError: a file is not readable as a contract; the message names it.
    """
    contracts = []
    policies = _newest_policies(directory)
    # By number: as text, 10000 comes before 9999.
    numbered = {int(m[1]): p for p in directory.glob("*.json") if (m := _VERSION.match(p.name))}
    for number, path in sorted(numbered.items()):
        data = _read(path)
        if number in policies:
            newest = _read(policies[number])
            data = {**data, "policy": newest.get("policy"), "policy_revision": newest.get("policy_revision")}
        try:
            contract = from_json(data)
        except ContractError as error:
            raise ContractError(f"{path}: {error}") from error
        if contract.name != directory.name or contract.version != number:
            raise ContractError(
                f"{path}: holds {contract.name} version {contract.version}; the file was moved or copied"
            )
        contracts.append(contract)
    return contracts


def _newest_policies(directory: Path) -> dict[int, Path]:
    """Return the file of the newest policy revision of each version that has one."""
    revisions = sorted(
        (int(m[1]), int(m[2]), path)
        for path in directory.glob("*.json")
        if (m := _POLICY.match(path.name)) is not None
    )
    return {version: path for version, _, path in revisions}


def read_newest(directory: Path) -> Contract:
    """Return the newest version in a contract's folder.

    Raises:
        ContractError: there is none, or it cannot be read.
    """
    versions = read_versions(directory)
    if not versions:
        raise ContractError(f"{directory}: no contract file; run makecontracts")
    return versions[-1]


def read_all(roots: Iterable[Path]) -> dict[str, Contract]:
    """Return the newest version of every contract by name.

    Raises:
        ContractError: one cannot be read, or two folders hold a contract of the same name.
    """
    found: dict[str, Contract] = {}
    for directory in contract_dirs(roots):
        if directory.name in found:
            raise ContractError(f"{directory}: another folder has a contract named {directory.name} too")
        found[directory.name] = read_newest(directory)
    return found


@dataclass(frozen=True)
class ReadContracts:
    """What the contract folders hold: the newest version of each contract, and the reasons of the broken ones."""

    contracts: tuple[Contract, ...]
    broken: tuple[str, ...]


def read_readable(roots: Iterable[Path]) -> ReadContracts:
    """Read every contract, each for itself: a broken one does not keep the others. Of two of one name the first counts."""
    contracts: dict[str, Contract] = {}
    broken: list[str] = []
    for directory in contract_dirs(roots):
        if directory.name in contracts:
            broken.append(f"{directory}: another folder has a contract named {directory.name} too")
            continue
        try:
            contracts[directory.name] = read_newest(directory)
        except ContractError as error:
            broken.append(str(error))
    return ReadContracts(tuple(contracts.values()), tuple(broken))


def find(name: str, roots: Iterable[Path]) -> Contract:
    """Return the newest version of one contract.

    Raises:
        ContractError: no folder has it, with the names that are there.
    """
    known = contract_dirs(roots)
    for directory in known:
        if directory.name == name:
            return read_newest(directory)
    listed = ", ".join(d.name for d in known) or f"none; is {names.VARIABLE_CONTRACTS} set?"
    raise UnknownContractError(f"no contract named {name!r}; there are: {listed}")


def find_model(name: str, roots: Iterable[Path]) -> ModelContract:
    """Return the newest version of a model's contract; ContractError when it is a source's or not there."""
    contract = find(name, roots)
    if not isinstance(contract, ModelContract):
        raise UnknownContractError(f"{name} is a source, not a model")
    return contract


def find_source(name: str, roots: Iterable[Path]) -> SourceContract:
    """Return the newest version of a source's contract; ContractError when it is a model's or not there."""
    contract = find(name, roots)
    if not isinstance(contract, SourceContract):
        raise UnknownContractError(f"{name} is a model, not a source")
    return contract


def write(contract: Contract, root: Path) -> Path:
    """Append a contract to its folder and return the file. An existing file is never changed.

    A contract whose version is there already, with the same schema part, is written as a policy revision.
    """
    directory = root / contract.name
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{contract.version:04d}.json"
    content = contract.to_json()
    if path.exists():
        if _read(path)["fingerprint"] != contract.fingerprint:
            raise ContractError(f"{path} exists and has another schema part")
        path = directory / f"{contract.version:04d}.policy-{contract.policy_revision:04d}.json"
        content = {key: content[key] for key in ("name", "version", "policy_revision", "policy")}
    with path.open("x", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ContractError(f"{path}: {error}") from error
    if not isinstance(data, dict):
        raise ContractError(f"{path}: not a JSON object")
    return data
