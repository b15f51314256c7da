from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.core.management.base import BaseCommand, CommandError
from django.db import models

from django_app.contracts.first_declaration.declaration_text import Declaration, declare
from django_app.contracts.first_declaration.draft import NO_TIME, Seen, look_at, make_draft
from django_app.contracts.first_declaration.ml_file import read_ml_file, write_ml_file
from hotclub.errors import ContractError

_TASKS = ("binary", "multiclass", "regression")


class Command(BaseCommand):
    help = (
        "Look at a model and a sample of its rows, and write a first declaration into the app's ml.py: features with "
        "their types, a likely label and time, and what was left out and why, as comments. It only reads the database."
    )
    # A project that has just been started has warnings of its own, and the database may not be there.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", help="the Django model whose rows are predicted: app.Model")
        parser.add_argument(
            "--label", metavar="FIELD", help="what is predicted; default: the likeliest field"
        )
        parser.add_argument(
            "--time",
            metavar="FIELD",
            help=f"when the predicted thing happens, or {NO_TIME!r}; default: the likeliest field",
        )
        parser.add_argument("--task", choices=_TASKS, help="default: what the label's values are")
        parser.add_argument("--name", metavar="CLASS", help="the class; default: the model and the label")
        # Under two names: `call_command` takes the first one, and `stdout` is its own, for a stream.
        parser.add_argument(
            "--print",
            "--stdout",
            action="store_true",
            dest="print_only",
            help="print the class and write nothing",
        )
        parser.add_argument("--interactive", action="store_true", help="ask for label, time and task")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            model = _model(options["model"])
            app = apps.get_app_config(model._meta.app_label)
            file = read_ml_file(Path(app.path) / "ml.py")
            if not options["print_only"]:
                _require_own(app)
            seen = look_at(model)
            if seen.sample.problem:
                self.stderr.write(
                    f"Written from the fields alone: {seen.sample.problem}\n  If {model._meta.db_table} is to be made by a "
                    "migration, run migrate first: with rows the draft is better."
                )
            elif not seen.sample.rows:
                self.stderr.write(f"Written from the fields alone: {model._meta.db_table} has no rows.")
            wanted = {name: options[name] for name in ("label", "time", "task")}
            if options["interactive"]:
                wanted = self._ask(seen, wanted)
            made = declare(make_draft(seen, **wanted), file, app, options["name"])
            if options["print_only"]:
                self.stdout.write(made.class_text, ending="")
                return
            write_ml_file(file, made.file_text)
        except ContractError as error:
            raise CommandError(str(error)) from error
        self._report(made, file.path)

    def _ask(self, seen: Seen, wanted: dict[str, str | None]) -> dict[str, str | None]:
        """Return what a person answers; an empty line takes what is proposed."""
        labels, times = [c.name for c in seen.labels], [c.name for c in seen.times]
        proposed = {
            "label": wanted["label"] or (labels[0] if labels else ""),
            "time": wanted["time"] or (times[0] if times else NO_TIME),
            "task": wanted["task"] or "",
        }
        others = {
            "label": labels or [c.name for c in seen.columns],
            "time": [*times, NO_TIME],
            "task": list(_TASKS),
        }
        answers: dict[str, str | None] = {}
        for name, default in proposed.items():
            shown = default or ("by its values" if name == "task" else "none is likely")
            try:
                answer = input(f"{name} ({', '.join(others[name])}) [{shown}]: ").strip()
            except EOFError as error:
                raise CommandError(
                    f"--interactive asks, and nobody answers: give --{name} instead"
                ) from error
            answers[name] = answer or default or None
        if answers["task"] is not None and answers["task"] not in _TASKS:
            raise CommandError(f"task: {answers['task']!r} is not one of {', '.join(_TASKS)}")
        return answers

    def _report(self, made: Declaration, path: Path) -> None:
        draft = made.draft
        time = f"at {draft.time.name}" if draft.time else "without a time"
        self.stdout.write(
            f"Wrote {made.class_name} to {path}: {draft.label.name} ({draft.question.task}), {time}, "
            f"{len(draft.features)} features; left out: {len(draft.left_out)}, with the reasons."
        )
        steps = {
            f"inspectml {made.name}": "shows its rows, label and features",
            f"trainml {made.name}": "trains it here and shows how good it is",
            "makecontracts": "writes the contract; review and commit it",
            "migrate": "builds the view that training and serving read",
        }
        width = max(map(len, steps))
        self.stdout.write("Next: read it, and correct what only you can know. Then")
        for step, what in steps.items():
            self.stdout.write(f"  manage.py {step:{width}}  {what}")


def _model(label: str) -> type[models.Model]:
    try:
        return apps.get_model(label)
    except LookupError as error:
        raise CommandError(f"{error} Installed models are named app.Model, such as shop.Order.") from error
    except ValueError as error:
        raise CommandError(f"{label!r} is no model: name it app.Model, such as shop.Order") from error


def _require_own(app: AppConfig) -> None:
    if {"site-packages", "dist-packages"} & set(Path(app.path).parts):
        raise CommandError(
            f"{app.label} is an installed package, whose folder is not yours to write to. Run startml with --stdout, and "
            "put what it prints into the ml.py of an app of yours."
        )
