"""Writes of the flights app: loading the history from nycflights13."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from django.apps import apps
from django.db import connection, transaction
from psycopg import sql
from pyarrow import csv

from django_app.flights import nycflights13
from django_app.flights.models import Airport, Carrier, Flight, HourlyWeather, Plane
from django_app.flights.services.history import history_refresh
from django_app.tenants.services import tenant_ensure
from hotclub.callbacks import ProgressCallback


def history_load(*, start: dt.date, end: dt.date, report: ProgressCallback) -> None:
    """Load airports, carriers, planes, the year's weather, and the flights of [start, end); then the rollups.

    Loading again changes nothing: rows are matched by their natural keys. Weather is loaded for the whole
    year, because it stands in for a weather service's feed, which would arrive hour by hour.

    Args:
        start: the first New York day.
        end: the day after the last.
        report: called with a line after each step.
    """
    for code, name in nycflights13.ORIGINS.items():
        tenant_ensure(slug=code, name=name, timezone=nycflights13.NEW_YORK)
    report("tenants: " + ", ".join(nycflights13.ORIGINS))
    for model, key, read in (
        (Airport, ("code",), nycflights13.airports),
        (Carrier, ("code",), nycflights13.carriers),
        (Plane, ("tail_number",), nycflights13.planes),
        (HourlyWeather, ("airport_id", "departure_hour"), nycflights13.weather),
    ):
        _load(model, key, read(), report)
    table = nycflights13.flights(start, end)
    report(f"flights: {table.num_rows:,} rows read, times in UTC")
    _load(Flight, ("carrier_id", "number", "origin_id", "scheduled_departure"), table, report)
    first, last = _midnight(start), _midnight(end)
    report(f"history: {history_refresh(first, last):,} rows of what was known when")
    _analyze(report)


def rows_upsert(*, model: Any, key: tuple[str, ...], table: pa.Table) -> int:
    """Write rows by COPY; those whose key is there already are updated.

    Args:
        model: the Django model.
        key: columns of a unique constraint.
        table: the rows; columns are database columns.

    Returns:
        The number of rows that were new or different.
    """
    names = table.column_names
    values = {
        "target": sql.Identifier(model._meta.db_table),
        "columns": sql.SQL(", ").join(map(sql.Identifier, names)),
        "key": sql.SQL(", ").join(map(sql.Identifier, key)),
        "updates": sql.SQL(", ").join(
            sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(n)) for n in names if n not in key
        ),
        "old": sql.SQL(", ").join(
            sql.SQL("{}.{}").format(sql.Identifier(model._meta.db_table), sql.Identifier(n)) for n in names
        ),
        "new": sql.SQL(", ").join(sql.SQL("EXCLUDED.{}").format(sql.Identifier(n)) for n in names),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS SELECT {columns} FROM {target} LIMIT 0"
            ).format(**values)
        )
        copy = sql.SQL("COPY incoming ({columns}) FROM STDIN (FORMAT csv)").format(**values)
        with cursor.copy(copy) as stream:
            stream.write(_csv(table))
        cursor.execute(
            sql.SQL(
                "INSERT INTO {target} ({columns}) SELECT {columns} FROM incoming"
                " ON CONFLICT ({key}) DO UPDATE SET {updates} WHERE ({old}) IS DISTINCT FROM ({new})"
            ).format(**values)
        )
        changed = cursor.rowcount
        # Checked row by row at the end of the transaction otherwise, where no step would show it.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DROP TABLE incoming")
    return int(changed)


def _load(model: Any, key: tuple[str, ...], table: pa.Table, report: ProgressCallback) -> None:
    changed = rows_upsert(model=model, key=key, table=table)
    report(
        f"{model._meta.verbose_name_plural}: {table.num_rows:,} rows, {changed:,} of them new or different"
    )


def _csv(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    csv.write_csv(table, buffer, csv.WriteOptions(include_header=False))
    return buffer.getvalue()


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=ZoneInfo(nycflights13.NEW_YORK)).astimezone(dt.UTC)


def _analyze(report: ProgressCallback) -> None:
    """Give the planner statistics now: autovacuum would, but a minute after the first query needs them."""
    tables = [model._meta.db_table for model in apps.get_app_config("flights").get_models()]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM unnest(%s::text[]) AS name WHERE has_table_privilege(name, 'MAINTAIN')",
            [tables],
        )
        for (table,) in cursor.fetchall():
            cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
    report("statistics for the query planner")
