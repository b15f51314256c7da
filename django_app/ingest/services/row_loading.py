"""Staged rows into their table, inside the transaction of a delivery's load."""

from __future__ import annotations

import datetime as dt
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import connection, transaction

from django_app.contracts.column_defaults import defaults_of, values_of
from django_app.ingest.load_statement import LoadStatement
from hotclub import names
from hotclub.contract import ColumnSpec, SourceContract

#: Unknown references shown by name, and rows by the line of the file; more are counted.
MAX_VALUES_SHOWN = 5
#: A value in a message is cut to this length.
MAX_VALUE_LENGTH = 200


@dataclass(slots=True)
class LoadResult:
    """What a load did.

    Attributes:
        staged: rows in the file.
        loaded: rows of it that are in the table now.
        changed: of those, new or different.
        unmatched: rows of the file that found nothing to update.
        required: columns that keep the source from inserting: the table wants them, the file lacks them.
        key_hashes: one for each natural key in the file.
    """

    staged: int = 0
    loaded: int = 0
    changed: int = 0
    unmatched: int = 0
    required: list[str] = field(default_factory=list)
    key_hashes: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


class NotStagedError(Exception):
    """The staging table is not there: its DAG run is over, and another one will stage the file again."""


class _RefusedRowsError(Exception):
    """What was written must not stay; the message is the reason of the refusal."""


def rows_load(
    *, contract: SourceContract, delivery_id: str, tenant: str | None, now: dt.datetime
) -> LoadResult:
    """Write a delivery's staged rows, inside the caller's transaction.

    New rows get Django's own defaults for what the file lacks. Where a column that the table requires has neither,
    rows are updated only: a file of outcomes cannot invent a flight. Rows that belong to another tenant, before or
    after, refuse the delivery: nothing is written.

    Args:
        contract: the source's.
        delivery_id: whose staging table.
        tenant: whose rows they must be; None where the source has no tenants.
        now: the value of ``auto_now`` columns.
    """
    model = apps.get_model(contract.schema.django_model)
    defaults = defaults_of(model, {c.target for c in contract.schema.columns}, now)
    statement = LoadStatement(contract, names.staging_table(delivery_id), defaults, shown=MAX_VALUES_SHOWN)
    result = LoadResult(required=defaults.required)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [statement.staged_name])
        if not cursor.fetchone()[0]:
            raise NotStagedError("its staged rows are gone; the next run of its DAG stages the file again")
        result.staged = _count(cursor, statement.count())
        if not result.staged:
            result.refusals.append("the file has no rows")
            return result
        for column in contract.schema.columns:
            if column.references is not None:
                _references_check(cursor, statement, column, result)
        if result.refusals:
            return result
        # Times without an offset are in the source's own zone. Django reads times as if the zone never
        # changed, so it is put back before anyone reads one.
        zone_set(cursor, contract.schema.timezone)
        try:
            with transaction.atomic():
                _write(cursor, statement, contract, tenant, result)
        except _RefusedRowsError as error:
            result.refusals.append(str(error))
        zone_set(cursor, connection.timezone_name)
    if 0 < result.unmatched < result.staged:
        key = ", ".join(contract.schema.natural_key)
        result.warnings.append(
            f"{rows_of(result.unmatched)}: no row of {contract.schema.table} has the {key}"
        )
    return result


def _write(
    cursor: Any, statement: LoadStatement, contract: SourceContract, tenant: str | None, result: LoadResult
) -> None:
    # Before: a row of another tenant could be overwritten and become this one's. After: for new rows.
    _tenant_check(cursor, statement, tenant)
    if statement.can_insert and statement.defaults.per_row:
        _per_row_fill(cursor, statement)
    expected = _count(cursor, statement.to_write())
    cursor.execute(statement.upsert() if statement.can_insert else statement.update())
    result.changed = cursor.rowcount
    for column in statement.numbered_columns if statement.can_insert else ():
        cursor.execute(statement.counter(column))
        if counter := cursor.fetchone()[0]:
            cursor.execute(statement.counter_raise(column, counter))
    # Fewer, and rows that still differ: somebody else who wrote the same meanwhile would leave none.
    if result.changed < expected and (left := _count(cursor, statement.to_write())):
        raise _RefusedRowsError(_dropped(min(left, expected - result.changed), contract))
    if statement.can_insert and statement.defaults.per_row:
        cursor.execute(statement.per_row_drop())
    _tenant_check(cursor, statement, tenant)
    _parents_stayed_check(cursor, statement)
    result.unmatched = _count(cursor, statement.unmatched())
    if result.unmatched and statement.can_insert:
        raise _RefusedRowsError(_dropped(result.unmatched, contract))
    result.loaded = result.staged - result.unmatched
    cursor.execute(statement.key_hashes())
    result.key_hashes = list(cursor.fetchone()[0])


