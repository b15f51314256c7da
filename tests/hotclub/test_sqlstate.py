"""Temporary errors of PostgreSQL, distinguished from permanent ones."""

from __future__ import annotations

import psycopg
import pytest

from hotclub import sqlstate

errors = psycopg.errors


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (errors.ConnectionFailure, True),
        (errors.DeadlockDetected, True),
        (errors.SerializationFailure, True),
        (errors.DiskFull, True),
        (errors.TooManyConnections, True),
        (errors.LockNotAvailable, True),
        (errors.AdminShutdown, True),
        (errors.QueryCanceled, True),
        (errors.IoError, True),
        (errors.CardinalityViolation, False),
        (errors.DivisionByZero, False),
        (errors.UniqueViolation, False),
        (errors.UndefinedTable, False),
        (errors.InsufficientPrivilege, False),
        (errors.InvalidPassword, False),
        (errors.RaiseException, False),
        (errors.ProgramLimitExceeded, False),
        (errors.InternalError_, False),
    ],
)
def test_only_what_another_moment_may_not_have_passes(error: type[psycopg.Error], passes: bool) -> None:
    """By PostgreSQL's own code, whatever class a driver makes of it."""
    assert sqlstate.passes(error.sqlstate or "") is passes
