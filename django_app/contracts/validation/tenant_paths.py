"""The paths from a model to the tenant, by its foreign keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.db import models

_TENANT: Final = "tenants.Tenant"
_DEEPEST: Final = 4
#: The largest number of paths in a message.
_SHOWN: Final = 3


def parents(model: type[models.Model]) -> Iterator[models.ForeignKey[Any, Any]]:
    """Yield the model's foreign keys, those to its own parent tables left out."""
    for field in model._meta.concrete_fields:
        if isinstance(field, models.ForeignKey) and not field.remote_field.parent_link:
            yield field


def tenant_paths(model: type[models.Model]) -> list[tuple[str, bool]]:
    """Return the field paths to the tenant, each with whether a step of it may be null; the best first.

    A path without nulls is better than one with, then a short one than a long one.
    """
    found: list[tuple[str, bool]] = []
    waiting: list[tuple[type[models.Model], str, bool, tuple[str, ...]]] = [(model, "", False, ())]
    while waiting:
        current, path, nullable, seen = waiting.pop(0)
        for field in parents(current):
            parent: type[models.Model] = field.related_model
            step, may_be_null = f"{path}{field.name}", nullable or field.null
            if parent._meta.label == _TENANT:
                found.append((step, may_be_null))
            elif len(seen) + 1 < _DEEPEST and parent._meta.label not in (*seen, model._meta.label):
                waiting.append((parent, f"{step}__", may_be_null, (*seen, parent._meta.label)))
    return sorted(found, key=lambda f: (f[1], f[0].count("__")))


def tenant_fix(model: type[models.Model]) -> str:
    """Return which path to the tenant to write for a model, where it has one; the end of a message."""
    paths = [repr(path) for path, _ in tenant_paths(model)]
    if not paths:
        return f"no foreign keys lead from {model._meta.label} to {_TENANT}, so write None"
    return f"write {' or '.join(paths[:_SHOWN])}, or None"
