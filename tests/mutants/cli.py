"""mutmut's command line, with one exception of its own taken back: functions in a transaction are mutated too.

mutmut leaves decorated functions out, because a decorator may do anything. `transaction.atomic` does not: a
mutant inside is one more savepoint. The services of Django would otherwise be left out. It is run as a file, not as
a module, so that `tests` is not imported from here.
"""

from __future__ import annotations

import sys

import libcst as cst
from mutmut.__main__ import cli
from mutmut.mutation.file_mutation import MutationVisitor

_skip = MutationVisitor._skip_node_and_children
_ATOMIC = "transaction.atomic"


def _skip_but_atomic(self: MutationVisitor, node: cst.CSTNode) -> bool:
    if isinstance(node, cst.FunctionDef) and node.decorators:
        names = {cst.Module([]).code_for_node(each.decorator) for each in node.decorators}
        if names == {_ATOMIC}:
            return _skip(self, node.with_changes(decorators=()))
    return _skip(self, node)


if __name__ == "__main__":
    del sys.path[0]  # this file's folder, whose names are nobody's modules
    MutationVisitor._skip_node_and_children = _skip_but_atomic  # type: ignore[method-assign]
    cli()
