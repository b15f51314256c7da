"""``ensure_accounts``: the account that DAGs act as, and the first administrator."""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_app.tenants import selectors
from django_app.tenants.services import administrator_ensure, service_account_ensure
from hotclub import names

VARIABLE = "HOTCLUB_SERVICE_TOKEN"
ADMIN_VARIABLE = "HOTCLUB_ADMIN_PASSWORD"
#: The length of a DRF token's column.
MAX_LENGTH = 40


class Command(BaseCommand):
    """Make the user "airflow" with the token in HOTCLUB_SERVICE_TOKEN, and with HOTCLUB_ADMIN_PASSWORD "admin" too.

    Safe to repeat: what is there stays as people changed it, but for the token. "admin" is made only where no
    other administrator is. What does not work that way is said in lines that begin with "WARNING:".
    """

    help = __doc__

    def add_arguments(self, parser: Any) -> None:
        """Declare ``--username``."""
        parser.add_argument("--username", default="airflow")

    def handle(self, *, username: str, **_: Any) -> None:
        """Create the accounts that are missing."""
        key = os.environ.get(VARIABLE, "")
        if not 20 <= len(key) <= MAX_LENGTH:
            raise CommandError(f"{VARIABLE}: set a random text of 20 to {MAX_LENGTH} characters")
        replaced = selectors.has_other_token(username, key)
        service_account_ensure(username=username, key=key)
        self.stdout.write(f"{username}: the account of DAGs, by token")
        if replaced:
            self.stdout.write(
                f"{names.WARNING}the token of {username} had been changed in Django; it is that of {VARIABLE} again. "
                "To change it, change it there."
            )
        password = os.environ.get(ADMIN_VARIABLE)
        if password and administrator_ensure(username="admin", password=password):
            self.stdout.write("admin: administrator, by password")
        for problem in selectors.account_problems(username):
            self.stdout.write(f"{names.WARNING}{problem}")
