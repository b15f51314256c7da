from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from django_app.contracts import changes, feature_views
from django_app.contracts.validation import pattern_trial, source_checks
from django_app.contracts.validation.declaration_problems import DeclarationError
from hotclub import contract_files, declarations, names
from hotclub.contract import Contract, ModelContract, SourceContract


def _report(error: DeclarationError) -> str:
    count, where = len(error.problems), error.declarations
    problems = "1 problem" if count == 1 else f"{count} problems"
    declared = "1 declaration" if where == 1 else f"{where} declarations"
    return "\n  ".join([f"{problems} in {declared}:", *error.problems])


class Command(BaseCommand):
    help = (
        "Compile the declarations of every app's ml.py into contract files, as makemigrations compiles models. "
        "Files are only ever added: a changed schema is a new version, a changed gate a new policy revision."
    )
    # The models' checks of other apps say nothing about contracts, and --check must not need a database.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="write nothing; exit 1 when something is missing"
        )
        parser.add_argument("--dry-run", action="store_true", help="write nothing; say what would be written")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            pending = changes.pending()
        except DeclarationError as error:
            raise CommandError(_report(error)) from error
        for source in declarations.sources.values():
            for note in source_checks.notes(source):
                self.stdout.write(f"Note: {note}.")
        if not pending:
            count = len(declarations.models) + len(declarations.sources)
            self.stdout.write(f"No changes: {count} contracts agree with their declarations.")
            return
        for change in pending:
            contract = change.contract
            self.stdout.write(f"{contract.app}.{contract.name} version {contract.version}: {change.reason}")
            self._try_out(contract)
            if not options["check"] and not options["dry_run"]:
                self.stdout.write(f"  wrote {contract_files.write(contract, change.root)}")
        if options["check"]:
            self.stderr.write(
                "ml.py and the contract files differ: run makecontracts and commit what it writes."
            )
            sys.exit(1)
        if not options["dry_run"]:
            self.stdout.write("Next: review and commit the files, then run migrate to build the views.")

    def _try_out(self, contract: Contract) -> None:
        """Warn where PostgreSQL would refuse the view; where no database answers there is nothing to say.

        Raises:
            CommandError: a pattern of a check is none to PostgreSQL, whatever migrations wait.
        """
        if isinstance(contract, SourceContract) and (
            refused := list(pattern_trial.refused_patterns(connection, contract))
        ):
            raise CommandError("\n".join(refused))
        if isinstance(contract, ModelContract) and (reason := feature_views.refusal(connection, contract)):
            self.stderr.write(
                f"{names.WARNING}PostgreSQL refuses the view of {contract.name} version {contract.version}: {reason}\n"
                "  Where no waiting migration changes that, change the expression in ml.py: migrate could not build the view."
            )
