"""From staged text to Django's tables: one idempotent statement, generated from the source's contract."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import DataError, IntegrityError, OperationalError, ProgrammingError, connection, transaction
from django.db.models import F, Model
from django.db.models.fields import NOT_PROVIDED
from psycopg import sql

from django_app.ingest import selectors
from django_app.ingest.models import Delivery
from django_app.ingest.signals import delivery_loaded
from hotclub import names
from hotclub.contract import ColumnSpec, SourceContract
from hotclub.errors import ContractError

logger = logging.getLogger(__name__)

#: Unknown references shown by name, and rows by number; more are counted.
SHOWN = 5
#: How long rows without a match wait for a delivery that may bring what they match.
WAIT_AT_MOST = dt.timedelta(minutes=10)


@dataclass(slots=True)
class Loaded:
    """What a load did.

    Attributes:
        staged: rows in the file.
        loaded: rows of it that are in the table now.
        changed: of those, new or different.
        unmatched: rows of the file that found nothing to update.
    """

    staged: int = 0
    loaded: int = 0
    changed: int = 0
    unmatched: int = 0
    warnings: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


class NotStagedError(Exception):
    """The staging table is not there: its DAG run is over, and another one will stage the file again."""


class TooEarlyError(Exception):
    """Rows have no match yet, and a delivery that may bring what they match is on its way."""


class _ForeignRowsError(Exception):
    """Rows belong to another tenant; the message is the reason of the refusal."""


def delivery_load(*, delivery_id: Any, now: dt.datetime) -> bool:
    """Load a delivery whose load was asked for; rows, rollups and status commit together.

    Returns:
        Whether this call loaded it. A second call finds it loaded, or being loaded, and does nothing.

    Raises:
        NotStagedError: nothing is staged.
        TooEarlyError: what its rows match is still on its way; nothing was written.
        DataError, IntegrityError: PostgreSQL refused the rows; nothing was written.
    """
    with transaction.atomic():
        # A slow load must not hold every worker process: who comes second leaves it to the first, or to the sweep.
        delivery = Delivery.objects.select_for_update(skip_locked=True).filter(pk=delivery_id).first()
        if delivery is None or delivery.status != Delivery.Status.LOADING or not _alone(delivery):
            return False
        if _superseded(delivery, now):
            return False
        contract = selectors.source_contract(delivery.source)
        # Asked before the rows are read: what commits in between is then seen by the load.
        awaited = _awaited(delivery, contract, now)
        result = rows_load(contract=contract, delivery_id=str(delivery.pk), tenant=delivery.tenant_id)
        if result.unmatched and awaited is not None:
            raise TooEarlyError(f"{_rows(result.unmatched)} without a match wait for delivery {awaited.pk}")
        delivery.rows_staged = result.staged
        delivery.finished_at = now
        if result.refusals:
            delivery.status = Delivery.Status.REJECTED
            delivery.reasons = result.refusals
        else:
            delivery.status = Delivery.Status.LOADED
            delivery.rows_loaded, delivery.rows_changed = result.loaded, result.changed
            delivery.rows_unchanged = result.loaded - result.changed
            delivery.warnings = [*delivery.warnings, *result.warnings]
        delivery.save()
        if not result.refusals:
            delivery_loaded.send(sender=Delivery, delivery=delivery, contract=contract)
    logger.info(
        "delivery load",
        extra={"delivery": delivery.pk, "status": delivery.status, "rows": result.loaded, "changed": result.changed},
    )  # fmt: skip
    return not result.refusals


def _alone(delivery: Delivery) -> bool:
    """Return whether no other delivery of the same source, tenant and day loads until this transaction ends.

    Without this a correction whose load starts in the middle of this one could be overwritten by it.
    """
    slot = f"ingest.load {delivery.source} {delivery.tenant_id} {delivery.data_date}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [slot])
        return bool(cursor.fetchone()[0])


def _superseded(delivery: Delivery, now: dt.datetime) -> bool:
    """Return whether a later file of the same day came first, and reject this one for it."""
    newer = selectors.correction(delivery)
    if newer is None:
        return False
    delivery.status, delivery.finished_at = Delivery.Status.REJECTED, now
    delivery.reasons = [f"superseded by delivery {newer.pk}"]
    delivery.save()
    logger.info("delivery superseded", extra={"delivery": delivery.pk, "by": newer.pk})
    return True


def _awaited(delivery: Delivery, contract: SourceContract, now: dt.datetime) -> Delivery | None:
    """Return a delivery on its way that may bring the rows which this one can only update, for a while."""
    if can_insert(contract) or now - (delivery.started_at or delivery.landed_at) > WAIT_AT_MOST:
        return None
    for other in selectors.siblings(delivery):
        try:
            theirs = selectors.source_contract(other.source)
        except ContractError:
            continue
        if theirs.schema.model == contract.schema.model and can_insert(theirs):
            return other
    return None


def can_insert(contract: SourceContract) -> bool:
    """Return whether a source's file has every column that a new row needs."""
    model = apps.get_model(contract.schema.model)
    return not _required(model) - {c.target for c in contract.schema.columns}


