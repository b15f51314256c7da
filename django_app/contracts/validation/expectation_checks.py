"""Checks of a declared `Check`: its name, severity, columns and arguments, by the signatures that data_checks publishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django_app.contracts.validation.argument_checks import (
    moment_of,
    pattern_problem,
    query_problem,
    value_of_column,
    value_problem,
    wanted,
)
from django_app.contracts.validation.shown_values import shown
from hotclub import severities
from hotclub.contract import ColumnSpec
from hotclub.declarations import Check
from hotclub.errors import ContractError
from hotclub.expectations import COLUMN_ARGUMENTS, COLUMN_LIST_ARGUMENTS, Signature, signatures

_BOUNDS = ("min_value", "max_value")
_PATTERNS = ("regex", "regex_list")
_VALUE_SETS = ("value_set",)


@dataclass(frozen=True)
class FileColumns:
    """The columns that a check may name.

    Attributes:
        declared: the names of the file's columns, also of those that are wrong in themselves.
        specs_by_name: the columns that are right.
    """

    declared: tuple[str, ...]
    specs_by_name: Mapping[str, ColumnSpec]

    @property
    def specs(self) -> dict[str, ColumnSpec]:
        """The columns that are right, by the table's name and by the file's."""
        return {spec.target: spec for spec in self.specs_by_name.values()} | dict(self.specs_by_name)


def check_declared(check: Check, columns: FileColumns | None, note: Callable[[str], None]) -> None:
    """Note what is wrong with a declared check, each with the fix.

    Args:
        check: as it was declared.
        columns: of the source, None where they are not known.
        note: takes a message.

    Raises:
        ContractError: its expectation cannot be used at all.
    """
    if not isinstance(check.severity, str) or check.severity not in severities.ORDER:
        allowed = ", ".join(f'"{each}"' for each in reversed(severities.ORDER))
        note(f"severity: {shown(check.severity)} must be one of {allowed}")
    signature = _signature(check.expectation)
    given = {key: value for key, value in check.arguments.items() if key in signature.arguments}
    wrong = {key: p for key, value in given.items() if (p := value_problem(value, signature.arguments[key]))}
    right = {key: value for key, value in given.items() if key not in wrong}
    for problem in (
        *_argument_problems(check, signature),
        *(f"{key}: {problem}" for key, problem in wrong.items()),
        *_column_problems(right, columns, signature),
        *_meaning(right, columns, signature),
    ):
        note(f"{check.expectation}: {problem}")


def _argument_problems(check: Check, signature: Signature) -> Iterator[str]:
    """Yield what is wrong with which arguments are given."""
    if check.unnamed:
        listed = ", ".join(map(shown, check.unnamed))
        yield f'{listed} has no name; write arguments by name, such as column="distance"'
    yield from (_unknown(key, signature) for key in check.arguments if key not in signature.arguments)
    for key, said in signature.arguments.items():
        if said.required and key not in check.arguments:
            yield f"{key} is missing: give {wanted(said)}"
    if set(_BOUNDS) <= set(signature.arguments) and not {*_BOUNDS, "partition_object"} & set(check.arguments):
        yield "min_value or max_value is missing: give at least one"


def _signature(name: Any) -> Signature:
    known = signatures()
    if not isinstance(name, str) or not name:
        raise ContractError(f"{shown(name)} must be the name of an expectation, the first argument of Check")
    if name in known.refused:
        raise ContractError(f"{name} cannot check a delivery: {known.refused[name]}")
    found = known.usable.get(name)
    if found is None:
        # snake_case is how Great Expectations' older versions write it.
        camel = "".join(part.capitalize() for part in name.split("_")) if "_" in name else name
        near = [camel] if camel in known.usable else get_close_matches(camel, known.usable, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see Great Expectations' list of expectations"
        raise ContractError(f"{shown(name)} is no expectation; {hint}")
    return found


def _unknown(argument: str, signature: Signature) -> str:
    if argument in ("row_condition", "condition_parser"):
        return (
            f"{argument} is not taken; write the condition as a query: "
            'Check("UnexpectedRowsExpectation", unexpected_rows_query="SELECT * FROM {batch} WHERE …")'
        )
    near = get_close_matches(argument, signature.arguments, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(sorted(signature.arguments))}"
    return f"it takes no argument {argument!r}; {hint}"


def _named(given: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the columns that a check names, with the argument that does."""
    single = [(key, given[key]) for key in COLUMN_ARGUMENTS if key in given]
    return single + [(key, name) for key in COLUMN_LIST_ARGUMENTS for name in given.get(key, ())]


