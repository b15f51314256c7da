"""The SQL of one delivery's load, generated from the source's contract and the Django model."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.db.models import AutoField, F, Model
from psycopg import sql

from django_app.contracts.column_defaults import Defaults
from django_app.ingest.loaded_keys import key_hash
from django_app.queryset_sql import composed
from hotclub import names
from hotclub.contract import ColumnSpec, SourceContract

#: The temporary table with the values of defaults that are functions, by staged row.
_PER_ROW = "hotclub_defaults"
_ROW = sql.Identifier(names.COLUMN_ROW)


class LoadStatement:
    """The statements of one load.

    Args:
        contract: the source's.
        staging_table: of the delivery, without its schema.
        defaults: what completes a new row.
        shown: how many rows or values a check shows by name.
    """

    def __init__(
        self, contract: SourceContract, staging_table: str, defaults: Defaults, *, shown: int
    ) -> None:
        schema = contract.schema
        self._contract = contract
        self.columns = schema.columns
        self.key = schema.natural_key
        self.defaults = defaults
        self.can_insert = not defaults.required
        self.staged_name = f"{names.SCHEMA_STAGING}.{staging_table}"
        self.staged = sql.Identifier(names.SCHEMA_STAGING, staging_table)
        self.target = sql.Identifier(schema.table)
        self._shown = sql.Literal(shown)
        self._model = apps.get_model(schema.django_model)
        self._not_null = {f.column for f in self._model._meta.concrete_fields if not f.null}
        self._pk = self._model._meta.pk_fields[0].column
        self._tenant = schema.tenant_path
        # Where the file has no tenant column, the tenant follows from the row's key.
        key = [c.name for c in self.columns if c.target in self.key]
        self.tenant_columns = schema.tenant_column or ", ".join(key)

    def upsert(self) -> sql.Composed:
        """Insert every staged row, or update the row of its key where something differs."""
        constants = self.defaults.constants
        per_row = self.defaults.per_row_columns
        columns = [*(c.target for c in self.columns), *constants, *per_row]
        values = [
            self._values(self.columns),
            *(self._constant(name, value) for name, value in constants.items()),
            *(sql.SQL("d.{}").format(sql.Identifier(name)) for name in per_row),
        ]
        rows = sql.SQL("{} s").format(self.staged)
        if per_row:
            rows += sql.SQL(" JOIN {} d ON d.{row} = s.{row}").format(sql.Identifier(_PER_ROW), row=_ROW)
        return sql.SQL(
            "INSERT INTO {target} AS t ({columns}) SELECT {values} FROM {rows} ON CONFLICT ({key}) DO {action}"
        ).format(
            target=self.target,
            columns=_list(columns),
            values=sql.SQL(", ").join(values),
            rows=rows,
            key=_list(self.key),
            action=self._update_action("EXCLUDED.") if self._others else sql.SQL("NOTHING"),
        )

    def update(self) -> sql.Composed:
        """Update the rows that the staged ones name where something differs."""
        return sql.SQL(
            "UPDATE {target} AS t SET {assignments} FROM ({typed}) n"
            " WHERE {match} AND ({old}) IS DISTINCT FROM ({new})"
        ).format(
            target=self.target,
            assignments=self._assignments("n."),
            typed=self.typed,
            match=self._match(),
            old=_list(self._others, "t."),
            new=_list(self._others, "n."),
        )

    def per_row_table(self) -> sql.Composed:
        """Make the table of defaults that are functions; `per_row_copy` fills it."""
        columns = _list(self.defaults.per_row_columns)
        return sql.SQL(
            "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT 0::bigint AS {}, {} FROM {} LIMIT 0"
        ).format(sql.Identifier(_PER_ROW), _ROW, columns, self.target)

    def per_row_copy(self) -> sql.Composed:
        """Fill it: a staged row's number and its values."""
        columns = _list([names.COLUMN_ROW, *self.defaults.per_row_columns])
        return sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(_PER_ROW), columns)

    def per_row_drop(self) -> sql.Composed:
        """Drop it: another load of the same transaction makes its own."""
        return sql.SQL("DROP TABLE {}").format(sql.Identifier(_PER_ROW))

    def row_numbers(self) -> sql.Composed:
        """Return the staged rows' numbers."""
        return sql.SQL("SELECT {row} FROM {staged} ORDER BY {row}").format(row=_ROW, staged=self.staged)

    def count(self) -> sql.Composed:
        """Count the staged rows."""
        return sql.SQL("SELECT count(*) FROM {}").format(self.staged)

    def to_write(self) -> sql.Composed:
        """Count the staged rows that are to change the table: those that differ from it, and where it inserts new ones."""
        differs = sql.SQL("t.{} IS NULL" if self.can_insert else "false").format(sql.Identifier(self._pk))
        if self._others:
            there = sql.SQL("t.{} IS NOT NULL AND ({}) IS DISTINCT FROM ({})").format(
                sql.Identifier(self._pk), _list(self._others, "t."), _list(self._others, "n.")
            )
            differs = sql.SQL("{} OR ({})").format(differs, there)
        return sql.SQL(
            "SELECT count(*) FROM ({typed}) n LEFT JOIN {target} t ON {match} WHERE {differs}"
        ).format(typed=self.typed, target=self.target, match=self._match(), differs=differs)

    @property
    def numbered_columns(self) -> list[str]:
        """The columns of the file that the database would number by itself."""
        loaded = {c.target for c in self.columns}
        numbered = (f for f in self._model._meta.concrete_fields if isinstance(f, AutoField))
        return [f.column for f in numbered if f.column in loaded]

    def counter(self, column: str) -> sql.Composed:
        """Return the name of a column's counter, null where it has none."""
        table = self.target.as_string()
        return sql.SQL("SELECT pg_get_serial_sequence({}, {})").format(
            sql.Literal(table), sql.Literal(column)
        )

    def counter_raise(self, column: str, counter: str) -> sql.Composed:
        """Let a counter go on after the greatest number in the table: else a later row would get one that is taken."""
        name = sql.SQL(counter)  # PostgreSQL's own, quoted where it has to be
        return sql.SQL(
            "SELECT setval({literal}, m.greatest) FROM (SELECT max({column}) AS greatest FROM {target}) m"
            " WHERE m.greatest > (SELECT last_value FROM {name})"
        ).format(literal=sql.Literal(counter), column=sql.Identifier(column), target=self.target, name=name)

    def unmatched(self) -> sql.Composed:
        """Count the staged rows whose key is not in the table."""
        return sql.SQL(
            "SELECT count(*) FROM ({typed}) n WHERE NOT EXISTS (SELECT FROM {target} t WHERE {match})"
        ).format(typed=self._typed_keys(), target=self.target, match=self._match())

    def key_hashes(self) -> sql.Composed:
        """Return a 64-bit hash of each natural key: of the table's own values where the row is there.

        A column may print a value otherwise than the file has it, such as 5.00 for 5, and rows are found again by the hash.
        """
        there = sql.SQL("t.{} IS NOT NULL").format(sql.Identifier(self._pk))
        return sql.SQL(
            "SELECT coalesce(array_agg(DISTINCT CASE WHEN {there} THEN {table} ELSE {file} END), '{{}}')"
            " FROM ({typed}) n LEFT JOIN {target} t ON {match}"
        ).format(
            there=there,
            table=key_hash(self._contract, "t"),
            file=key_hash(self._contract, "n"),
            typed=self._typed_keys(),
            target=self.target,
            match=self._match(),
        )

    def foreign(self, tenant: str | None) -> sql.Composed | None:
        """Count the table's rows that the file names and that are not the tenant's; None where the source has no tenants.

        Raises:
            ValueError: the source has tenants, and none is given.
        """
        if self._tenant is None:
            return None
        if tenant is None:
            raise ValueError("rows of a source with tenants cannot be loaded for none")
        # Django knows how its field paths join. A path that leads nowhere is not the tenant's either.
        # The model's own ordering would sort the whole table for each row.
        own = self._model._base_manager.filter(**{self._tenant: tenant}).order_by().values(hotclub_pk=F("pk"))
        return sql.SQL(
            "SELECT count(*), (array_agg(n.{row} ORDER BY n.{row}))[:{shown}] FROM {loaded}"
            " WHERE NOT EXISTS (SELECT FROM ({own}) o WHERE o.hotclub_pk = t.{pk})"
        ).format(
            row=_ROW,
            shown=self._shown,
            loaded=self._loaded(),
            own=composed(own),
            pk=sql.Identifier(self._model._meta.pk.column),
        )

    def outside_day(self, model: type[Model], time: str, day: dt.date) -> sql.Composed:
        """Count the rows of the table that the file names and whose time lies on another day of the database session's zone.

        The last two columns are the first of them: their lines, and their times.

        Args:
            model: the table's own, or one that inherits from it.
            time: a field path from it to a date or moment.
            day: on which it should lie. A row without a time lies on none.
        """
        keys = {f"hotclub_pk_{number}": field for number, field in enumerate(self._model._meta.pk_fields)}
        timed = model._base_manager.order_by().values(
            **{alias: F(field.name) for alias, field in keys.items()}, hotclub_time=F(time)
        )
        same = sql.SQL(" AND ").join(
            sql.SQL("o.{} = t.{}").format(sql.Identifier(alias), sql.Identifier(field.column))
            for alias, field in keys.items()
        )
        return sql.SQL(
            "SELECT count(*), (array_agg(n.{row} ORDER BY n.{row}))[:{shown}],"
            " (array_agg(o.hotclub_time::text ORDER BY n.{row}))[:{shown}] FROM {loaded} JOIN ({timed}) o ON {same}"
            " WHERE o.hotclub_time::date IS DISTINCT FROM {day}::date"
        ).format(
            row=_ROW,
            shown=self._shown,
            loaded=self._loaded(),
            timed=composed(timed),
            same=same,
            day=sql.Literal(day.isoformat()),
        )

    def _loaded(self) -> sql.Composed:
        """Return the staged rows' lines and keys, as `n`, with the rows of the table that they name, as `t`."""
        return sql.SQL("(SELECT s.{row}, {values} FROM {staged} s) n JOIN {target} t ON {match}").format(
            row=_ROW,
            values=self._values(self._key_columns),
            staged=self.staged,
            target=self.target,
            match=self._match(),
        )

    def unknown_references(self, column: ColumnSpec) -> sql.Composed:
        """Count the staged rows whose value names no row of the other table, and the values; show the first.

        The last two columns are these values and the line of the file on which each is first.
        """
        table, key = column.references or ("", "")
        return sql.SQL(
            "SELECT coalesce(sum(u.rows), 0)::bigint, count(*), (array_agg(u.value ORDER BY u.value))[:{shown}],"
            " (array_agg(u.line ORDER BY u.value))[:{shown}] FROM"
            " (SELECT n.value, min(n.line) AS line, count(*) AS rows FROM"
            " (SELECT s.{name}::{type} AS cast_value, s.{name} AS value, s.{row} AS line FROM {staged} s"
            " WHERE s.{name} IS NOT NULL) n"
            " WHERE NOT EXISTS (SELECT FROM {table} r WHERE r.{key} = n.cast_value) GROUP BY n.value) u"
        ).format(
            name=sql.Identifier(column.name),
            type=sql.SQL(column.type),
            row=_ROW,
            shown=self._shown,
            staged=self.staged,
            table=sql.Identifier(table),
            key=sql.Identifier(key),
        )

    @property
    def typed(self) -> sql.Composed:
        """The staged rows under the table's column names, with its types."""
        return sql.SQL("SELECT {} FROM {} s").format(self._values(self.columns), self.staged)

    @property
    def _key_columns(self) -> list[ColumnSpec]:
        return [c for c in self.columns if c.target in self.key]

    @property
    def _others(self) -> list[str]:
        return [c.target for c in self.columns if c.target not in self.key]

    def _typed_keys(self) -> sql.Composed:
        return sql.SQL("SELECT {} FROM {} s").format(self._values(self._key_columns), self.staged)

    def _values(self, columns: Iterable[ColumnSpec]) -> sql.Composed:
        return sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(self._value(c), sql.Identifier(c.target)) for c in columns
        )

    def _value(self, column: ColumnSpec) -> sql.Composable:
        cast = sql.SQL("s.{}::{}").format(sql.Identifier(column.name), sql.SQL(column.type))
        if column.references is not None and column.reference_key is not None:
            # The file names the row by another column, which is unique: there is one such row or none.
            table, natural = column.references
            return sql.SQL("(SELECT p.{} FROM {} p WHERE p.{} = {})").format(
                sql.Identifier(column.reference_key), sql.Identifier(table), sql.Identifier(natural), cast
            )
        if column.type == "text" and column.nullable and column.target in self._not_null:
            return sql.SQL("coalesce({}, '')").format(cast)
        return cast

    @staticmethod
    def _constant(name: str, value: Any) -> sql.Composed:
        return sql.SQL("{} AS {}").format(sql.Literal(value), sql.Identifier(name))

    def _update_action(self, new: str) -> sql.Composed:
        return sql.SQL("UPDATE SET {} WHERE ({}) IS DISTINCT FROM ({})").format(
            self._assignments(new), _list(self._others, "t."), _list(self._others, new)
        )

    def _assignments(self, new: str) -> sql.Composed:
        place = sql.SQL(new)  # one of this class's own aliases
        from_file = [
            sql.SQL("{} = {}").format(sql.Identifier(c), place + sql.Identifier(c)) for c in self._others
        ]
        on_change = [
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value))
            for name, value in self.defaults.on_change.items()
        ]
        return sql.SQL(", ").join([*from_file, *on_change])

    def _match(self) -> sql.Composed:
        # Plain equality where a null cannot be: an index serves it.
        return sql.SQL(" AND ").join(
            sql.SQL("t.{0} = n.{0}" if name in self._not_null else "t.{0} IS NOT DISTINCT FROM n.{0}").format(
                sql.Identifier(name)
            )
            for name in self.key
        )


def _list(columns: Iterable[str], prefix: str = "") -> sql.Composed:
    place = sql.SQL(prefix)  # one of this module's own aliases
    return sql.SQL(", ").join(place + sql.Identifier(column) for column in columns)
