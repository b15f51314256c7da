"""mutmut's command line with two changes: functions in a transaction are mutated too, and the order is random.

mutmut leaves decorated functions out, because a decorator may do anything. `transaction.atomic` does not: a
mutant inside is one more savepoint. The services of Django would otherwise be left out.

mutmut begins with the mutants whose tests are quick. A run that a time limit ends would then say nothing of the
slow ones: here the order is drawn, with a fixed seed, so that what was tried is a sample.

This is run as a file, not as a module, so that `tests` is not imported from here.
"""

from __future__ import annotations

import hashlib
import sys

import libcst as cst
from mutmut import __main__ as mutmut
from mutmut.mutation.file_mutation import MutationVisitor

_skip = MutationVisitor._skip_node_and_children
_ATOMIC = "transaction.atomic"
SEED = 5


def place(mutant: str) -> str:
    """Return what a mutant is sorted by: the same for its name in every run, and nothing to do with its tests."""
    return hashlib.sha256(f"{SEED} {mutant}".encode()).hexdigest()


def _skip_but_atomic(self: MutationVisitor, node: cst.CSTNode) -> bool:
    if isinstance(node, cst.FunctionDef) and node.decorators:
        names = {cst.Module([]).code_for_node(each.decorator) for each in node.decorators}
        if names == {_ATOMIC}:
            return _skip(self, node.with_changes(decorators=()))
    return _skip(self, node)


if __name__ == "__main__":
    del sys.path[0]  # this file's folder, whose names are nobody's modules
    MutationVisitor._skip_node_and_children = _skip_but_atomic  # type: ignore[method-assign]
    mutmut.estimated_worst_case_time = place  # type: ignore[assignment]
    mutmut.cli()
