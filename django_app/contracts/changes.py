"""Compares the declarations with the contract files, and appends what is new."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from django_app.conf import contracts_root
from django_app.contracts.compilation import model_compiler, source_compiler
from django_app.contracts.validation.declaration_problems import DeclarationError, Problems
from django_app.contracts.validation.source_checks import check_source
from hotclub import contract_files, declarations
from hotclub.contract import Contract
from hotclub.errors import ContractError

#: A class of an `ml.py`.
Declared: TypeAlias = type[declarations.MLModel] | type[declarations.Source]

#: The reason of a contract that has no file yet.
NEW: Final = "new"


@dataclass(frozen=True)
class Change:
    """A contract file that is not written yet.

    Attributes:
        contract: what would be written.
        root: the ``contracts`` folder of its app.
        reason: why, for a person.
    """

    contract: Contract
    root: Path
    reason: str


def pending() -> list[Change]:
    """Return what ``makecontracts`` would write. Needs no database.

    Raises:
        DeclarationError: declarations cannot be compiled, or contract files cannot be read; with every problem.
    """
    changes: list[Change] = []
    problems: list[str] = []
    wrong = 0
    for cls, reason in _declared():
        found = Problems(cls)
        if reason:
            found.add("name", reason)
        with found.of("name"):
            if issubclass(cls, declarations.Source):
                check_source(cls)
            change = None if reason else _change(cls)
            changes += [] if change is None else [change]
        with found.of("name"):
            if reason:
                _compile(cls, 1, 1)
        problems += found.messages
        wrong += bool(found.messages)
    if problems:
        raise DeclarationError(problems, declarations=wrong)
    return changes


def _declared() -> Iterator[tuple[Declared, str]]:
    """Yield every declared class, and why it could not be registered where it could not."""
    for cls in (*declarations.sources.values(), *declarations.models.values()):
        yield cls, ""  # type: ignore[misc]  # mypy forgets what the two dicts hold when they are joined
    for each in declarations.unregistered:
        yield each.cls, each.reason


def _compile(cls: Declared, version: int, policy_revision: int, *, typed_values: bool = True) -> Contract:
    if issubclass(cls, declarations.MLModel):
        return model_compiler.compile_model(
            cls, version=version, policy_revision=policy_revision, typed_values=typed_values
        )
    return source_compiler.compile_source(cls, version=version, policy_revision=policy_revision)


def _change(cls: Declared) -> Change | None:
    root = contracts_root(model_compiler.app_label_of(cls))
    try:
        written = contract_files.read_versions(root / cls.name)
    except ContractError as error:
        # It names the file, which is what has to be fixed.
        raise DeclarationError([str(error)]) from error
    if not written:
        return Change(_compile(cls, 1, 1), root, NEW)
    newest = written[-1]
    candidate = _compile(cls, newest.version, newest.policy_revision)
    if candidate.fingerprint != newest.fingerprint:
        # A file from before values had types: what is declared has not changed since, and nothing is retrained.
        before = _compile(cls, newest.version, newest.policy_revision, typed_values=False)
        candidate = before if before.fingerprint == newest.fingerprint else candidate
    if candidate.fingerprint != newest.fingerprint:
        return Change(_compile(cls, newest.version + 1, 1), root, _difference(newest, candidate))
    if candidate.to_json()["policy"] != newest.to_json()["policy"]:
        revision = newest.policy_revision + 1
        return Change(_compile(cls, newest.version, revision), root, "policy changed; nothing is retrained")
    return None


def _difference(old: Contract, new: Contract) -> str:
    before, after = old.to_json()["schema"], new.to_json()["schema"]
    parts = [key for key in after if before.get(key) != after[key] and key not in ("features", "view")]
    if "features" in after:
        ours = {f["name"]: f for f in before["features"]}
        theirs = {f["name"]: f for f in after["features"]}
        parts += [f"+{name}" for name in theirs if name not in ours]
        parts += [f"-{name}" for name in ours if name not in theirs]
        parts += [f"~{name}" for name in theirs if name in ours and ours[name] != theirs[name]]
    return "schema changed: " + (", ".join(parts) or "the view's SQL")
