"""Django's ``migrate``, which keeps feature views, or says which it could not keep."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import Error, connections

from django_app.contracts import migrate_hooks, view_problems
from django_app.contracts.usage import contract_usage
from hotclub import names
from hotclub.errors import ContractError


class Command(migrate.Command):
    """Django's own. ``--check`` fails for a missing feature view too; ``--keep-views`` refuses to lose one."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add Hotclub's option to Django's."""
        super().add_arguments(parser)
        parser.add_argument(
            "--keep-views",
            action="store_true",
            help="undo a migration, and exit 1, when it would take away the feature view of a model version that is "
            "newest or in use. Without it the migration is done and the version is named in a warning.",
        )

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run Django's checks, without those of views, and the command."""
        migrate_hooks.running = True
        try:
            return super().execute(*args, **options)
        finally:
            migrate_hooks.running = False

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate. The first error is the one that is raised, even when views fail too."""
        using = options["database"]
        if options.get("keep_views"):
            migrate_hooks.keep_views.add(using)
        try:
            super().handle(*args, **options)
        except (Exception, KeyboardInterrupt):
            self._settle(using)
            raise
        finally:
            migrate_hooks.keep_views.discard(using)
            migrate_hooks.end(using)
        if options.get("check_unapplied"):
            self._require_views()

    def _settle(self, using: str) -> None:
        """After a failure, for which Django sends no signal: report views that earlier migrations dropped."""
        guard = migrate_hooks.end(using)
        if guard is None or not guard.lost:
            return
        try:
            _, found, doubt = migrate_hooks.settle(connections[using], guard)
            migrate_hooks.warn(found, doubt)
        except (ContractError, Error) as error:
            lost = ", ".join(sorted(guard.lost))
            self.stderr.write(f"{names.WARNING}feature views are missing: {lost}\n  {error}")

    def _require_views(self) -> None:
        try:
            used = contract_usage(fresh=True)
            found = view_problems.view_problems(used)
        except ContractError as error:
            raise CommandError(str(error)) from error
        migrate_hooks.warn(found, used.doubt)
        if found:
            sys.exit(1)
