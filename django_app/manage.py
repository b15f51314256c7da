"""Django's command line: ``python -m django_app.manage <command>``."""

from __future__ import annotations

import sys

from django.core.management import execute_from_command_line

from django_app.config import select_settings


def main() -> None:
    """Run a management command with the settings that ``HOTCLUB_SETTINGS`` names."""
    select_settings()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
