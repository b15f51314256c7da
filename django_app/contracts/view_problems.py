"""Feature views that are needed and not there: the message about them, the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection as default_connection
from django.db.backends.base.base import BaseDatabaseWrapper

from django_app.conf import hotclub_settings
from django_app.contracts import feature_views
from django_app.contracts.models import ContractVersion
from django_app.contracts.usage import Usage, contract_usage
from hotclub import contract_files, names
from hotclub.contract import Contract, ModelContract

NOT_BUILT = "it was not built yet; run migrate"


@dataclass(frozen=True, slots=True)
class ViewProblem:
    """A contract version whose feature view is needed and missing."""

    model_name: str
    version: int
    view: str
    reason: str
    needed: str
    fix: str

    def __str__(self) -> str:
        """Return the whole story, with the fix on lines of its own."""
        return (
            f"{self.model_name} version {self.version} has no feature view ({self.view}): {self.reason}\n"
            f"  This version {self.needed}. Until it is fixed, its batches and look-ups by key are refused; "
            f"requests that send their features are answered.\n  {self.fix}"
        )


def problem_of(contract: ModelContract, reason: str, needed: str) -> ViewProblem:
    """Return the message about a version whose view is missing."""
    fix = "Fix: run migrate."
    if reason != NOT_BUILT:
        fix = (
            "Fix: restore what is missing with a migration, and run migrate. Or replace this version: change ml.py, run "
            f"makecontracts and migrate, train, move the alias {names.ALIAS_CHAMPION} (and any other) to the new version, "
            "and run migrate again."
        )
    return ViewProblem(contract.name, contract.version, contract.view, reason, needed, fix)


def all_versions() -> list[Contract]:
    """Return every version of every contract, oldest first.

    Raises:
        ContractError: a file cannot be read.
    """
    directories = contract_files.contract_dirs(hotclub_settings.contracts)
    return [contract for directory in directories for contract in contract_files.read_versions(directory)]


def view_problems(used: Usage | None = None) -> list[ViewProblem]:
    """Return the versions that are newest or in use and have no view now.

    Args:
        used: who needs what; what is mirrored when None.

    Raises:
        ContractError: a contract file cannot be read.
    """
    contracts: Sequence[Contract] = all_versions()
    needed = (used or contract_usage(fresh=False)).needed(contracts)
    reasons = dict(ContractVersion.objects.exclude(view_error="").values_list("fingerprint", "view_error"))
    there = feature_views.fingerprints(default_connection)
    return [
        problem_of(c, reasons.get(c.fingerprint, NOT_BUILT), needed[c.fingerprint])
        for c in contracts
        if isinstance(c, ModelContract)
        and c.fingerprint in needed
        and there.get(feature_views.name_of(c)) != c.fingerprint
    ]


def missing_view(contract: ModelContract, connection: BaseDatabaseWrapper = default_connection) -> str:
    """Return why a version's rows cannot be read, empty when they can."""
    if feature_views.fingerprints(connection).get(feature_views.name_of(contract)) == contract.fingerprint:
        return ""
    row = ContractVersion.objects.filter(fingerprint=contract.fingerprint).exclude(view_error="").first()
    reason = row.view_error if row else NOT_BUILT
    return str(problem_of(contract, reason, "is the one that was asked for"))


def retired_in_use(contracts: Sequence[Contract]) -> list[str]:
    """Return a message for each recorded version whose contract file is gone although something still uses it.

    Args:
        contracts: every version that has a file.
    """
    files = [contract.fingerprint for contract in contracts]
    rows = ContractVersion.objects.filter(kind=ContractVersion.Kind.MODEL).exclude(fingerprint__in=files)
    retired = list(rows.order_by("name", "version"))
    used = contract_usage(fresh=False).reasons if retired else {}
    return [
        f"{row.name} version {row.version} has no contract file any more, and {used[row.fingerprint]}: new batches of it are "
        "refused, and migrate no longer keeps its view.\n"
        f"  Fix: remove the aliases of {row.name} in MLflow and let its batches end, or restore the contract's folder."
        for row in retired
        if row.fingerprint in used
    ]
