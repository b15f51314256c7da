"""Feature views that are needed and not there: what a person is told, everywhere in the same words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection as default_connection
from django.db.backends.base.base import BaseDatabaseWrapper

from django_app.registry import files, usage, views
from django_app.registry.models import ContractVersion
from hotclub import names, store
from hotclub.contract import Contract, ModelContract

NOT_BUILT = "it was not built yet; run migrate"


@dataclass(frozen=True, slots=True)
class ViewProblem:
    """A contract version whose feature view is needed and missing."""

    model: str
    version: int
    view: str
    reason: str
    needed: str
    fix: str

    def __str__(self) -> str:
        """Return the whole story, with the fix on lines of its own."""
        return (
            f"{self.model} version {self.version} has no feature view ({self.view}): {self.reason}\n"
            f"  This version {self.needed}. Until it is fixed, its batches and look-ups by key are refused; "
            f"requests that send their features are answered.\n  {self.fix}"
        )


def problem_of(contract: ModelContract, reason: str, needed: str) -> ViewProblem:
    """Return what to tell of a version whose view is missing."""
    fix = "Fix: run migrate."
    if reason != NOT_BUILT:
        fix = (
            "Fix: bring back what is missing with a migration, and run migrate. Or leave this version: change ml.py, run "
            f"makecontracts and migrate, train, move the alias {names.ALIAS_CHAMPION} (and any other) to the new version, "
            "and run migrate again."
        )
    return ViewProblem(contract.name, contract.version, contract.view, reason, needed, fix)


def all_versions() -> list[Contract]:
    """Return every version of every contract, oldest first.

    Raises:
        ContractError: a file cannot be read.
    """
    directories = store.contract_dirs(files.contract_roots())
    return [contract for directory in directories for contract in store.read_versions(directory)]


def view_problems(used: usage.Usage | None = None) -> list[ViewProblem]:
    """Return the versions that are newest or in use and have no view now.

    Args:
        used: who needs what; what is mirrored when None.

    Raises:
        ContractError: a contract file cannot be read.
    """
    contracts: Sequence[Contract] = all_versions()
    needed = (used or usage.of_mirror()).needed(contracts)
    reasons = dict(ContractVersion.objects.exclude(view_error="").values_list("fingerprint", "view_error"))
    there = views.fingerprints(default_connection)
    return [
        problem_of(c, reasons.get(c.fingerprint, NOT_BUILT), needed[c.fingerprint])
        for c in contracts
        if isinstance(c, ModelContract)
        and c.fingerprint in needed
        and there.get(views.name_of(c)) != c.fingerprint
    ]


def missing_view(contract: ModelContract, connection: BaseDatabaseWrapper = default_connection) -> str:
    """Return why a version's rows cannot be read, empty when they can."""
    if views.fingerprints(connection).get(views.name_of(contract)) == contract.fingerprint:
        return ""
    row = ContractVersion.objects.filter(fingerprint=contract.fingerprint).exclude(view_error="").first()
    reason = row.view_error if row else NOT_BUILT
    return str(problem_of(contract, reason, "is the one that was asked for"))
