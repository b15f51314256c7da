"""Counts over a bounded sample of a model's rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeAlias, TypeVar

from django.db import DatabaseError, OperationalError, connection, models, transaction
from django.db.models import F
from django.db.models.expressions import RawSQL

from django_app.contracts.first_declaration.model_columns import Column
from hotclub.errors import ContractError

ROWS: Final = 50_000
#: A label's values are counted over all rows where that takes no longer, else over the sample.
_TIMEOUT: Final = "10s"
#: Fewer nulls in the same rows as the label's may be chance: whoever was not seen was not measured either.
_MANY_NULLS: Final = 10
#: Columns counted by one statement: PostgreSQL allows 1664 results.
_COLUMNS: Final = 100

Rows: TypeAlias = "models.QuerySet[Any]"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Facts:
    """What the sampled rows hold in one column.

    Attributes:
        filled: rows with a value.
        distinct: different values.
        low: the least value of a number.
        high: the greatest.
    """

    filled: int
    distinct: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Sample:
    """The sampled rows.

    Attributes:
        rows: how many there are.
        facts: by the column's name.
        problem: why there is no sample, for a person; empty where there is one.
    """

    rows: int = 0
    facts: Mapping[str, Facts] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Relation:
    """How a column goes with the label and the event time.

    Attributes:
        filled_with_label: it has nulls, and exactly where the label has one.
        later: share of its dates that lie after the event time.
    """

    filled_with_label: bool
    later: float


def sampled(model: type[models.Model], key: models.Field[Any, Any]) -> Rows:
    """Return the rows to sample from: of a large table about `ROWS` from all over it, where PostgreSQL can do that.

    Args:
        model: whose rows.
        key: a field that is unique by itself.
    """
    rows: Rows = model._default_manager.all().order_by()
    share = _share(key.model._meta.db_table)
    if share is not None and key.column is not None:
        quote = connection.ops.quote_name
        sql = f"SELECT {quote(key.column)} FROM {quote(key.model._meta.db_table)} TABLESAMPLE SYSTEM (%s) REPEATABLE (1)"
        rows = rows.filter(**{f"{key.name}__in": RawSQL(sql, [share])})  # noqa: S611  # names from the model alone
    return rows


def look(rows: Rows, key: str, columns: Sequence[Column]) -> Sample:
    """Return the counts of the columns; where the table cannot be read, the sample has the problem.

    Args:
        rows: from `sampled`.
        key: a field that every row has.
        columns: what to count.

    Raises:
        ContractError: the database is not PostgreSQL.
    """
    try:
        if connection.vendor != "postgresql":
            raise ContractError(f"feature views need PostgreSQL; this database is {connection.vendor}")
        with _bounded():
            facts: dict[str, Facts] = {}
            count = _aggregate(rows, [key], ["count(*)"])[0]
            for group in _groups(columns, _COLUMNS):
                facts |= _facts(rows, group)
            return Sample(count, facts)
    except DatabaseError as error:
        reason = str(error).strip().splitlines()[0]
        return Sample(
            problem=f"{'no database answers' if _is_unreachable(error) else 'its table cannot be read'}: {reason}"
        )


def relations(
    rows: Rows, columns: Iterable[Column], label: Column, time: Column | None
) -> dict[str, Relation]:
    """Return how each column goes with the label and the event time, by its name."""
    found: dict[str, Relation] = {}
    with _bounded():
        for group in _groups(columns, _COLUMNS):
            paths = [label.path, *([] if time is None else [time.path]), *(c.path for c in group)]
            first = len(paths) - len(group)
            parts: list[str] = []
            for number, column in enumerate(group, start=first):
                parts += [
                    f"count(*) FILTER (WHERE (c{number} IS NULL) <> (c0 IS NULL))",
                    f"count(*) FILTER (WHERE c{number} IS NULL)",
                    f"count(c{number})",
                    f"count(*) FILTER (WHERE c{number} > c1)"
                    if time is not None and column.kind in ("date", "moment")
                    else "0",
                ]
            values = _aggregate(rows, paths, parts)
            for column, (differs, nulls, filled, later) in zip(group, _groups(values, 4), strict=True):
                found[column.name] = Relation(
                    differs == 0 and nulls >= _MANY_NULLS and filled > 0, later / filled if filled else 0.0
                )
    return found


def quantiles(rows: Rows, time: Column, shares: Sequence[float]) -> list[dt.datetime] | None:
    """Return before which times these shares of the rows lie; None without rows."""
    path = "percentile_disc({}) WITHIN GROUP (ORDER BY c0::timestamp)"
    with _bounded():
        found = _aggregate(rows, [time.path], [path.format(share) for share in shares])
    return None if found[0] is None else list(found)


def value_counts(model: type[models.Model], rows: Rows, path: str, limit: int) -> list[tuple[Any, int]]:
    """Return the values of a column with their counts, the most frequent first, nulls left out; of all rows if fast."""
    try:
        return _counts(model._default_manager.all().order_by(), path, limit)
    except OperationalError:  # it took longer than the limit
        return _counts(rows[:ROWS], path, limit)


def _counts(rows: Rows, path: str, limit: int) -> list[tuple[Any, int]]:
    sql, params = rows.values(hc_c0=F(path)).query.sql_with_params()
    with _bounded(), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT c0, count(*) FROM ({sql}) r (c0) WHERE c0 IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {limit}",
            params,
        )
        return [(value, count) for value, count in cursor.fetchall()]


def _facts(rows: Rows, columns: Sequence[Column]) -> dict[str, Facts]:
    parts: list[str] = []
    for number, column in enumerate(columns):
        bounds = [f"min(c{number})::float8", f"max(c{number})::float8"]
        numeric = column.kind == "number" and not column.parent
        # Long texts differ early, or do not matter.
        value = f"left(c{number}::text, 200)" if column.kind == "text" else f"c{number}"
        parts += [f"count(c{number})", f"count(DISTINCT {value})", *(bounds if numeric else ["NULL"] * 2)]
    values = _aggregate(rows, [c.path for c in columns], parts)
    return {column.name: Facts(*group) for column, group in zip(columns, _groups(values, 4), strict=True)}


def _aggregate(rows: Rows, paths: Sequence[str], parts: Sequence[str]) -> tuple[Any, ...]:
    """Return one row of aggregates over the sample, whose columns are c0, c1, … in the order of the paths."""
    inner = rows.values(**{f"hc_c{n}": F(path) for n, path in enumerate(paths)})[:ROWS]
    sql, params = inner.query.sql_with_params()
    names = ", ".join(f"c{n}" for n in range(len(paths)))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)} FROM ({sql}) r ({names})", params)
        return tuple(cursor.fetchone())


def _groups(values: Iterable[_T], size: int) -> Iterator[tuple[_T, ...]]:
    rest = iter(values)
    while group := tuple(islice(rest, size)):
        yield group


def _share(table: str) -> float | None:
    """Return the share of a table, in per cent, that holds about `ROWS` rows; None where all of it is read."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT reltuples FROM pg_class WHERE oid = to_regclass(%s) AND relkind IN ('r', 'p', 'm')",
                [connection.ops.quote_name(table)],
            )
            row = cursor.fetchone()
    except DatabaseError:
        return None
    return None if row is None or row[0] <= ROWS else min(100.0, 110.0 * ROWS / row[0])


@contextmanager
def _bounded() -> Iterator[None]:
    """Run statements that end after a while, and leave the connection usable after an error."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{_TIMEOUT}'")
        yield


def _is_unreachable(error: DatabaseError) -> bool:
    return isinstance(error, OperationalError) and connection.connection is None
