"""``python -m training``: the steps of a training run, one by one or all in order."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg

from hotclub import store
from hotclub.errors import HotclubError
from training import steps
from training.folder import RunFolder
from training.settings import TrainingSettings

Step = Callable[[steps.Run], dict[str, Any]]
STEPS: dict[str, tuple[Step, str]] = {
    "snapshot": (steps.take_snapshot, "copy the view's labelled rows to Parquet"),
    "fit": (steps.fit, "fit with early stopping and write the model package"),
    "evaluate": (steps.evaluate, "score the newest slice beside baselines and champion, judge by the gates"),
    "register": (steps.register, "register the package in MLflow, as challenger when the gates passed"),
}


def _day(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train a declared model. Reads HOTCLUB_READER_DATABASE_URL, HOTCLUB_MLFLOW_URL, "
        "HOTCLUB_CONTRACTS and HOTCLUB_SNAPSHOTS. The last line of stdout is one JSON object.",
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--model", required=True, help="the contract's name, such as arrival_delay")
    common.add_argument("--run-key", help="names the run; the same key repeats it (default: the time)")
    common.add_argument("--until", type=_day, help="leave out rows from this UTC day on")
    common.add_argument("--stopping-from", type=_day, help="first UTC day of the early-stopping slice")
    common.add_argument("--evaluation-from", type=_day, help="first UTC day of the held-out slice")
    common.add_argument("--without", default="", help="features or groups to leave out, separated by commas")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, text) in STEPS.items():
        commands.add_parser(name, help=text, parents=[common])
    run = commands.add_parser("run", help="all steps in order", parents=[common])
    run.add_argument("--no-register", action="store_true", help="stop after evaluate")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return the exit status."""
    options = _parser().parse_args(arguments)
    # XGBoost's threads, read when its library is loaded: sleep while waiting, others need the cores too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    settings = TrainingSettings()
    started = time.monotonic()
    try:
        contract = store.find_model(options.model, settings.contract_folders)
        key = options.run_key or dt.datetime.now(dt.UTC).strftime("by-hand-%Y%m%dT%H%M%S")
        run = steps.Run(
            settings=settings,
            contract=contract,
            folder=RunFolder.of(settings.snapshots, contract.name, key),
            key=key,
            progress=lambda text: _say(f"[{time.monotonic() - started:6.1f} s] {text}"),
            until=options.until,
            stopping_from=options.stopping_from,
            evaluation_from=options.evaluation_from,
            without=tuple(part for part in options.without.split(",") if part),
        )
        wanted = list(STEPS) if options.command == "run" else [options.command]
        if getattr(options, "no_register", False):
            wanted.remove("register")
        result: dict[str, Any] = {}
        for name in wanted:
            result = STEPS[name][0](run)
            run.progress(f"{name} done, in {run.folder.path}")
    except (HotclubError, psycopg.Error) as error:
        _say(f"training {options.command} {options.model}: {error}")
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
