"""``demo_users``: the people of the demo."""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_app.flights.services.demo_users import demo_users_ensure

VARIABLES = {
    "admin": "HOTCLUB_ADMIN_PASSWORD",
    "engineer": "HOTCLUB_ENGINEER_PASSWORD",
    "owner": "HOTCLUB_OWNER_PASSWORD",
}


class Command(BaseCommand):
    """Make an administrator, an ML engineer and a data owner, with passwords from the environment.

    Those who are there already stay as they are.
    """

    help = __doc__

    def handle(self, **_: Any) -> None:
        """Make who is missing and say what each is for."""
        missing = [name for name in VARIABLES.values() if not os.environ.get(name)]
        if missing:
            raise CommandError(f"set {', '.join(missing)}")
        passwords = {who: os.environ[name] for who, name in VARIABLES.items()}
        made = demo_users_ensure(**passwords)
        for username, purpose in made.items():
            self.stdout.write(f"{username}: {purpose}")
        for username in sorted(set(VARIABLES) - set(made)):
            self.stdout.write(f"{username}: left as it is")
