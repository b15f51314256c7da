"""Django's ``migrate``, which leaves no feature view behind when a migration fails."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate

from django_app.registry import migrating


class Command(migrate.Command):
    """Django's own; after a failure, the views that were set aside are built again where that is possible."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate. The first error is the one that is raised, whatever becomes of the views."""
        try:
            super().handle(*args, **options)
        except (Exception, KeyboardInterrupt):
            built, failure = migrating.restore(options["database"])
            if built:
                self.stderr.write(f"The migration failed; feature views are back: {', '.join(built)}")
            if failure:
                self.stderr.write(f"The migration failed, and feature views are missing: {failure}")
            raise
