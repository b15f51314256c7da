"""How long PostgreSQL may take over the statements of a block."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from django_app.psycopg_errors import sqlstate


@contextmanager
def statement_time_limit(limit: dt.timedelta) -> Iterator[None]:
    """Let PostgreSQL end each statement of the block that takes longer. The caller is in a transaction.

    A statement that it ends raises OperationalError, see `is_statement_timeout`.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        (before,) = cursor.fetchone()
        _set(f"{limit // dt.timedelta(milliseconds=1)}ms")
        yield
        # Not after an error: the transaction, or its savepoint, takes the setting back with everything else.
        _set(before)


def is_statement_timeout(error: BaseException) -> bool:
    """Return whether PostgreSQL ended a statement because of its time, and not because a person cancelled it."""
    return sqlstate(error) == "57014" and "statement timeout" in str(error)


def _set(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [value])
