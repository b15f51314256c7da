"""``python -m training``: the steps of a training run, one by one or all in order."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hotclub import command_result, contract_files, days
from training import parent_watch, steps
from training.failures import Exit, judge
from training.run_folder import RunFolder
from training.settings import TrainingSettings

Step = Callable[[steps.Run], dict[str, Any]]
STEPS: dict[str, tuple[Step, str]] = {
    "snapshot": (steps.take_snapshot, "copy the view's labelled rows to Parquet"),
    "fit": (steps.fit, "fit with early stopping and write the model package"),
    "evaluate": (
        steps.evaluate,
        "score the evaluation split, compare with baselines and champion, check the gates",
    ),
    "register": (steps.register, "register the package in MLflow, as challenger when the gates passed"),
}


def _utc_midnight(text: str) -> dt.datetime:
    return dt.datetime.combine(days.day_argument(text), dt.time(), tzinfo=dt.UTC)


def _positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not number:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train a declared model. Reads HOTCLUB_READER_DATABASE_URL, HOTCLUB_MLFLOW_URL, "
        "HOTCLUB_CONTRACTS and HOTCLUB_SNAPSHOTS. The last line of stdout is one JSON object.",
        epilog="Exit codes: 0 done; 1 PostgreSQL or MLflow is away, run it again; 2 the call, a setting, the contract "
        "or the machine has to be changed; 3 the rows are refused; 4 an unexpected error.",
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--model", required=True, help="the contract's name, such as arrival_delay")
    common.add_argument("--run-key", help="names the run; the same key repeats it (default: the time)")
    common.add_argument("--until", type=_utc_midnight, help="leave out rows from this UTC day on")
    common.add_argument("--stopping-from", type=_utc_midnight, help="first UTC day of the stopping split")
    common.add_argument("--evaluation-from", type=_utc_midnight, help="first UTC day of the evaluation split")
    common.add_argument("--without", default="", help="features or groups to leave out, separated by commas")
    # Runs with one of these are for a laptop, and are never registered.
    common.add_argument(
        "--sample",
        type=_positive,
        metavar="N",
        help="about N rows, chosen by a hash of their key: ever the same ones",
    )
    common.add_argument(
        "--from-declaration", action="store_true", help="read by the contract's own SQL; no view is needed"
    )
    common.add_argument(
        "--no-champion", action="store_true", help="do not compare with the champion; no MLflow is needed"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, text) in STEPS.items():
        commands.add_parser(name, help=text, parents=[common])
    run = commands.add_parser("run", help="all steps in order", parents=[common])
    run.add_argument("--no-register", action="store_true", help="stop after evaluate")
    look = commands.add_parser(
        "inspect",
        help="say what a training would find: rows, labels, features, leakage, splits",
        parents=[common],
    )
    look.add_argument("--html", type=Path, metavar="PATH", help="write a page with plots too")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return the exit status, see `training.failures.Exit`."""
    parent_watch.begin()
    options = _parser().parse_args(arguments)
    # XGBoost's threads, read when its library is loaded: sleep while waiting, others need the cores too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # MLflow's client would wait four minutes for a server that is away: the caller of the step tries again.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    try:
        result = _run(options)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001  # each way to fail has a code; Python's own says "try again"
        code, words = judge(error)
        _say(f"training {options.command} {options.model}: {words}")
        return code
    command_result.give(result)
    return Exit.DONE


def _run(options: argparse.Namespace) -> dict[str, Any]:
    started = time.monotonic()
    settings = TrainingSettings()
    contract = contract_files.find_model(options.model, contract_files.folders())
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
        sample=options.sample,
        from_declaration=options.from_declaration,
        no_champion=options.no_champion,
    )
    if options.command == "inspect":
        return _inspect(run, options.html)
    wanted = list(STEPS) if options.command == "run" else [options.command]
    if getattr(options, "no_register", False):
        wanted.remove("register")
    elif options.command == "run":
        steps.require_registrable(run)  # not after minutes of fitting
    result: dict[str, Any] = {}
    for name in wanted:
        result = STEPS[name][0](run)
        run.progress(f"{name} done, in {run.folder.path}")
    return result


def _inspect(run: steps.Run, page: Path | None) -> dict[str, Any]:
    from training import (  # noqa: PLC0415  # scikit-learn's import takes seconds
        inspection,
        inspection_page,
        inspection_text,
    )

    if page is not None:
        inspection_page.require_file(page)
    found: dict[str, Any] = inspection.inspect(run)
    text = inspection_text.table(found)
    run.folder.write_text("inspection.txt", text)
    print(text)
    if page is not None:
        inspection_page.write(page, found)
        run.progress(f"wrote {page}")
    return found


if __name__ == "__main__":
    sys.exit(main())
