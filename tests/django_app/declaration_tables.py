"""The tables of declared classes, which a test must leave as it found them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hotclub import declarations


@contextmanager
def tables_restored() -> Iterator[None]:
    """Take what is declared in the block out of the tables again."""
    before = dict(declarations.models), dict(declarations.sources), list(declarations.unregistered)
    try:
        yield
    finally:
        for table, kept in zip((declarations.models, declarations.sources), before[:2], strict=True):
            table.clear()
            table.update(kept)
        declarations.unregistered[:] = before[2]
