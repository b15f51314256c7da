"""Querysets as parts of statements that are written in SQL: Django knows how its field paths join."""

from __future__ import annotations

from typing import Any, cast

from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations
from django.db.models import QuerySet
from psycopg import sql


def composed(queryset: QuerySet[Any, Any]) -> sql.SQL:
    """Return a queryset's SELECT with its values written into it."""
    # The stubs know only the base class of all backends; here it is always PostgreSQL.
    operations = cast("DatabaseOperations", connection.ops)
    return sql.SQL(operations.compose_sql(*queryset.query.sql_with_params()))
