"""PostgreSQL's own errors, as they reach Django's code."""

from __future__ import annotations

import psycopg


def error_of(error: BaseException) -> psycopg.Error | None:
    """Return psycopg's error: the cause of Django's, or itself where a cursor of psycopg's own raised it."""
    found = error if isinstance(error, psycopg.Error) else error.__cause__
    return found if isinstance(found, psycopg.Error) else None


def sqlstate(error: BaseException) -> str:
    """Return PostgreSQL's code of an error, empty when there is none."""
    found = error_of(error)
    return (found.sqlstate or "") if found is not None else ""
