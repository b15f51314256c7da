"""``ensure_accounts``: the account that DAGs act as, and the first administrator."""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_app.tenants.services import service_account_ensure, staff_ensure

VARIABLE = "HOTCLUB_SERVICE_TOKEN"
ADMIN_VARIABLE = "HOTCLUB_ADMIN_PASSWORD"
#: The length of a DRF token's column.
MAX_LENGTH = 40


class Command(BaseCommand):
    """Make the user "airflow" with the token in HOTCLUB_SERVICE_TOKEN, and with HOTCLUB_ADMIN_PASSWORD "admin" too.

    Safe to repeat.
    """

    help = __doc__

    def add_arguments(self, parser: Any) -> None:
        """Declare ``--username``."""
        parser.add_argument("--username", default="airflow")

    def handle(self, *, username: str, **_: Any) -> None:
        """Create or update the account."""
        key = os.environ.get(VARIABLE, "")
        if not 20 <= len(key) <= MAX_LENGTH:
            raise CommandError(f"{VARIABLE}: set a random text of 20 to {MAX_LENGTH} characters")
        service_account_ensure(username=username, key=key)
        self.stdout.write(f"{username}: may act for every tenant, by token")
        if password := os.environ.get(ADMIN_VARIABLE):
            staff_ensure(username="admin", password=password, superuser=True)
            self.stdout.write("admin: administrator, by password")
