"""Expectations planned from contracts: which, on what, how severe, and in which words.

A delivery is checked twice over: `raw` is the staged text (is it there, can it be cast), `typed` the
view with the contract's types (bounds, keys, the source's own checks). A NULL in `typed` passes
there, because `raw` has reported it.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from psycopg import sql

from data_checks.errors import CheckError
from data_checks.report import Severity
from data_checks.staging import castable_condition
from hotclub import names
from hotclub.contract import CheckSpec, ColumnSpec, FeatureSpec, ModelContract, SourceContract

On = Literal["raw", "typed"]

#: The arguments of Great Expectations' classes that name columns.
_COLUMN_ARGUMENTS: Final = ("column", "column_A", "column_B")
_COLUMN_LIST_ARGUMENTS: Final = ("column_list", "column_set")


@dataclass(frozen=True, slots=True)
class Planned:
    """An expectation to run, and what its result says.

    Attributes:
        arguments: what the report shows; not SQL.
        describes: what must hold, for the message: ``"carrier must not be empty"``.
    """

    expectation: Expectation
    arguments: dict[str, Any]
    severity: Severity
    describes: str
    on: On = "typed"

    @property
    def name(self) -> str:
        """The expectation's class name in Great Expectations."""
        return type(self.expectation).__name__


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """What is known of a delivery from where it landed; None leaves the checks of it out."""

    tenant: str | None = None
    day: dt.date | None = None


def columns_suite(contract: SourceContract) -> list[Planned]:
    """Return the expectation that comes first: the file has the contract's columns and no other."""
    columns = [column.name for column in contract.schema.columns]
    arguments = {"column_set": [names.COLUMN_ROW, *columns], "exact_match": True}
    planned = _plan(
        "ExpectTableColumnsToMatchSet", arguments, "critical", "the columns must be the contract's"
    )
    return [
        Planned(
            planned.expectation,
            {"column_set": columns, "exact_match": True},
            "critical",
            planned.describes,
            "raw",
        )
    ]


def source_suite(contract: SourceContract, facts: DeliveryFacts) -> list[Planned]:
    """Return every expectation on a delivery whose columns are the contract's.

    Raises:
        CheckError: one of the source's own checks has a name or an argument that cannot be.
    """
    planned = [
        _plan("ExpectTableRowCountToBeBetween", {"min_value": 1}, "critical", "the file must have rows")
    ]
    for column in contract.schema.columns:
        planned += _column(column)
    planned += _natural_key(contract) + _facts(contract, facts)
    return planned + [source_check(check, contract) for check in contract.policy.checks]


def source_check(check: CheckSpec, contract: SourceContract) -> Planned:
    """Return a source's own check, on the typed view. Columns may be the file's or the model's.

    Raises:
        CheckError: no such expectation, argument or column; the message names the check and what there is.
    """
    known = {column.name: column.name for column in contract.schema.columns}
    by_target = {column.target: column.name for column in contract.schema.columns}
    arguments = dict(check.arguments)

    def resolve(name: Any) -> Any:
        found = (known.get(name) or by_target.get(name)) if isinstance(name, str) else None
        if found is None:
            raise CheckError(
                check.expectation, check.arguments, f"no column {name!r}; there are {', '.join(known)}"
            )
        return found

    for key in _COLUMN_ARGUMENTS:
        if key in arguments:
            arguments[key] = resolve(arguments[key])
    for key in _COLUMN_LIST_ARGUMENTS:
        if key in arguments:
            arguments[key] = [resolve(name) for name in arguments[key]]
    listed = ", ".join(f"{name} {value}" for name, value in arguments.items())
    return _plan(check.expectation, arguments, check.severity, f"{check.expectation} must hold for {listed}")


def snapshot_suite(contract: ModelContract) -> list[Planned]:
    """Return the expectations on a training snapshot: key columns, label and every feature."""
    planned = [
        _plan("ExpectTableRowCountToBeBetween", {"min_value": 1}, "critical", "the snapshot must have rows"),
        _not_null(names.COLUMN_ENTITY),
        _plan(
            "ExpectColumnValuesToBeUnique",
            {"column": names.COLUMN_ENTITY},
            "critical",
            "entity must be unique",
        ),
        _not_null(names.COLUMN_EVENT_TIME),
        *_label(contract),
    ]
    for feature in contract.features:
        planned += _feature(feature)
    return planned


