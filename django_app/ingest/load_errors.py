"""Which failures of PostgreSQL are temporary, and messages for the others."""

from __future__ import annotations

import psycopg
from django.db import InterfaceError, OperationalError

from django_app.psycopg_errors import error_of, sqlstate
from hotclub.sqlstate import passes as state_passes

_MAX_LENGTH = 500


def passes(error: BaseException) -> bool:
    """Return whether the same statement may succeed later without anybody changing rows, tables or rights."""
    state = sqlstate(error)
    if not state:
        # Without a word from the server: the connection broke, or never was.
        return isinstance(error, OperationalError | InterfaceError | psycopg.OperationalError)
    return state_passes(state)


def took_too_long(error: BaseException) -> bool:
    """Return whether PostgreSQL ended a statement at the load's own limit: the same rows would take as long again."""
    return sqlstate(error) == "57014" and "statement timeout" in _primary(error)


def reason(error: BaseException, table: str, key: str) -> str:
    """Return what a refusal means, for the person who delivers or the developer of the table.

    Args:
        error: Django's, with psycopg's as its cause.
        table: the table that was written to.
        key: the natural key's columns, for the message.
    """
    words = {
        "21000": f"two rows of the file are one row to {table}, whose unique constraint does not tell their ({key})"
        " apart; deliver each row once",
        "42P10": f"{table} has no unique constraint over exactly ({key}) that holds for every row; add one, or change"
        " natural_key in ml.py",
        "57014": f"one statement took longer than a load may; split the file, or look at the triggers and indexes of {table}",
        "42501": f"Hotclub's login may not write to {table}; grant it the right, then deliver the file again",
        "42P01": f"the database and the contract differ ({_primary(error)}); run migrate, then deliver the file again",
        "42703": f"the database and the contract differ ({_primary(error)}); run migrate, then deliver the file again",
    }.get(sqlstate(error))
    if words is None:
        cause = error_of(error)
        detail = (cause.diag.message_detail or "") if cause is not None else ""
        words = ": ".join(filter(None, (_primary(error), detail)))
    return f"PostgreSQL refused the rows: {words}"[:_MAX_LENGTH]


def shown(error: BaseException) -> str:
    """Return the first line of a failure, for what is tried again."""
    return _primary(error)[:_MAX_LENGTH]


def _primary(error: BaseException) -> str:
    cause = error_of(error)
    primary = cause.diag.message_primary if cause is not None else None
    return primary or next(iter(str(error).strip().splitlines()), "") or type(error).__name__
