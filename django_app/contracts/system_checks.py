"""What ``manage check`` reports: declarations that could not be registered, and with ``--database default`` feature views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import DEFAULT_DB_ALIAS, DatabaseError

from django_app.contracts import migrate_hooks, view_problems
from django_app.contracts.validation.declaration_problems import label_of
from hotclub import declarations
from hotclub.errors import ContractError


def unregistered_declarations(**kwargs: Any) -> list[checks.CheckMessage]:
    """Warn of each declaration that has no contract name of its own: makecontracts refuses it, everything else goes on."""
    del kwargs
    return [
        checks.Warning(
            f"{label_of(each.cls)}.name: {each.reason}", hint="run makecontracts", id="hotclub.W002"
        )
        for each in declarations.unregistered
    ]


def feature_views(databases: Sequence[str] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Warn of each version that is newest or in use and whose view is missing.

    ``migrate`` runs the checks before it begins, and fixes this problem: it reports views at its end instead.
    """
    del kwargs
    if migrate_hooks.running or DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    try:
        found = view_problems.view_problems()
    except ContractError as error:
        return [checks.Error(str(error), id="hotclub.E001")]
    except DatabaseError:  # before the first migrate there is nothing to look at
        return []
    return [
        checks.Warning(
            f"{p.model_name} version {p.version} has no feature view ({p.view}): {p.reason}. This version {p.needed}.",
            hint=p.fix,
            id="hotclub.W001",
        )
        for p in found
    ]
