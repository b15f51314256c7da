"""Keeps feature views while migrations change the tables below them.

PostgreSQL itself says which view is in the way of which statement, and follows renamed tables and columns. So
nothing is guessed from a migration's operations: a statement that is refused because of feature views is run again
with just these set aside, and they are put back at once, in the same transaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from django_app.contracts import feature_views
from django_app.contracts.feature_views import Definition
from django_app.psycopg_errors import error_of
from hotclub.contract import ModelContract

#: Only such a statement can be in conflict with a view, or take one away.
_CHANGES = re.compile(r"\b(alter|drop)\b", re.IGNORECASE)
#: Runs in no transaction, and touches indexes alone.
_CONCURRENTLY = re.compile(r"\bconcurrently\b", re.IGNORECASE)
#: "cannot alter type of a column used by a view", "other objects depend on it".
_IN_THE_WAY = ("0A000", "2BP01")
_VIEW = re.compile(r"\bml_[a-z0-9_]+_v\d+\b")


class ViewGuard:
    """An execute wrapper of one connection.

    Args:
        connection: the one that migrates.
        contracts: by view, what it is built from where its saved definition no longer fits.
        keep: views that no statement may take away, each with the reason; a statement that would is undone.

    Attributes:
        lost: the views that a statement took away, as they were before it.
    """

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        contracts: Mapping[str, ModelContract],
        keep: Mapping[str, str] | None = None,
    ) -> None:
        self.lost: dict[str, Definition] = {}
        self._connection = connection
        self._contracts = contracts
        self._keep = keep or {}
        self._busy = False

    def __call__(
        self,
        execute: Callable[[Any, Any, bool, Any], Any],
        statement: Any,
        params: Any,
        many: bool,  # noqa: FBT001  # Django calls it so
        context: Any,
    ) -> Any:
        """Execute a statement; see `BaseDatabaseWrapper.execute_wrapper`."""
        text = str(statement)
        if self._busy or not _CHANGES.search(text) or _CONCURRENTLY.search(text):
            return execute(statement, params, many, context)
        self._busy = True
        try:
            before = feature_views.definitions(self._connection)
            return self._through(before, text, lambda: execute(statement, params, many, context))
        finally:
            self._busy = False

    def _through(self, before: dict[str, Definition], text: str, run: Callable[[], Any]) -> Any:
        """Run a statement, with those views set aside that PostgreSQL names."""
        aside: dict[str, Definition] = {}
        while True:
            try:
                with self._transaction(before, aside):
                    for definition in aside.values():
                        feature_views.drop(self._connection, definition)
                    result = run()
                    for name, definition in aside.items():
                        feature_views.put_back(self._connection, definition, self._contracts.get(name))
                    self._note_lost(before, text)
                    return result
            except DatabaseError as error:
                named = _named(error) & (before.keys() - aside.keys())
                if not named:
                    raise
                aside |= {name: before[name] for name in sorted(named)}

    def _transaction(
        self, before: dict[str, Definition], aside: dict[str, Definition]
    ) -> AbstractContextManager[None]:
        """Return a transaction or savepoint where something may have to be undone."""
        if aside or (before and (self._keep or self._connection.in_atomic_block)):
            return transaction.atomic(using=self._connection.alias)
        return nullcontext()

    def _note_lost(self, before: dict[str, Definition], text: str) -> None:
        if not before:
            return
        there = feature_views.fingerprints(self._connection)
        lost = {name: definition for name, definition in before.items() if name not in there}
        for name in sorted(lost.keys() & self._keep.keys()):
            raise CommandError(
                f"Undone, because of --keep-views: {text[:200]}\nIt would take away the feature view {name}, which "
                f"{self._keep[name]}. Migrate without --keep-views to go on without that view."
            )
        self.lost |= lost


def _named(error: DatabaseError) -> set[str]:
    """Return the feature views that PostgreSQL names as the obstacle."""
    cause = error_of(error)
    if cause is None or cause.sqlstate not in _IN_THE_WAY:
        return set()
    return set(_VIEW.findall(f"{cause.diag.message_primary} {cause.diag.message_detail}"))
