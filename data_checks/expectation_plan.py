"""One planned expectation: which class of Great Expectations, with what, and what the report says of it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation

from data_checks import message_text
from data_checks.errors import CheckError
from data_checks.staging_tables import ViewKind
from data_checks.values import BATCH
from hotclub.expectations import COLUMN_ARGUMENTS, COLUMN_LIST_ARGUMENTS
from hotclub.severities import CRITICAL, Severity


@dataclass(frozen=True, slots=True)
class PlannedExpectation:
    """An expectation to run, and what its result says.

    Attributes:
        arguments: what the report shows, with the file's names; not SQL.
        describes: what must hold, for the message: ``"carrier must not be empty"``.
        reported_as: the name in the report where it is not the class's own.
        shown: the file's name of every column of the view that has another there.
    """

    expectation: Expectation
    arguments: dict[str, Any]
    severity: Severity
    describes: str
    on: ViewKind = "typed"
    reported_as: str = ""
    shown: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The expectation's name in the report: its class in Great Expectations, as a rule."""
        return self.reported_as or type(self.expectation).__name__


class Planner:
    """Makes planned expectations of columns that may have another name where the checks run.

    Args:
        aliases: the name there, by the name in the contract; others stay.
    """

    def __init__(self, aliases: Mapping[str, str] | None = None) -> None:
        self._aliases = dict(aliases or {})
        self._shown = {alias: name for name, alias in self._aliases.items() if alias != name}

    def alias(self, column: str) -> str:
        """Return a column's name where the checks run."""
        return self._aliases.get(column, column)

    def plan(
        self,
        name: str,
        arguments: Mapping[str, Any],
        describes: str,
        *,
        severity: Severity = CRITICAL,
        on: ViewKind = "typed",
    ) -> PlannedExpectation:
        """Plan a class of Great Expectations with arguments that name columns as the contract does.

        Raises:
            CheckError: there is no such class, or it does not take these arguments.
        """
        cls = expectation_class(name, arguments)
        unknown = [key for key in arguments if key not in cls.__fields__]
        if unknown:
            raise CheckError(name, arguments, f"it takes no argument {', '.join(unknown)}")
        try:
            expectation = cls(severity=severity, **self._translated(arguments))
        except (ValueError, TypeError) as error:
            reason = "; ".join(line.strip() for line in str(error).splitlines()[1:]) or str(error)
            raise CheckError(name, arguments, reason) from error
        return PlannedExpectation(expectation, dict(arguments), severity, describes, on, shown=self._shown)

    def query(
        self,
        text: str,
        arguments: Mapping[str, Any],
        describes: str,
        *,
        severity: Severity = CRITICAL,
        on: ViewKind = "typed",
        reported_as: str = "",
    ) -> PlannedExpectation:
        """Plan that an SQL query over `BATCH` finds no row; the report shows `arguments`, not the SQL."""
        # Great Expectations formats the query, so braces of a pattern are doubled.
        braced = text.replace("{", "{{").replace("}", "}}").replace(BATCH, "{batch}")
        expectation = gxe.UnexpectedRowsExpectation(severity=severity, unexpected_rows_query=braced)
        return PlannedExpectation(
            expectation, dict(arguments), severity, describes, on, reported_as, self._shown
        )

    def not_null(self, column: str, on: ViewKind = "typed") -> PlannedExpectation:
        """Plan that a column has a value in every row."""
        describes = f"{message_text.name(column)} must not be empty"
        return self.plan("ExpectColumnValuesToNotBeNull", {"column": column}, describes, on=on)

    def between(
        self, column: str, minimum: float | None, maximum: float | None, unit: str = ""
    ) -> list[PlannedExpectation]:
        """Plan a column's inclusive bounds, if it has any."""
        limits = {"min_value": minimum, "max_value": maximum}
        given = {key: limit for key, limit in limits.items() if limit is not None}
        if not given:
            return []
        describes = (
            f"{message_text.name(column)} must be {message_text.bounds(minimum, maximum)} {unit}".rstrip()
        )
        return [self.plan("ExpectColumnValuesToBeBetween", {"column": column, **given}, describes)]

    def _translated(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(arguments)
        for key in COLUMN_ARGUMENTS:
            if isinstance(given.get(key), str):
                given[key] = self.alias(given[key])
        for key in COLUMN_LIST_ARGUMENTS:
            if key in given:
                given[key] = [self.alias(column) for column in given[key]]
        return given


def expectation_class(name: str, arguments: Mapping[str, Any]) -> type[Expectation]:
    """Return Great Expectations' class of a name; CheckError with the nearest name when there is none."""
    found = getattr(gxe, name, None)
    if isinstance(found, type) and issubclass(found, Expectation):
        return found
    near = difflib.get_close_matches(name, [n for n in dir(gxe) if n.startswith("Expect")], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise CheckError(name, arguments, f"Great Expectations has no such expectation{hint}")
