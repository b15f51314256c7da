"""Which rows of a table loaded deliveries had: the hashes of natural keys that are kept, and the rows that have them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models.expressions import RawSQL
from django.db.models.query import QuerySet
from psycopg import sql

from django_app.ingest import selectors
from django_app.ingest.models import Delivery
from django_app.tenants.models import Tenant
from hotclub.contract import ColumnSpec, SourceContract
from hotclub.errors import ConflictError, ContractError


class NoLoadedKeysError(ConflictError):
    """It is not known which rows a partition's deliveries had; the message says why, and what to do."""


@dataclass(frozen=True)
class LoadedRows:
    """What is loaded of a day.

    Attributes:
        source: the contract under which it was loaded.
        hashes: of natural keys, each once.
        loads: key and number of loads of every delivery of the day: what distinguishes one state from another.
    """

    source: SourceContract
    hashes: frozenset[int]
    loads: tuple[tuple[str, int], ...]


def key_hash(contract: SourceContract, alias: str) -> sql.Composed:
    """Return a 64-bit hash of a row's natural key, the same whatever the time zone of the database session.

    Args:
        contract: the source's.
        alias: of the table, or of rows with the table's columns and types.
    """
    by_target = {column.target: column for column in contract.schema.columns}
    parts = [
        sql.SQL("({}.{} AT TIME ZONE 'UTC')" if _is_moment(by_target[name]) else "{}.{}").format(
            sql.Identifier(alias), sql.Identifier(name)
        )
        for name in contract.schema.natural_key
    ]
    return sql.SQL("hashtextextended(ROW({})::text, 0)").format(sql.SQL(", ").join(parts))


def _is_moment(column: ColumnSpec) -> bool:
    """Return whether what is loaded is a moment, which is text in the session's time zone."""
    return column.type == "timestamptz" and column.reference_key is None


def loaded_rows(*, source: str, day: dt.date, tenant: Tenant | None) -> LoadedRows:
    """Return what is loaded of a day: of each tenant the newest delivery's keys.

    Args:
        source: whose deliveries.
        day: their day.
        tenant: whose, None for every tenant's and those of no tenant.

    Raises:
        NoLoadedKeysError: nothing is loaded, the keys of a loaded delivery are gone, or the source has no contract that
            can be read.
    """
    try:
        contract = selectors.source_contract(source)
    except ContractError as error:
        raise NoLoadedKeysError(
            f"which rows of {source} were loaded for {day} is not known: {error}"
        ) from error
    # One statement: a correction that is loaded between two would take the keys of the file before it away.
    found = list(selectors.loaded_of_day(source=source, day=day, tenant=tenant).select_related("loaded_keys"))
    if not found:
        whose = "" if tenant is None else f" of {tenant.pk}"
        raise NoLoadedKeysError(
            f"nothing of {source}{whose} is loaded for {day}, so there are no rows to score"
        )
    hashes: set[int] = set()
    for delivery in _newest_by_tenant(found):
        if not hasattr(delivery, "loaded_keys"):
            raise NoLoadedKeysError(
                f"which rows delivery {delivery.pk} loaded is not known any more: its keys are gone. Land its file again, "
                'or score {"all": true} or {"entities": [...]}'
            )
        hashes.update(delivery.loaded_keys.hashes)
    return LoadedRows(contract, frozenset(hashes), tuple((str(d.pk), d.loads) for d in found))


def _newest_by_tenant(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Return each tenant's newest delivery: keys are kept for that one, and it decides over those before."""
    newest: dict[str | None, Delivery] = {}
    for delivery in sorted(deliveries, key=lambda d: d.landed_at):
        newest[delivery.tenant_id] = delivery
    return list(newest.values())


def rows_with(rows: LoadedRows) -> QuerySet[Any]:
    """Return the rows of the source's model whose natural key is among the loaded ones."""
    model = apps.get_model(rows.source.schema.django_model)
    column = sql.Identifier(model._meta.pk_fields[0].column)
    keys = sql.SQL("SELECT t.{} FROM {} t WHERE {} = ANY(%s)").format(
        column, sql.Identifier(rows.source.schema.table), key_hash(rows.source, "t")
    )
    # A contract's own names, and the hashes as parameters.
    wanted = RawSQL(keys.as_string(), [sorted(rows.hashes)])  # noqa: S611  # as above
    # The model's own ordering would sort the whole table, and its default manager may leave rows out.
    found: QuerySet[Any] = model._base_manager.filter(pk__in=wanted).order_by()
    return found
