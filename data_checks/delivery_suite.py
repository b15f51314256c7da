"""Expectations on a delivery, planned from its source's contract: on what, how severe, and in which words.

A delivery is checked twice over: `raw` is the staged text (is it there, is it a value), `typed` the view with the
contract's types (bounds, keys, the source's own checks). A NULL in `typed` passes there, because `raw` has reported it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg import sql

from data_checks import check_messages, message_text
from data_checks.errors import CheckError
from data_checks.expectation_plan import PlannedExpectation, Planner
from data_checks.staging_tables import aliases
from data_checks.values import BATCH, clock_query, form_of, is_value
from hotclub import names, severities
from hotclub.contract import CheckSpec, ColumnSpec, SourceContract
from hotclub.expectations import COLUMN_ARGUMENTS, COLUMN_LIST_ARGUMENTS

_ROW: Final = sql.Identifier(names.COLUMN_ROW).as_string()


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """What is known of a delivery from where it landed; None leaves the checks of it out."""

    tenant: str | None = None
    day: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Digits:
    """What a numeric column of the table holds: so many digits, so many of them decimals."""

    all: int
    decimals: int


def source_suite(
    contract: SourceContract, facts: DeliveryFacts, digits: Mapping[str, Digits] | None = None
) -> list[PlannedExpectation]:
    """Return every expectation on a delivery whose columns are the contract's.

    Args:
        contract: the source's.
        facts: what is known of the delivery.
        digits: of the table's numeric columns, by their names there.

    Raises:
        CheckError: one of the source's own checks has a name or an argument that cannot be.
    """
    return _SourceSuite(contract).planned(facts, digits or {})


class _SourceSuite:
    def __init__(self, contract: SourceContract) -> None:
        self._contract = contract
        self._planner = Planner(aliases(contract))

    def planned(self, facts: DeliveryFacts, digits: Mapping[str, Digits]) -> list[PlannedExpectation]:
        planned = [
            self._planner.plan("ExpectTableRowCountToBeBetween", {"min_value": 1}, "the file must have rows")
        ]
        for column in self._contract.schema.columns:
            planned += self._column(column)
            # Where the file names a row by another column than its key, the table holds the key.
            if column.target in digits and column.reference_key is None:
                planned += self._digits(column, digits[column.target])
            if column.type == "timestamptz":
                planned += self._clock(column)
        planned += self._natural_key() + self._facts(facts)
        return planned + [self._own(check) for check in self._contract.policy.checks]

    def _identifier(self, column: ColumnSpec) -> str:
        return sql.Identifier(self._planner.alias(column.name)).as_string()

    def _column(self, column: ColumnSpec) -> list[PlannedExpectation]:
        name, shown = column.name, message_text.name(column.name)
        planned = [] if column.nullable else [self._planner.not_null(name, "raw")]
        arguments: dict[str, Any]
        if column.type != "text":
            place = self._identifier(column)
            query = f"SELECT {_ROW}, {place} FROM {BATCH} WHERE {place} IS NOT NULL AND NOT {is_value(column, place)}"
            arguments = {"column": name, "type": column.type}
            describes = f"{shown} must be {form_of(column).words}"
            planned.append(self._planner.query(query, arguments, describes, on="raw"))
        planned += self._planner.between(name, column.minimum, column.maximum)
        if column.max_length is not None and column.type == "text":
            arguments = {"column": name, "max_value": column.max_length}
            describes = f"{shown} must have at most {column.max_length} characters"
            planned.append(self._planner.plan("ExpectColumnValueLengthsToBeBetween", arguments, describes))
        return planned + (self._choices(column) if column.choices else [])

    def _choices(self, column: ColumnSpec) -> list[PlannedExpectation]:
        """Plan that a value is one of the field's: a text as it is written, another by what it means."""
        arguments = {"column": column.name, "value_set": list(column.choices)}
        shown = message_text.name(column.name)
        describes = f"{shown} must be one of {message_text.listed(column.choices, message_text.name)}"
        name = "ExpectColumnValuesToBeInSet"
        if column.type == "text":
            return [self._planner.plan(name, arguments, describes, on="raw")]
        place = self._identifier(column)
        known = ", ".join(f"{sql.Literal(c).as_string()}::{column.type}" for c in column.choices)
        query = f"SELECT {_ROW}, {place} FROM {BATCH} WHERE {place} NOT IN ({known})"
        return [self._planner.query(query, arguments, describes, reported_as=name)]

    def _digits(self, column: ColumnSpec, digits: Digits) -> list[PlannedExpectation]:
        """Plan what the table's column would refuse as it is loaded, and what it would round."""
        place, shown = self._identifier(column), message_text.name(column.name)
        whole = digits.all - digits.decimals
        rounded = f"round({place}, {digits.decimals})"
        rows = f"SELECT {_ROW}, {place} FROM {BATCH} WHERE"
        arguments = {"column": column.name, "digits": digits.all, "decimals": digits.decimals}
        fits = f"{shown} must have at most {whole} digits before the point"
        exact = f"{shown} must have at most {digits.decimals} decimals (more are rounded)"
        return [
            self._planner.query(f"{rows} abs({rounded}) >= 1e{whole}::numeric", arguments, fits),
            self._planner.query(
                f"{rows} {place} <> {rounded}", arguments, exact, severity=severities.WARNING
            ),
        ]

    def _clock(self, column: ColumnSpec) -> list[PlannedExpectation]:
        """Plan that no time without an offset falls where the clocks of the source's zone change."""
        zone = self._contract.schema.timezone
        if zone == "UTC":
            return []
        severity = self._contract.policy.ambiguous_times
        shown = message_text.name(column.name)
        arguments = {"column": column.name, "timezone": zone}
        must = f"{shown} must have an offset such as -05:00 where clocks in {zone}"
        descriptions = {True: f"{must} skip an hour", False: f"{must} show an hour twice"}
        return [
            self._planner.query(
                clock_query(_ROW, self._identifier(column), zone, skipped=skipped),
                {**arguments, "clocks": "skip" if skipped else "repeat"},
                describes,
                severity=severity,
                on="raw",
            )
            for skipped, describes in descriptions.items()
        ]

    def _key_columns(self) -> list[ColumnSpec]:
        """Return the file's columns of the natural key, which names database columns."""
        by_name = {c.name: c for c in self._contract.schema.columns}
        by_target = {c.target: c for c in self._contract.schema.columns}
        found = [
            by_target.get(key) or by_target.get(f"{key}_id") or by_name.get(key)
            for key in self._contract.schema.natural_key
        ]
        return [column for column in found if column is not None]

    def _natural_key(self) -> list[PlannedExpectation]:
        """Plan that no two rows have the same key; a row without it has been reported already.

        A key column that is not in the file (the tenant's own, say) is the same for the whole delivery.
        """
        columns = self._key_columns()
        if not columns:
            return []
        key = ", ".join(self._identifier(column) for column in columns)
        there = (
            " AND ".join(f"{self._identifier(c)} IS NOT NULL" for c in columns if not c.nullable) or "true"
        )
        query = (
            f"SELECT {_ROW}, {key} FROM (SELECT *, count(*) OVER (PARTITION BY {key}) AS hc_same FROM {BATCH}"
            f" WHERE {there}) AS hc_rows WHERE hc_same > 1 ORDER BY {key}, {_ROW}"
        )
        called = [column.name for column in columns]
        listed = message_text.listed(called, message_text.name)
        if len(columns) == 1:
            return [
                self._planner.query(
                    query,
                    {"column": called[0]},
                    f"{listed} must be different in every row",
                    reported_as="ExpectColumnValuesToBeUnique",
                )
            ]
        return [
            self._planner.query(
                query,
                {"column_list": called},
                f"{listed} together must be different in every row",
                reported_as="ExpectCompoundColumnsToBeUnique",
            )
        ]

    def _facts(self, facts: DeliveryFacts) -> list[PlannedExpectation]:
        planned = []
        schema = self._contract.schema
        # At the end of a longer path stands a tenant that only the database knows: there the load decides.
        direct = schema.tenant_path is not None and "__" not in schema.tenant_path
        wanted = schema.tenant_column  # named as in the file, or as in the table
        holders = [
            c for c in schema.columns if direct and c.reference_key is None and wanted in (c.name, c.target)
        ]
        if facts.tenant is not None and holders:
            name = holders[0].name
            arguments = {"column": name, "value_set": [facts.tenant]}
            describes = f"{message_text.name(name)} must be {message_text.name(facts.tenant)}, the tenant that delivers"
            planned.append(self._planner.plan("ExpectColumnValuesToBeInSet", arguments, describes))
        moments = [
            c for c in self._key_columns() if c.type in ("date", "timestamptz") and c.reference_key is None
        ]
        # With two moments in the key nothing says which of them is the delivery's day.
        if facts.day is not None and len(moments) == 1:
            day, place = facts.day.isoformat(), self._identifier(moments[0])
            # The session is in the source's zone, so this is the local day.
            query = f"SELECT {_ROW}, {place} FROM {BATCH} WHERE {place}::date <> DATE '{day}'"
            arguments = {"column": moments[0].name, "day": day}
            describes = f"{message_text.name(moments[0].name)} must lie on {day}, the day that is delivered"
            planned.append(self._planner.query(query, arguments, describes))
        return planned

    def _own(self, check: CheckSpec) -> PlannedExpectation:
        """Return a source's own check, on the typed view. Columns may be the file's or the model's.

        Raises:
            CheckError: no such expectation, argument or column; the message names the check and what there is.
        """
        known = {column.name: column.name for column in self._contract.schema.columns}
        by_target = {column.target: column.name for column in self._contract.schema.columns}
        arguments = dict(check.arguments)

        def resolve(name: Any) -> Any:
            found = (known.get(name) or by_target.get(name)) if isinstance(name, str) else None
            if found is None:
                raise CheckError(
                    check.expectation, check.arguments, f"no column {name!r}; there are {', '.join(known)}"
                )
            return found

        for key in COLUMN_ARGUMENTS:
            if key in arguments:
                arguments[key] = resolve(arguments[key])
        for key in COLUMN_LIST_ARGUMENTS:
            if key in arguments:
                arguments[key] = [resolve(name) for name in arguments[key]]
        described = check_messages.sentence(check.expectation, arguments)
        return self._planner.plan(check.expectation, arguments, described, severity=check.severity)