def rows_load(*, contract: SourceContract, delivery_id: str, tenant: str) -> Loaded:
    """Write a delivery's staged rows, inside the caller's transaction.

    Where a column that the table requires is not in the file, rows are updated only: a file of outcomes
    cannot invent a flight, and rows without a match are counted as a warning. Rows that belong to another
    tenant, before or after, refuse the delivery: nothing is written.
    """
    statement = _Statement(contract, names.staging_table(delivery_id))
    result = Loaded()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [statement.staged_name])
        if not cursor.fetchone()[0]:
            raise NotStagedError(f"{statement.staged_name} is not there")
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(statement.staged))
        result.staged = int(cursor.fetchone()[0])
        for column in contract.schema.columns:
            if column.references is not None:
                _references_check(cursor, statement, column, result)
        if result.refusals:
            return result
        # Times without an offset are in the source's own zone. Django reads times as if the zone never
        # changed, so it is put back before anyone reads one.
        _zone_set(cursor, contract.schema.timezone)
        try:
            with transaction.atomic():
                _write(cursor, statement, tenant, result)
        except _ForeignRowsError as error:
            result.refusals.append(str(error))
        _zone_set(cursor, connection.timezone_name)
    if result.unmatched:
        key = ", ".join(contract.schema.natural_key)
        result.warnings.append(f"{_rows(result.unmatched)}: no row of {contract.schema.table} has the {key}")
    return result


def _write(cursor: Any, statement: _Statement, tenant: str, result: Loaded) -> None:
    # Before: a row of another tenant could be written over so that it is this one's. After: for what is new.
    _tenant_check(cursor, statement, tenant)
    cursor.execute(statement.upsert() if statement.can_insert else statement.update())
    result.changed = cursor.rowcount
    _tenant_check(cursor, statement, tenant)
    cursor.execute(statement.unmatched())
    result.unmatched = int(cursor.fetchone()[0])
    result.loaded = result.staged - result.unmatched


def _tenant_check(cursor: Any, statement: _Statement, tenant: str) -> None:
    foreign = statement.foreign(tenant)
    if foreign is None:
        return
    cursor.execute(foreign)
    count, numbers = cursor.fetchone()
    if not count:
        return
    more = f" and {count - SHOWN} more" if count > SHOWN else ""
    shown = ", ".join(map(str, numbers[:SHOWN])) + more
    verb = "does" if count == 1 else "do"
    what = f"{_rows(count)} (rows {shown}) {verb} not belong to {tenant}, the tenant that delivers"
    raise _ForeignRowsError(f"{statement.tenant_columns}: {what}")


def _zone_set(cursor: Any, zone: str) -> None:
    cursor.execute("SELECT set_config('TimeZone', %s, true)", [zone])


def _references_check(cursor: Any, statement: _Statement, column: ColumnSpec, result: Loaded) -> None:
    cursor.execute(statement.unknown_references(column))
    rows, values = cursor.fetchone()
    if not rows:
        return
    table, _ = column.references or ("", "")
    shown = ", ".join(values[:SHOWN]) + (f" and {len(values) - SHOWN} more" if len(values) > SHOWN else "")
    message = f"{column.name}: {_rows(rows)} not in {table}: {shown}"
    (result.refusals if column.reference_required else result.warnings).append(message)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


