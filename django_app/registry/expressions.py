"""Looks into resolved Django expressions for what a feature view may not hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import models
from django.db.models.functions import Extract, Now, Random
from django.db.models.functions.datetime import TruncBase

from hotclub.errors import ContractError


def _walk(node: Any) -> Iterator[Any]:
    yield node
    children = node.get_source_expressions() if hasattr(node, "get_source_expressions") else ()
    for child in children:
        if child is not None:
            yield from _walk(child)
    if isinstance(node, models.sql.Query):
        yield from _walk(node.where)
        for annotation in node.annotations.values():
            yield from _walk(annotation)


def refuse_unstable(node: Any, where: str) -> None:
    """Refuse an expression whose value depends on the session or the moment of reading.

    Args:
        node: a resolved expression or query.
        where: what to name in the message: ``flights.ArrivalDelay.features['hour']``.

    Raises:
        ContractError: a part of a time without an explicit zone, the current time, or a random number.
    """
    for part in _walk(node):
        if isinstance(part, Now | Random):
            raise ContractError(
                f"{where}: {type(part).__name__}() differs at every reading; a view of features must not"
            )
        if isinstance(part, Extract | TruncBase) and part.tzinfo is None:
            inner = part.get_source_expressions()[0]
            if isinstance(inner.output_field, models.DateTimeField):
                raise ContractError(
                    f"{where}: {type(part).__name__} of a time without a zone depends on who asks; "
                    f'write {type(part).__name__}(..., tzinfo=ZoneInfo("…"))'
                )
