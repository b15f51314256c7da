"""What mutmut wrote down: each mutant, and what came of it."""

from __future__ import annotations

import json
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

#: mutmut's words → ours. A test process that dies has noticed the mutant.
STATUS = {
    "killed": "killed",
    "segfault": "killed",
    "suspicious": "killed",
    "timeout": "timed out",
    "survived": "survived",
    "no tests": "survived",
    "not checked": "not run",
    "check was interrupted by user": "not run",
    "skipped": "not run",
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A small change of a function.

    Attributes:
        name: mutmut's: module, mangled function and number; the number moves when the function changes.
        reached: whether any test does.
    """

    name: str
    status: str
    reached: bool

    @property
    def function(self) -> str:
        """Module and function, as people write them."""
        module, _, mangled = self.name.rpartition(".")
        function = mangled.rpartition("__mutmut_")[0][2:].replace("ǁ", ".")
        return f"{module}.{function}"

    @property
    def module(self) -> str:
        """The module's dotted name."""
        return self.name.rpartition(".")[0]


def read(tree: Path) -> list[Mutant]:
    """Return every mutant below a tree where mutmut ran."""
    folder = tree / "mutants"
    stats_file = folder / "mutmut-stats.json"
    if not stats_file.exists():
        return []
    tests = json.loads(stats_file.read_text())["tests_by_mangled_function_name"]
    found = []
    for meta in sorted(folder.rglob("*.meta")):
        for name, code in json.loads(meta.read_text())["exit_code_by_key"].items():
            reaching = tests.get(name.rpartition("__mutmut_")[0], [])
            found.append(Mutant(name, STATUS.get(status_by_exit_code[code], "not run"), bool(reaching)))
    return found


def difference(tree: Path, mutant: Mutant) -> list[str]:
    """Return the changed lines of a mutant, without their place: ``-old`` and ``+new``."""
    with chdir(tree):
        shown = get_diff_for_mutant(mutant.name, path=Path(mutant.module.replace(".", "/") + ".py"))
    return [
        line[0] + line[1:].strip()
        for line in shown.splitlines()
        if line[:1] in ("-", "+") and line[:3] not in ("---", "+++")
    ]
