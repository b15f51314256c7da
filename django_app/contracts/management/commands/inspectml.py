from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from django_app.contracts import training_process
from django_app.contracts.training_process import TrainingStoppedError
from hotclub.errors import HotclubError


class Command(BaseCommand):
    help = (
        "Look at a declared model's rows before training: rows, time span, label, nulls, unseen and rare categories, how "
        "well each feature alone predicts the label, leakage, and the splits as they would fall. Nothing is trained."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the model's name, such as arrival_delay")
        parser.add_argument(
            "--html", type=Path, metavar="PATH", help="write a page with plots too; it opens offline"
        )
        parser.add_argument(
            "--sample",
            metavar="N",
            help="read about N rows, chosen by a hash of their key: ever the same ones",
        )
        parser.add_argument("--until", metavar="DAY", help="leave out rows from this UTC day on")
        parser.add_argument("--json", action="store_true", help="print JSON instead of tables")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        given = [
            part
            for name in ("sample", "until")
            if options[name] is not None
            for part in (f"--{name}", str(options[name]))
        ]
        if options["html"] is not None:
            given += ["--html", str(options["html"].resolve())]
        try:
            contract = training_process.compile_named(options["name"])
            with training_process.training(
                contract, connection, "inspect", given, folder=None, progress=self.stderr.write
            ) as finished:
                text = (finished.folder / "inspection.txt").read_text(encoding="utf-8")
                self.stdout.write(json.dumps(finished.result, indent=2) if options["json"] else text)
        except TrainingStoppedError as error:
            raise CommandError(str(error), returncode=error.exit_code) from error
        except HotclubError as error:
            raise CommandError(str(error)) from error
