"""Which of PostgreSQL's error codes are temporary. Source: PostgreSQL's documentation, appendix A."""

from __future__ import annotations

from typing import Final

#: Classes that have nothing to do with the rows or the statement: connection, rollback by a deadlock or another
#: transaction, resources, an object in use, an operator's doing (a restart, a cancelled statement), the system.
_PASSING: Final = frozenset({"08", "40", "53", "55", "57", "58"})


def passes(state: str) -> bool:
    """Return whether the same statement may succeed later without anybody changing rows, tables or rights."""
    return state[:2] in _PASSING
