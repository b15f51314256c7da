"""What happens to views and contract records around ``migrate``."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from django_app.contracts import feature_views, services
from django_app.contracts.models import ContractVersion
from django_app.contracts.usage import contract_usage
from django_app.contracts.view_guard import ViewGuard
from django_app.contracts.view_problems import ViewProblem, all_versions, problem_of, retired_in_use
from hotclub import declarations, names
from hotclub.contract import Contract, ModelContract
from hotclub.errors import ContractError

#: Databases whose views no migration may take away: those of ``migrate --keep-views``.
keep_views: set[str] = set()
#: Whether this process is in `migrate`, which reports views at its end: the check before it would report an old state.
running = False
_guards: dict[str, ViewGuard] = {}


def before(sender: AppConfig, *, using: str, verbosity: int = 1, **kwargs: Any) -> None:
    """Guard the feature views until `after` or `end`."""
    del sender, kwargs, verbosity
    connection = connections[using]
    if connection.vendor != "postgresql":
        return
    end(using)
    try:
        contracts = all_versions()
    except ContractError as error:
        # A view whose contract cannot be read could be lost and not built again.
        raise CommandError(f"{error}\nNothing was migrated.") from error
    models = [c for c in contracts if isinstance(c, ModelContract)]
    guard = ViewGuard(connection, {feature_views.name_of(c): c for c in models}, _kept(using, contracts))
    _guards[using] = guard
    connection.execute_wrappers.append(guard)


def after(sender: AppConfig, *, using: str, verbosity: int, **kwargs: Any) -> None:
    """Record the contracts, build the views that are missing, and report those that cannot be built."""
    del sender, kwargs
    guard = end(using)
    connection = connections[using]
    _warn_of_retired(connection)
    if not (declarations.models or declarations.sources):
        return
    if connection.vendor != "postgresql":
        raise CommandError("Feature views need PostgreSQL; this database is " + connection.vendor)
    if not _records_are_there(connection):
        print(  # noqa: T201  # migrate prints
            f"{names.WARNING}feature views were not built: the tables of the app contracts are not up to date.\n"
            "  Fix: run migrate without the name of an app.",
            file=sys.stderr,
        )
        return
    try:
        built, problems, doubt = settle(connection, guard)
    except ContractError as error:
        raise CommandError(str(error)) from error
    if built and verbosity:
        print(f"  Feature views built: {', '.join(built)}")  # noqa: T201  # migrate prints
    warn(problems, doubt)


def end(using: str) -> ViewGuard | None:
    """Stop guarding and return the guard, None where there was none."""
    guard = _guards.pop(using, None)
    wrappers = connections[using].execute_wrappers
    if guard is not None and guard in wrappers:
        wrappers.remove(guard)
    return guard


def settle(
    connection: BaseDatabaseWrapper, guard: ViewGuard | None
) -> tuple[list[str], list[ViewProblem], str]:
    """Make records and views as the contract files want them.

    Returns:
        The views that were built; what is wrong with views that are needed; and why the model registry could not be
        asked which are, empty when it was or when nothing depended on it.

    Raises:
        ContractError: a contract file cannot be read, or this login may not make views at all.
    """
    contracts = all_versions()
    services.contracts_record(contracts=contracts)
    feature_views.ensure_schema(connection)
    lost = guard.lost if guard else {}
    there = feature_views.fingerprints(connection)
    missing = [
        c
        for c in contracts
        if isinstance(c, ModelContract) and there.get(feature_views.name_of(c)) != c.fingerprint
    ]
    used = contract_usage(fresh=_depends_on_use(missing, contracts, lost))
    needed = used.needed(contracts)
    wanted = [c for c in missing if c.fingerprint in needed or feature_views.name_of(c) in lost]
    built, broken = feature_views.build(connection, wanted, lost)
    services.view_errors_record(
        reasons={
            c.fingerprint: broken[feature_views.name_of(c)]
            for c in wanted
            if feature_views.name_of(c) in broken
        },
        fine=[c.fingerprint for c in contracts if c not in missing or feature_views.name_of(c) in built],
    )
    problems = [
        problem_of(c, broken[feature_views.name_of(c)], needed[c.fingerprint])
        for c in wanted
        if feature_views.name_of(c) in broken and c.fingerprint in needed
    ]
    return built, problems, used.doubt


def warn(problems: Sequence[ViewProblem], doubt: str) -> None:
    """Print what is wrong on standard error, so that `make up` and a person find it."""
    for problem in problems:
        print(f"{names.WARNING}{problem}", file=sys.stderr)  # noqa: T201  # migrate prints
    if problems and doubt:
        print(  # noqa: T201  # migrate prints
            f"{names.WARNING}the model registry did not say which versions are in use; the last mirrored state is used too.\n"
            f"  {doubt}",
            file=sys.stderr,
        )


def _warn_of_retired(connection: BaseDatabaseWrapper) -> None:
    """Print which contracts without a file are in use; an app may have no declaration left."""
    if connection.vendor != "postgresql" or connection.alias != DEFAULT_DB_ALIAS:
        return
    if not _records_are_there(connection):
        return
    try:
        messages = retired_in_use(all_versions())
    except ContractError:
        return  # the views are not built either, and that error is reported
    for message in messages:
        print(f"{names.WARNING}{message}", file=sys.stderr)  # noqa: T201  # migrate prints


def _records_are_there(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the registry app's own tables have the columns that this code knows: `migrate <app>` may leave them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s)",
            [ContractVersion._meta.db_table, "view_error"],
        )
        return bool(cursor.fetchone()[0])


def _depends_on_use(
    missing: Sequence[ModelContract], contracts: Sequence[Contract], lost: Collection[str]
) -> bool:
    """Return whether it matters who uses what is missing: an older version, or a view that was there once.

    A new version's view is built in any case: then the model registry is not needed.
    """
    newest = {c.name: c for c in contracts}
    broken = set(ContractVersion.objects.exclude(view_error="").values_list("fingerprint", flat=True))
    return any(
        newest[c.name] is not c or feature_views.name_of(c) in lost or c.fingerprint in broken
        for c in missing
    )


def _kept(using: str, contracts: Sequence[Contract]) -> dict[str, str]:
    """Return the views that must not go, each with the reason, for ``--keep-views``."""
    if using not in keep_views or not feature_views.fingerprints(connections[using]):
        return {}
    needed = contract_usage(fresh=True).needed(contracts)
    return {
        feature_views.name_of(c): needed[c.fingerprint]
        for c in contracts
        if isinstance(c, ModelContract) and c.fingerprint in needed
    }