def expectation_class(name: str, arguments: Mapping[str, Any]) -> type[Expectation]:
    """Return Great Expectations' class of a name; CheckError with the nearest name when there is none."""
    found = getattr(gxe, name, None)
    if isinstance(found, type) and issubclass(found, Expectation):
        return found
    near = difflib.get_close_matches(name, [n for n in dir(gxe) if n.startswith("Expect")], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise CheckError(name, arguments, f"Great Expectations has no such expectation{hint}")


def _plan(
    name: str, arguments: Mapping[str, Any], severity: Severity, describes: str, on: On = "typed"
) -> Planned:
    cls = expectation_class(name, arguments)
    unknown = [key for key in arguments if key not in cls.__fields__]
    if unknown:
        raise CheckError(name, arguments, f"it takes no argument {', '.join(unknown)}")
    try:
        expectation = cls(severity=severity, **arguments)
    except (ValueError, TypeError) as error:
        reason = "; ".join(line.strip() for line in str(error).splitlines()[1:]) or str(error)
        raise CheckError(name, arguments, reason) from error
    return Planned(expectation, dict(arguments), severity, describes, on)


def _rows_query(
    columns: Sequence[str], condition: str, arguments: dict[str, Any], describes: str, on: On
) -> Planned:
    """Return an expectation that no row meets an SQL condition; the report shows `arguments`, not the SQL."""
    listed = ", ".join(sql.Identifier(name).as_string() for name in (names.COLUMN_ROW, *columns))
    # Great Expectations formats the query, so braces of a name or pattern are doubled.
    braced = f"SELECT {listed} FROM \0 WHERE {condition}".replace("{", "{{").replace("}", "}}")
    query = braced.replace("\0", "{batch}")
    planned = _plan("UnexpectedRowsExpectation", {"unexpected_rows_query": query}, "critical", describes, on)
    return Planned(planned.expectation, arguments, "critical", describes, on)


def _not_null(column: str, on: On = "typed") -> Planned:
    return _plan(
        "ExpectColumnValuesToNotBeNull", {"column": column}, "critical", f"{column} must not be empty", on
    )


def _between(column: str, minimum: float | None, maximum: float | None, unit: str = "") -> list[Planned]:
    if minimum is None and maximum is None:
        return []
    bounds = {"min_value": minimum, "max_value": maximum}
    arguments = {"column": column, **{k: v for k, v in bounds.items() if v is not None}}
    words = [
        f"at least {minimum:g}" if minimum is not None else "",
        f"at most {maximum:g}" if maximum is not None else "",
    ]
    limit = " and ".join(word for word in words if word)
    describes = f"{column} must be {limit} {unit}".rstrip()
    return [_plan("ExpectColumnValuesToBeBetween", arguments, "critical", describes)]


def _column(column: ColumnSpec) -> list[Planned]:
    name = column.name
    planned = [] if column.nullable else [_not_null(name, "raw")]
    arguments: dict[str, Any]
    if column.type != "text":
        identifier = sql.Identifier(name).as_string()
        condition = f"{identifier} IS NOT NULL AND NOT {castable_condition(column)}"
        arguments = {"column": name, "type": column.type}
        planned.append(
            _rows_query([name], condition, arguments, f"{name} must be of type {column.type}", "raw")
        )
    planned += _between(name, column.minimum, column.maximum)
    if column.max_length is not None and column.type == "text":
        arguments = {"column": name, "max_value": column.max_length}
        describes = f"{name} must have at most {column.max_length} characters"
        planned.append(_plan("ExpectColumnValueLengthsToBeBetween", arguments, "critical", describes))
    if column.choices:
        arguments = {"column": name, "value_set": list(column.choices)}
        describes = f"{name} must be one of {', '.join(column.choices)}"
        planned.append(_plan("ExpectColumnValuesToBeInSet", arguments, "critical", describes, "raw"))
    return planned


def _natural_key_columns(contract: SourceContract) -> list[ColumnSpec]:
    """Return the file's columns of the natural key, which names database columns."""
    by_name = {c.name: c for c in contract.schema.columns}
    by_target = {c.target: c for c in contract.schema.columns}
    found = [
        by_target.get(key) or by_target.get(f"{key}_id") or by_name.get(key)
        for key in contract.schema.natural_key
    ]
    return [column for column in found if column is not None]


def _natural_key(contract: SourceContract) -> list[Planned]:
    columns = [column.name for column in _natural_key_columns(contract)]
    # A key column that is not in the file (the tenant's own, say) is the same for the whole delivery.
    describes = f"({', '.join(columns)}) must be unique"
    if len(columns) == 1:
        return [_plan("ExpectColumnValuesToBeUnique", {"column": columns[0]}, "critical", describes)]
    if columns:
        return [_plan("ExpectCompoundColumnsToBeUnique", {"column_list": columns}, "critical", describes)]
    return []


def _facts(contract: SourceContract, facts: DeliveryFacts) -> list[Planned]:
    planned = []
    wanted = contract.schema.tenant_column  # named as in the file, or as in the table
    tenant_columns = [c.name for c in contract.schema.columns if wanted in (c.name, c.target)]
    if facts.tenant is not None and tenant_columns:
        planned.append(_tenant(tenant_columns[0], contract.schema.tenant or "", facts.tenant))
    moments = [c for c in _natural_key_columns(contract) if c.type in ("date", "timestamptz")]
    # With two moments in the key it cannot be told which of them is the delivery's day.
    if facts.day is not None and len(moments) == 1:
        name = moments[0].name
        identifier = sql.Identifier(name).as_string()
        # The session is in the source's zone, so this is the local day.
        condition = f"{identifier}::date <> DATE '{facts.day.isoformat()}'"
        arguments = {"column": name, "day": facts.day.isoformat()}
        describes = f"{name} must lie on {facts.day.isoformat()}, the day that is delivered"
        planned.append(_rows_query([name], condition, arguments, describes, "typed"))
    return planned


def _tenant(column: str, path: str, tenant: str) -> Planned:
    """Return the comparison of a file's column with the tenant's slug.

    A path of one step is a foreign key to the tenant, which holds the slug. At the end of a longer one stands
    a tenant that only the database knows; there the load decides, and a difference is but worth a warning.
    """
    arguments = {"column": column, "value_set": [tenant]}
    if "__" not in path:
        describes = f"{column} must be {tenant}, the tenant that delivers"
        return _plan("ExpectColumnValuesToBeInSet", arguments, "critical", describes)
    describes = (
        f"{column} should be {tenant}, the tenant that delivers, unless {path} leads there (the load decides)"
    )
    return _plan("ExpectColumnValuesToBeInSet", arguments, "warning", describes)


def _label(contract: ModelContract) -> list[Planned]:
    column = names.COLUMN_LABEL
    planned = [_not_null(column)]
    task, classes = contract.schema.task, contract.schema.classes
    if task == "regression":
        return planned
    count = 2 if task == "binary" else max(len(classes), 2)
    values = [float(value) for value in range(count)]
    words = ", ".join(f"{value:g}" for value in values)
    planned.append(
        _plan(
            "ExpectColumnValuesToBeInSet",
            {"column": column, "value_set": values},
            "critical",
            f"label must be one of {words}",
        )
    )
    arguments = {"column": column, "min_value": 2}
    describes = "label must have at least two different values"
    return [*planned, _plan("ExpectColumnUniqueValueCountToBeBetween", arguments, "critical", describes)]


def _feature(feature: FeatureSpec) -> list[Planned]:
    planned = [] if feature.nullable else [_not_null(feature.name)]
    planned += _between(feature.name, feature.minimum, feature.maximum, feature.unit)
    if feature.pattern is not None:
        arguments = {"column": feature.name, "regex": rf"^(?:{feature.pattern})\Z"}
        describes = f"{feature.name} must match {feature.pattern}"
        planned.append(_plan("ExpectColumnValuesToMatchRegex", arguments, "critical", describes))
    return planned
