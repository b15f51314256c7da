"""Mutation testing within a time limit: ``python -m tests.mutants [MODULE ...]``, which is `make mutants`.

mutmut makes the mutants and runs, for each, the tests that reach the changed function, in a process forked
from one that has imported everything. PostgreSQL runs once for all of them. The order is random with a
fixed seed, so what was tried when the time is over is a sample; the table says how many were not run.

Exits 1 when less than `FLOOR` of those tried were noticed, and when none was tried.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from tests import servers
from tests.live import copy_tree
from tests.mutants import report, results
from tests.mutants.cli import SEED
from tests.mutants.results import Mutant

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "var" / "mutants"
TREE: Final = FOLDER / "tree"
#: Share of the mutants tried that tests must notice, %.
FLOOR: Final = 90
#: What every process of a run has in its environment.
_MARK: Final = "HOTCLUB_MUTANTS"


def main() -> int:
    """Prepare, sample, run, tell."""
    given = _arguments()
    started = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    TREE.mkdir(parents=True)
    copy_tree(TREE)
    names = ["run", "--max-children", str(given.jobs), *(f"{module}.*" for module in given.modules)]
    if given.fast:
        _mutmut({"PYTEST_ADDOPTS": "-m fast"}, started + given.seconds, *names)
    else:
        with servers.running(FOLDER / "servers") as file:
            print(f"PostgreSQL up, template made: {time.monotonic() - started:.0f} s", flush=True)
            _mutmut({servers.VARIABLE: str(file)}, started + given.seconds, *names)
    mutants = [m for m in results.read(TREE) if _wanted(m, given.modules)]
    tried = [m for m in mutants if m.status != "not run"]
    if not tried:
        print(f"Nothing was tried; the end of {FOLDER / 'mutmut.log'} says why")
        return 1
    noticed = report.score(mutants)
    print("\n".join(report.summary(mutants, TREE)))
    print(
        f"{len(tried)} of {len(mutants)} mutants tried in {time.monotonic() - started:.0f} s (seed {SEED}): "
        f"{noticed:.1f} % noticed (floor {FLOOR} %)"
    )
    return 0 if noticed >= FLOOR else 1


def _wanted(mutant: Mutant, modules: list[str]) -> bool:
    return not modules or any(mutant.module == m or mutant.module.startswith(f"{m}.") for m in modules)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "modules", nargs="*", help="such as hotclub.contract_files or hotclub; default: all in pyproject.toml"
    )
    parser.add_argument("--seconds", type=float, default=1200, help="limit of the whole run (default: 1200)")
    parser.add_argument(
        "--fast", action="store_true", help="with tests that need no server alone: a quick look"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (default: 2)")
    return parser.parse_args()


def _mutmut(environment: dict[str, str], deadline: float, *arguments: str) -> None:
    """Run mutmut in the copy of the tree; at the deadline it is asked to stop, and keeps what it found."""
    command = [sys.executable, str(Path(__file__).with_name("cli.py")), *arguments]
    with (FOLDER / "mutmut.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=TREE,
            env={**os.environ, **environment, _MARK: str(FOLDER)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            process.wait(max(1.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            print("Time is over: stopping", flush=True)
        finally:
            # Asked alone, mutmut ends its workers; whoever is left of its session after that is ended.
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(30)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            _end_strays()


def _end_strays() -> None:
    """End what tests of a mutant had started when it was ended at its time limit: each is in a session of its own."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(_MARK) == str(FOLDER) and process.pid != os.getpid():
                process.kill()


if __name__ == "__main__":
    sys.exit(main())
