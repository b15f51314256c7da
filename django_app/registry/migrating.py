"""What happens to views and contract records around ``migrate``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.management.base import CommandError
from django.db import Error, connections
from django.db.migrations import Migration

from django_app.registry import files, services, views
from hotclub import declarations, names, store
from hotclub.contract import Contract, ModelContract
from hotclub.errors import ContractError

Plan = Sequence[tuple[Migration, bool]]

#: Views that this process has dropped and not built again, by database: what a failed migration leaves open.
_set_aside: dict[str, set[str]] = {}


def before(sender: AppConfig, *, using: str, plan: Plan, verbosity: int, **kwargs: Any) -> None:
    """Drop the feature views when the plan may touch what they read."""
    del sender, kwargs
    connection = connections[using]
    if connection.vendor != "postgresql" or not plan:
        return
    dropped = views.drop_all(connection) if _touched(plan) else set()
    _set_aside[using] = dropped
    if dropped and verbosity:
        print(f"  Feature views set aside while their tables change: {', '.join(sorted(dropped))}")  # noqa: T201  # migrate prints


def after(sender: AppConfig, *, using: str, verbosity: int, **kwargs: Any) -> None:
    """Record the contracts and build the views that are missing."""
    del sender, kwargs
    connection = connections[using]
    if not (declarations.models or declarations.sources):
        return
    if connection.vendor != "postgresql":
        raise CommandError("Feature views need PostgreSQL; this database is " + connection.vendor)
    try:
        contracts = all_versions()
        services.contracts_record(contracts=contracts)
        views.ensure_schema(connection)
        wanted = needed(contracts)
        # From here on the views are accounted for: those that cannot be built are named.
        _set_aside.pop(using, None)
        built = views.build(connection, wanted)
    except ContractError as error:
        raise CommandError(str(error)) from error
    if built and verbosity:
        print(f"  Feature views built: {', '.join(built)}")  # noqa: T201  # migrate prints


def restore(using: str) -> tuple[list[str], str]:
    """Build again what was set aside for a migration that failed: Django sends no ``post_migrate`` then.

    Returns:
        The views that are there again, and why others are not, empty when nothing is missing.
    """
    missing = _set_aside.pop(using, set())
    if not missing:
        return [], ""
    connection = connections[using]
    try:
        known = [c for c in all_versions() if isinstance(c, ModelContract)]
        views.build(connection, [c for c in known if names.view_name(c.name, c.version) in missing])
        failure = ""
    except (ContractError, Error) as error:
        failure = str(error).strip()
    try:
        return sorted(missing & views.existing(connection)), failure
    except Error as error:
        return [], failure or str(error).strip()


def all_versions() -> list[Contract]:
    """Return every version of every contract, oldest first."""
    directories = store.contract_dirs(files.contract_roots())
    return [contract for directory in directories for contract in store.read_versions(directory)]


def needed(contracts: Sequence[Contract]) -> list[ModelContract]:
    """Return the versions whose view must exist: the newest of each model and those still in use."""
    live = services.contract_fingerprints_in_use()
    newest = {c.name: c for c in contracts}
    return [
        c
        for c in contracts
        if isinstance(c, ModelContract) and (newest[c.name] is c or c.fingerprint in live)
    ]


def _touched(plan: Plan) -> bool:
    """Return whether a migration belongs to an app whose tables a view reads, or to none that is known."""
    owner = {m._meta.db_table: m._meta.app_label for m in apps.get_models(include_auto_created=True)}
    try:
        reads = {t for c in all_versions() if isinstance(c, ModelContract) for t in c.schema.view.reads}
    except ContractError as error:
        # A view whose contract cannot be read could be dropped and not built again.
        raise CommandError(f"{error}\nNothing was migrated.") from error
    readers = {owner.get(table) for table in reads}
    return None in readers or any(migration.app_label in readers for migration, _ in plan)
