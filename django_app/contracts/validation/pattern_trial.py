"""Regular expressions of declared checks, tried out where a database answers: PostgreSQL's are its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from django_app.psycopg_errors import sqlstate
from hotclub.contract import SourceContract

#: The state of an error that a pattern itself is.
_INVALID_PATTERN = "2201B"


def refused_patterns(connection: BaseDatabaseWrapper, contract: SourceContract) -> Iterator[str]:
    """Yield a message for each pattern that PostgreSQL refuses; none where no database answers."""
    for number, check in enumerate(contract.policy.checks):
        for argument in ("regex", "regex_list"):
            patterns = check.arguments.get(argument, ())
            for pattern in [patterns] if isinstance(patterns, str) else patterns:
                reason = _refusal(connection, pattern)
                if reason:
                    yield f"{contract.name}.checks[{number}]: {check.expectation}: {argument}: {pattern!r}: {reason}"


def _refusal(connection: BaseDatabaseWrapper, pattern: Any) -> str:
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("SELECT '' ~ %s", [pattern])
    except (psycopg.Error, DatabaseError) as error:
        return str(error).strip().splitlines()[0] if sqlstate(error) == _INVALID_PATTERN else ""
    return ""
