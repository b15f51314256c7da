"""Declared expectations in plain words: what a data owner reads of ``ExpectColumnValuesToBeBetween``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from data_checks import words

Arguments = Mapping[str, Any]
_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def sentence(expectation: str, arguments: Arguments) -> str:
    """Return what must hold: the declaration's own `description`, else words for the common expectations."""
    description = arguments.get("description")
    if isinstance(description, str) and description.strip():
        return words.cut(" ".join(description.split()), words.LIMIT // 2)
    said = _SENTENCES.get(expectation, _other(expectation))(arguments)
    mostly = arguments.get("mostly")
    if isinstance(mostly, int | float) and mostly < 1:
        said += f" in at least {words.number(round(100 * mostly, 6))} % of the rows"
    if arguments.get("row_condition"):
        said += f" (where {words.cut(str(arguments['row_condition']), words.SHORT)})"
    return said


def _column(arguments: Arguments) -> str:
    return words.name(str(arguments.get("column")))


def _columns(arguments: Arguments) -> str:
    return words.listed(arguments.get("column_list") or arguments.get("column_set") or [], words.name)


def _between(arguments: Arguments) -> str:
    limits = words.bounds(
        arguments.get("min_value"),
        arguments.get("max_value"),
        above=bool(arguments.get("strict_min")),
        below=bool(arguments.get("strict_max")),
    )
    return limits or "anything"


def _values(arguments: Arguments) -> str:
    return words.listed(arguments.get("value_set") or [])


def _pattern(arguments: Arguments) -> str:
    found = arguments.get("regex") or arguments.get("like_pattern") or arguments.get("strftime_format")
    many = arguments.get("regex_list") or arguments.get("like_pattern_list")
    return words.listed(many, str) if many else words.cut(str(found), 2 * words.SHORT)


def _pair(arguments: Arguments, relation: str) -> str:
    first, second = (words.name(str(arguments.get(key))) for key in ("column_A", "column_B"))
    return f"{first} must be {relation} {second}"


def _greater(arguments: Arguments) -> str:
    return _pair(arguments, "at least" if arguments.get("or_equal") else "greater than")


def _about(what: str) -> Callable[[Arguments], str]:
    return lambda a: f"{what} of {_column(a)} must be {_between(a)}"


def _rule(rule: str, *details: Callable[[Arguments], str]) -> Callable[[Arguments], str]:
    return lambda a: rule.format(_column(a), *(detail(a) for detail in details))


def _other(expectation: str) -> Callable[[Arguments], str]:
    spoken = " ".join(part if part.isupper() else part.lower() for part in _CAPITAL.split(expectation))
    rule = spoken.removeprefix("expect ").removesuffix(" expectation")

    def said(arguments: Arguments) -> str:
        listed = ", ".join(
            f"{key} {item if isinstance(item, str) else words.value(item)}" for key, item in arguments.items()
        )
        return f"the check “{rule}” must hold for {words.cut(listed, 2 * words.SHORT)}"

    return said


_SENTENCES: Final[dict[str, Callable[[Arguments], str]]] = {
    "ExpectColumnValuesToNotBeNull": _rule("{} must not be empty"),
    "ExpectColumnValuesToBeNull": _rule("{} must be empty"),
    "ExpectColumnValuesToBeUnique": _rule("{} must be different in every row"),
    "ExpectColumnValuesToBeBetween": _rule("{} must be {}", _between),
    "ExpectColumnValuesToBeInSet": _rule("{} must be one of {}", _values),
    "ExpectColumnValuesToNotBeInSet": _rule("{} must not be one of {}", _values),
    "ExpectColumnDistinctValuesToBeInSet": _rule("{} must have no values but {}", _values),
    "ExpectColumnDistinctValuesToContainSet": _rule("{} must have each of the values {}", _values),
    "ExpectColumnDistinctValuesToEqualSet": _rule("{} must have exactly the values {}", _values),
    "ExpectColumnMostCommonValueToBeInSet": _rule("the most common value of {} must be one of {}", _values),
    "ExpectColumnValuesToMatchRegex": _rule("{} must match the pattern {}", _pattern),
    "ExpectColumnValuesToNotMatchRegex": _rule("{} must not match the pattern {}", _pattern),
    "ExpectColumnValuesToMatchRegexList": _rule("{} must match the patterns {}", _pattern),
    "ExpectColumnValuesToMatchLikePattern": _rule("{} must look like {}", _pattern),
    "ExpectColumnValuesToNotMatchLikePattern": _rule("{} must not look like {}", _pattern),
    "ExpectColumnValueLengthsToBeBetween": _rule("the length of {} must be {} characters", _between),
    "ExpectColumnValueLengthsToEqual": _rule(
        "{} must have {} characters", lambda a: words.value(a.get("value"))
    ),
    "ExpectColumnUniqueValueCountToBeBetween": _about("the number of different values"),
    "ExpectColumnProportionOfUniqueValuesToBeBetween": _about("the share of different values"),
    "ExpectColumnProportionOfNonNullValuesToBeBetween": _about("the share of rows with a value"),
    "ExpectColumnMaxToBeBetween": _about("the greatest value"),
    "ExpectColumnMinToBeBetween": _about("the smallest value"),
    "ExpectColumnMeanToBeBetween": _about("the mean"),
    "ExpectColumnMedianToBeBetween": _about("the median"),
    "ExpectColumnSumToBeBetween": _about("the sum"),
    "ExpectColumnStdevToBeBetween": _about("the standard deviation"),
    "ExpectColumnPairValuesAToBeGreaterThanB": _greater,
    "ExpectColumnPairValuesToBeEqual": lambda a: _pair(a, "equal to"),
    "ExpectCompoundColumnsToBeUnique": lambda a: f"{_columns(a)} together must be different in every row",
    "ExpectSelectColumnValuesToBeUniqueWithinRecord": lambda a: f"{_columns(a)} must differ within a row",
    "ExpectMulticolumnSumToEqual": lambda a: (
        f"the sum of {_columns(a)} must be {words.value(a.get('sum_total'))}"
    ),
    "ExpectTableRowCountToBeBetween": lambda a: f"the number of rows must be {_between(a)}",
    "ExpectTableRowCountToEqual": lambda a: f"the number of rows must be {words.value(a.get('value'))}",
    "UnexpectedRowsExpectation": lambda _: "no row may be found by the source's own query",
}