def _column_problems(
    given: Mapping[str, Any], columns: FileColumns | None, signature: Signature
) -> list[str]:
    if columns is None:
        return []
    found = []
    for key, name in _named(given):
        spec = columns.specs.get(name)
        if spec is None and name not in columns.declared:
            near = get_close_matches(name, columns.declared, n=1)
            hint = (
                f"did you mean {near[0]!r}?"
                if near
                else f"there are: {', '.join(map(str, columns.declared))}"
            )
            found.append(f"{key}: the file has no column {name!r}; {hint}")
        elif spec is not None and signature.column_types and spec.type not in signature.column_types:
            found.append(
                f"{key}: {name!r} is of type {spec.type}; it needs one of {', '.join(signature.column_types)}"
            )
    for key in COLUMN_LIST_ARGUMENTS:
        named = list(given.get(key, ()))
        if len(named) != len(set(named)):
            found.append(f"{key}: a column is there twice; leave one out")
        elif len(named) == 1:
            found.append(f"{key}: it compares columns; name at least two")
    if "column_A" in given and given.get("column_A") == given.get("column_B"):
        found.append("column_B: it is the same as column_A; name another column")
    return found


def _meaning(given: Mapping[str, Any], columns: FileColumns | None, signature: Signature) -> list[str]:
    """Return what is wrong with values that have the right type."""
    types = {columns.specs[name].type for _, name in _named(given) if columns and name in columns.specs}
    kind = types.pop() if len(types) == 1 else ""
    found = _bound_problems(given, signature, kind)
    for key in _VALUE_SETS:
        found += [p for value in given.get(key, ()) if (p := value_of_column(key, value, kind))]
    for key in _PATTERNS:
        patterns = given.get(key, ())
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            if (problem := pattern_problem(pattern)) is not None:
                found.append(f"{key}: {shown(pattern)} is no regular expression of PostgreSQL: {problem}")
    if len(given.get("escape", "x")) != 1:
        found.append(f"escape: {shown(given['escape'])} must be one character")
    for pair in given.get("value_pairs_set", ()):
        if len(pair) != 2:
            found.append(f"value_pairs_set: {shown(pair)} must be a pair")
    query = given.get("unexpected_rows_query")
    if query is not None and (problem := query_problem(query)) is not None:
        found.append(f"unexpected_rows_query: {problem}")
    return found


def _bound_problems(given: Mapping[str, Any], signature: Signature, kind: str) -> list[str]:
    if not set(_BOUNDS) <= set(signature.arguments):
        return []
    found = []
    limits: dict[str, Any] = {}
    for key in _BOUNDS:
        if key not in given:
            continue
        value = given[key]
        problem = value_of_column(key, value, kind) if "string" in signature.arguments[key].types else None
        if problem is not None:
            found.append(problem)
            continue
        limits[key] = moment_of(value) if isinstance(value, str) else value
    low, high = (limits.get(key) for key in _BOUNDS)
    if low is not None and high is not None:
        if low > high:
            found.append(f"min_value: {given['min_value']} is greater than max_value, {given['max_value']}")
        elif low == high and (given.get("strict_min") or given.get("strict_max")):
            found.append(f"min_value: {given['min_value']} is max_value, and no value is strictly within")
    return found
