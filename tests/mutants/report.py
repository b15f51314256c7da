"""One table of a mutation run, and its survivors, those with a kept reason apart."""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutants import results
from tests.mutants.results import Mutant

ACCEPTED: Final = Path(__file__).with_name("accepted.toml")
STATUSES: Final = ("killed", "survived", "timed out", "not run")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A survivor that stays, by its function and the change, and why."""

    function: str
    change: tuple[str, ...]
    reason: str


def accepted(path: Path = ACCEPTED) -> list[Accepted]:
    """Return the survivors that stay.

    Raises:
        ValueError: an entry has no reason.
    """
    entries = tomllib.loads(path.read_text()).get("mutant", [])
    for entry in entries:
        if not str(entry.get("reason", "")).strip():
            raise ValueError(f"{path}: the mutant of {entry.get('function')} has no reason")
    return [Accepted(e["function"], tuple(e["change"]), e["reason"]) for e in entries]


def score(mutants: list[Mutant]) -> float:
    """Return the share of the mutants that ran and were noticed, %; a test that never ends has noticed."""
    counts = Counter(mutant.status for mutant in mutants)
    ran = len(mutants) - counts["not run"]
    return 100 * (counts["killed"] + counts["timed out"]) / ran if ran else 0.0


def table(mutants: list[Mutant]) -> list[str]:
    """Return the lines of the table, one a module."""
    lines = [f"{'module':<36}" + "".join(f"{status:>10}" for status in STATUSES) + f"{'noticed':>10}"]
    modules = sorted({mutant.module for mutant in mutants})
    rows = [(module, [m for m in mutants if m.module == module]) for module in modules]
    for name, members in [*rows, ("all", mutants)]:
        counts = Counter(mutant.status for mutant in members)
        lines.append(
            f"{name:<36}"
            + "".join(f"{counts[status]:>10}" for status in STATUSES)
            + f"{score(members):>9.1f}%"
        )
    return lines


def summary(mutants: list[Mutant], tree: Path) -> list[str]:
    """Return the survivors without a reason, the table, and what stands below it.

    Args:
        mutants: those that were drawn.
        tree: where mutmut ran.
    """
    known = {(entry.function, entry.change) for entry in accepted()}
    survivors = [(m, tuple(results.difference(tree, m))) for m in mutants if m.status == "survived"]
    lines = []
    with_reason = 0
    for mutant, change in survivors:
        if (mutant.function, change) in known:
            with_reason += 1
            continue
        lines += ["", mutant.function + ("" if mutant.reached else "  (no test reaches it)")]
        lines += [f"    {line}" for line in change]
    told = f"{len(survivors)} survived, {with_reason} of them with a reason in {ACCEPTED.name}"
    return [*lines, "", *table(mutants), "", told]