class _Statement:
    """The SQL of one source's load."""

    def __init__(self, contract: SourceContract, staging_table: str) -> None:
        schema = contract.schema
        self.columns = schema.columns
        self.key = schema.natural_key
        self.staged_name = f"{names.SCHEMA_STAGING}.{staging_table}"
        self.staged = sql.Identifier(names.SCHEMA_STAGING, staging_table)
        self.target = sql.Identifier(schema.table)
        self._model = apps.get_model(schema.model)
        self._empty_texts = {f.column for f in self._model._meta.concrete_fields if not f.null}
        self.can_insert = can_insert(contract)
        self._tenant = schema.tenant
        # Where the file does not say whose a row is, its key leads to who it is of.
        key = [c.name for c in self.columns if c.target in self.key]
        self.tenant_columns = schema.tenant_column or ", ".join(key)

    def value(self, column: ColumnSpec) -> sql.Composable:
        cast = sql.SQL("s.{}::{}").format(sql.Identifier(column.name), sql.SQL(column.type))
        if column.type == "text" and column.nullable and column.target in self._empty_texts:
            return sql.SQL("coalesce({}, '')").format(cast)
        return cast

    @property
    def typed(self) -> sql.Composable:
        """The staged rows under the table's column names, with its types."""
        return sql.SQL("SELECT {} FROM {} s").format(self._values(self.columns), self.staged)

    def _values(self, columns: Iterable[ColumnSpec]) -> sql.Composed:
        return sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(self.value(c), sql.Identifier(c.target)) for c in columns
        )

    def _list(self, columns: list[str], prefix: str = "") -> sql.Composable:
        place = sql.SQL(prefix)  # type: ignore[arg-type]  # one of this class's own aliases
        return sql.SQL(", ").join(place + sql.Identifier(column) for column in columns)

    @property
    def _others(self) -> list[str]:
        return [c.target for c in self.columns if c.target not in self.key]

    def upsert(self) -> sql.Composed:
        every = [c.target for c in self.columns]
        return sql.SQL(
            "INSERT INTO {target} AS t ({columns}) {typed} ON CONFLICT ({key}) DO {action}"
        ).format(
            target=self.target,
            columns=self._list(every),
            typed=self.typed,
            key=self._list(list(self.key)),
            action=self._update_action("EXCLUDED.") if self._others else sql.SQL("NOTHING"),
        )

    def _update_action(self, new: str) -> sql.Composed:
        return sql.SQL("UPDATE SET {} WHERE ({}) IS DISTINCT FROM ({})").format(
            self._assignments(new), self._list(self._others, "t."), self._list(self._others, new)
        )

    def _assignments(self, new: str) -> sql.Composed:
        place = sql.SQL(new)  # type: ignore[arg-type]  # one of this class's own aliases
        return sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(c), place + sql.Identifier(c)) for c in self._others
        )

    def _match(self) -> sql.Composed:
        return sql.SQL(" AND ").join(
            sql.SQL("t.{0} = n.{0}").format(sql.Identifier(column)) for column in self.key
        )

    def update(self) -> sql.Composed:
        return sql.SQL(
            "UPDATE {target} AS t SET {assignments} FROM ({typed}) n"
            " WHERE {match} AND ({old}) IS DISTINCT FROM ({new})"
        ).format(
            target=self.target,
            assignments=self._assignments("n."),
            typed=self.typed,
            match=self._match(),
            old=self._list(self._others, "t."),
            new=self._list(self._others, "n."),
        )

    def unmatched(self) -> sql.Composed:
        return sql.SQL(
            "SELECT count(*) FROM ({typed}) n WHERE NOT EXISTS (SELECT FROM {target} t WHERE {match})"
        ).format(typed=self.typed, target=self.target, match=self._match())

    def foreign(self, tenant: str) -> sql.Composed | None:
        """Count the table's rows that the file names and that are not the tenant's; None without tenants."""
        if self._tenant is None:
            return None
        # Django knows how its field paths join. A path that leads nowhere is not the tenant's either.
        own = self._model._base_manager.filter(**{self._tenant: tenant}).values(hotclub_pk=F("pk"))
        composed = connection.ops.compose_sql(*own.query.sql_with_params())
        return sql.SQL(
            "SELECT count(*), (array_agg(n.{number} ORDER BY n.{number}))[:{shown}] FROM"
            " (SELECT s.{number}, {values} FROM {staged} s) n JOIN {target} t ON {match}"
            " WHERE NOT EXISTS (SELECT FROM ({own}) o WHERE o.hotclub_pk = t.{pk})"
        ).format(
            number=sql.Identifier(names.COLUMN_ROW),
            shown=sql.Literal(SHOWN),
            values=self._values(c for c in self.columns if c.target in self.key),
            staged=self.staged,
            target=self.target,
            match=self._match(),
            own=sql.SQL(composed),
            pk=sql.Identifier(self._model._meta.pk.column),
        )

    def unknown_references(self, column: ColumnSpec) -> sql.Composed:
        table, key = column.references or ("", "")
        return sql.SQL(
            "SELECT count(*), array_agg(DISTINCT n.value ORDER BY n.value) FROM"
            " (SELECT s.{name}::{type} AS cast_value, s.{name} AS value FROM {staged} s WHERE s.{name} IS NOT NULL) n"
            " WHERE NOT EXISTS (SELECT FROM {table} r WHERE r.{key} = n.cast_value)"
        ).format(
            name=sql.Identifier(column.name),
            type=sql.SQL(column.type),
            staged=self.staged,
            table=sql.Identifier(table),
            key=sql.Identifier(key),
        )


def _required(model: type[Model]) -> set[str]:
    """Return the columns that a new row must bring: not null, and neither generated nor with a default."""
    return {
        f.column
        for f in model._meta.concrete_fields
        if not f.null and not f.generated and f.db_default is NOT_PROVIDED and not _is_identity(f)
    }


def _is_identity(model_field: Any) -> bool:
    return bool(model_field.primary_key and model_field.get_internal_type().endswith("AutoField"))


#: Failures that the same rows would meet again.
PERMANENT = (DataError, IntegrityError)
#: Failures that pass.
PASSING = (OperationalError, ProgrammingError, NotStagedError, TooEarlyError)