def _count(cursor: Any, query: Any) -> int:
    cursor.execute(query)
    return int(cursor.fetchone()[0])


def _dropped(count: int, contract: SourceContract) -> str:
    return f"{rows_of(count)} did not reach {contract.schema.table}: a rule or trigger of the database dropped them"


def _per_row_fill(cursor: Any, statement: LoadStatement) -> None:
    cursor.execute(statement.row_numbers())
    numbers = [number for (number,) in cursor.fetchall()]
    cursor.execute(statement.per_row_table())
    with cursor.copy(statement.per_row_copy()) as rows:
        for number, values in zip(numbers, values_of(statement.defaults.per_row, len(numbers)), strict=True):
            rows.write_row((number, *values))


def _tenant_check(cursor: Any, statement: LoadStatement, tenant: str | None) -> None:
    foreign = statement.foreign(tenant)
    if foreign is None:
        return
    cursor.execute(foreign)
    count, numbers = cursor.fetchone()
    if not count:
        return
    more = f" and {count - MAX_VALUES_SHOWN:,} more" if count > MAX_VALUES_SHOWN else ""
    shown = ", ".join(f"{number:,}" for number in numbers) + more
    lines, verb = ("line", "does") if count == 1 else ("lines", "do")
    what = f"{rows_of(count)} ({lines} {shown}) {verb} not belong to {tenant}, the tenant that delivers"
    raise _RefusedRowsError(f"{statement.tenant_columns}: {what}")


def _parents_stayed_check(cursor: Any, statement: LoadStatement) -> None:
    """Refuse rows whose parent went between its check and the write: looked up by another field it would be empty now."""
    for column in statement.columns:
        if column.reference_key is not None and column.reference_required:
            cursor.execute(statement.unknown_references(column))
            rows, *_ = cursor.fetchone()
            if rows:
                raise _RefusedRowsError(
                    f"{column.name}: {rows_of(rows)} lost the row that it names while it was loaded; deliver the file again"
                )


def zone_set(cursor: Any, zone: str) -> None:
    """Set the time zone of the database session until the transaction ends."""
    cursor.execute("SELECT set_config('TimeZone', %s, true)", [zone])


def _references_check(cursor: Any, statement: LoadStatement, column: ColumnSpec, result: LoadResult) -> None:
    cursor.execute(statement.unknown_references(column))
    rows, different, values, lines = cursor.fetchone()
    if not rows:
        return
    table, natural = column.references or ("", "")
    where = table if column.reference_key is None else f"{natural} of {table}"
    shown = ", ".join(
        f"{_shown(value)} (line {line:,}{_accents(value)})" for value, line in zip(values, lines, strict=True)
    )
    shown += f" and {different - MAX_VALUES_SHOWN:,} more" if different > MAX_VALUES_SHOWN else ""
    message = f"{column.name}: {rows_of(rows)} not in {where}: {shown}"
    if column.reference_key is not None and not column.reference_required:
        message += "; they are loaded without it"
    (result.refusals if column.reference_required else result.warnings).append(message)


def _shown(value: str) -> str:
    """Return a value as it is; in quotes and with escapes where a part of it cannot be seen."""
    cut = value[:MAX_VALUE_LENGTH]
    return cut if cut.isprintable() and cut == cut.strip() else repr(cut)


def _accents(value: str) -> str:
    """Say why a value that looks right is another: on the screen both forms of an accent are the same."""
    if unicodedata.is_normalized("NFC", value):
        return ""
    return ": its accents are characters of their own, Unicode NFD instead of NFC"


def rows_of(count: int) -> str:
    """Return a number of rows in words."""
    return "1 row" if count == 1 else f"{count:,} rows"
