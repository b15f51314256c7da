from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from django_app.contracts import training_process
from django_app.contracts.training_process import Finished, TrainingStoppedError
from hotclub import names
from hotclub.contract import ModelContract
from hotclub.errors import HotclubError


class Command(BaseCommand):
    help = (
        "Train a declared model here and now: compile ml.py, read the rows of this project's database, fit, and evaluate "
        "beside the baselines. Nothing is registered, and neither a contract file, a view, Airflow nor MLflow is needed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the model's name, such as arrival_delay")
        parser.add_argument(
            "--sample",
            metavar="N",
            help="train on about N rows, chosen by a hash of their key: ever the same ones",
        )
        parser.add_argument("--until", metavar="DAY", help="leave out rows from this UTC day on")
        parser.add_argument(
            "--without", metavar="NAMES", help="features or groups to leave out, separated by commas"
        )
        parser.add_argument(
            "--folder", type=Path, help="keep snapshot, package and plots here; they are deleted by default"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        given = [
            part
            for name in ("sample", "until", "without")
            if options[name] is not None
            for part in (f"--{name}", str(options[name]))
        ]
        try:
            contract = training_process.compile_named(options["name"])
            with training_process.training(
                contract,
                connection,
                "run",
                ["--no-register", *given],
                folder=options["folder"],
                progress=self.stderr.write,
            ) as finished:
                self._show(contract, finished, kept=options["folder"] is not None)
        except TrainingStoppedError as error:
            raise CommandError(str(error), returncode=error.exit_code) from error
        except HotclubError as error:
            raise CommandError(str(error)) from error

    def _show(self, contract: ModelContract, finished: Finished, *, kept: bool) -> None:
        self.stdout.write("")
        self.stdout.write(_aligned((finished.folder / "description.md").read_text(encoding="utf-8")))
        facts = json.loads((finished.folder / "fit.json").read_text(encoding="utf-8"))
        self.stdout.write("")
        self.stdout.write(_importance(facts["importance"]))
        self.stdout.write("")
        self.stdout.write("Next: " + _next(contract, finished.result))
        if kept:
            self.stdout.write(f"Kept in {finished.folder}")


def _aligned(markdown: str) -> str:
    """Return Markdown whose table has columns of equal width, for a terminal."""
    lines = markdown.splitlines()
    cells = {place: line.strip("|").split("|") for place, line in enumerate(lines) if line.startswith("|")}
    rows = {place: [cell.strip() for cell in row] for place, row in cells.items() if "---" not in row[0]}
    if not rows:
        return markdown
    widths = [max(len(cell) for cell in column) for column in zip(*rows.values(), strict=True)]
    shown = []
    for place, line in enumerate(lines):
        if place in rows:
            padded = (cell.ljust(width) for cell, width in zip(rows[place], widths, strict=True))
            shown.append("  " + "  ".join(padded).rstrip())
        elif place not in cells:
            shown.append(line)
    return "\n".join(shown)


def _importance(gains: dict[str, float]) -> str:
    total = sum(gains.values()) or 1.0
    largest = sorted(gains.items(), key=lambda item: item[1], reverse=True)[:5]
    listed = ", ".join(f"{name} {gain / total:.0%}" for name, gain in largest)
    return f"Most used features, by share of the gain: {listed}"


def _next(contract: ModelContract, result: dict[str, Any]) -> str:
    train = (
        f"run makecontracts and migrate, commit the contract file, and train a version with the DAG "
        f"{names.train_dag_id(contract.name)}"
    )
    if result["no_better_than_constant"]:
        return "the model knows no more than a constant: look at label, features and rows with inspectml."
    if result["gates_outcome"] == names.GATES_FAILED:
        return "a gate did not pass: improve the features, or change gates in ml.py."
    if result["gates_outcome"] == names.GATES_NONE:
        metric = contract.policy.metric
        return (
            f'no gate has measured this model. Declare what it must reach, such as gates = {{"{metric}": ...}} (it has '
            f"{result['metrics'].get(metric, float('nan')):.4g}): without, a version serves only when a person gives a "
            f"reason. Then {train}."
        )
    return f"{train}."
