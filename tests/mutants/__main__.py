"""Mutation testing within a time limit: ``python -m tests.mutants [MODULE ...]``, which is `make mutants`.

mutmut makes the mutants and runs, for each, the tests that reach the changed function, in a process forked
from one that has imported everything. PostgreSQL and MLflow run once for all of them. When there are more mutants
than time, a random sample with a fixed seed is tried.

Exits 1 when less than `FLOOR` of those tried were noticed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from tests import servers
from tests.live import copy_tree
from tests.mutants import report, results
from tests.mutants.results import Mutant

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "var" / "mutants"
TREE: Final = FOLDER / "tree"
#: Share of the mutants tried that tests must notice, %.
FLOOR: Final = 90
SEED: Final = 5
#: A module whose few mutants are tried while everything is prepared: mutmut has no command that only prepares.
_FIRST: Final = "hotclub.metrics.*"
#: Seconds for starting and ending a mutant's process beside its tests.
_OVERHEAD: Final = 0.7
#: How much of a mutant's tests runs until one fails, on average.
_SHARE: Final = 0.5


def main() -> int:
    """Prepare, sample, run, tell."""
    given = _arguments()
    started = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    TREE.mkdir(parents=True)
    copy_tree(TREE)
    with servers.running(FOLDER / "servers") as file:
        print(f"Servers up, template made: {time.monotonic() - started:.0f} s", flush=True)
        environment = {**os.environ, servers.VARIABLE: str(file)}
        _mutmut(environment, started + given.seconds, "run", "--max-children", str(given.jobs), _FIRST)
        every = [m for m in results.read(TREE) if _wanted(m, given.modules)]
        if not every:
            print(
                f"mutmut prepared nothing for {given.modules or 'the whole list'}; see {FOLDER / 'mutmut.log'}"
            )
            return 1
        left = given.seconds - (time.monotonic() - started)
        chosen = sample(every, left * given.jobs)
        print(
            f"Prepared after {time.monotonic() - started:.0f} s: {len(every)} mutants; "
            f"trying {len(chosen)} of them (seed {SEED}, {left:.0f} s left)",
            flush=True,
        )
        _mutmut(
            environment,
            started + given.seconds,
            "run",
            "--max-children",
            str(given.jobs),
            *(m.name for m in chosen),
        )
    names = {m.name for m in chosen}
    tried = [m for m in results.read(TREE) if m.name in names]
    noticed = report.score(tried)
    print("\n".join(report.summary(tried, TREE)))
    print(
        f"{len(tried)} of {len(every)} mutants in {time.monotonic() - started:.0f} s: "
        f"{noticed:.1f} % noticed (floor {FLOOR} %)"
    )
    return 0 if noticed >= FLOOR else 1


def sample(mutants: list[Mutant], seconds: float) -> list[Mutant]:
    """Return as many mutants as there is time for, drawn at random; always the same ones for the same code.

    Args:
        mutants: all there are.
        seconds: of all processes together.
    """
    order = sorted(mutants, key=lambda mutant: mutant.name)
    random.Random(SEED).shuffle(order)
    chosen, cost = [], 0.0
    for mutant in order:
        cost += _OVERHEAD + _SHARE * mutant.seconds if mutant.reached else 0.0
        if cost > seconds:
            break
        chosen.append(mutant)
    return chosen


def _wanted(mutant: Mutant, modules: list[str]) -> bool:
    return not modules or any(mutant.module == m or mutant.module.startswith(f"{m}.") for m in modules)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "modules", nargs="*", help="such as hotclub.store or hotclub; default: all in pyproject.toml"
    )
    parser.add_argument("--seconds", type=float, default=1200, help="limit of the whole run (default: 1200)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (default: 2)")
    return parser.parse_args()


def _mutmut(environment: dict[str, str], deadline: float, *arguments: str) -> None:
    """Run mutmut in the copy of the tree; at the deadline it is asked to stop, and keeps what it found."""
    command = [sys.executable, str(Path(__file__).with_name("cli.py")), *arguments]
    with (FOLDER / "mutmut.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=TREE, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            process.wait(max(1.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            print("Time is over: stopping", flush=True)
        finally:
            for sign in (signal.SIGINT, signal.SIGKILL):
                if process.poll() is None:
                    os.killpg(process.pid, sign)
                    try:
                        process.wait(20)
                    except subprocess.TimeoutExpired:
                        continue


if __name__ == "__main__":
    sys.exit(main())
