"""The message of a check, in the data owner's words: what must hold, and what was found instead.

`sentence` is for declared expectations, such as ``ExpectColumnValuesToBeBetween``; what Hotclub itself expects is
described where it is planned. `holds`, `failed` and `not_computable` are for what came of an expectation, the others
for a file or a snapshot on which none can run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from data_checks import message_text

Arguments = Mapping[str, Any]
#: How many rows a message shows, if there is room for them.
_MAX_SHOWN_ROWS: Final = 5
#: How pandas writes a time that is not there.
_NO_TIME: Final = "NaT"
_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class RowLabel:
    """How a message names a row: the column that says which it is, and the word before it (``line``, ``entity``)."""

    column: str
    word: str


def not_a_table(problem: str) -> str:
    """Return the message of a delivered file that cannot be read."""
    return f"the file cannot be read as a CSV table: {problem}"


def long_row(first: int, last: int) -> str:
    """Return the message of a row that goes over suspiciously many lines."""
    return f"{_open_quote(first, last)} It is read as one row"


def missing_columns(missing: Sequence[str]) -> str:
    """Return the message of a snapshot without some of the contract's columns."""
    listed = message_text.listed(missing, message_text.name)
    return f"the snapshot must have the contract's columns; missing: {listed}"


def holds(describes: str) -> str:
    """Return the message of an expectation that holds."""
    return f"{describes}: holds"


def not_computable(describes: str, reason: str) -> str:
    """Return the message of an expectation that these values do not let Great Expectations evaluate."""
    return f"{describes}; that cannot be computed from these values: {reason}"


def failed(
    describes: str,
    detail: Mapping[str, Any],
    count: int,
    examples: list[Any],
    row_label: RowLabel,
    allowed: Sequence[Any] = (),
) -> str:
    """Return the message of an expectation that does not hold.

    Args:
        describes: what must hold, as planned.
        detail: the result of Great Expectations' answer.
        count: how many rows fail it, exactly.
        examples: some of those rows, under the file's names.
        row_label: how the message names a row.
        allowed: values that the expectation takes, where it lists them.
    """
    if "unexpected_count" not in detail and "unexpected_rows" not in (detail.get("details") or {}):
        observed = detail.get("observed_value")
        return f"{describes}; found {'no value' if observed is None else message_text.value(observed)}"
    with_row = [e for e in examples if isinstance(e, dict) and row_label.column in e]
    message = f"{describes}; wrong in {message_text.rows(count)}"
    if row_label.word == "line":
        hint = next((h for h in (_missing_quote(e, row_label) for e in with_row) if h), None)
        if hint is not None:
            return f"{message}: {hint}"
    hidden = next((h for h in (_hidden(e, row_label, allowed) for e in with_row) if h), None)
    if hidden is not None:
        # Without it the message contradicts what the reader sees, so it comes first, and is never cut.
        found = f"; wrong in {message_text.rows(count)}: {hidden}{', …' if count > 1 else ''}"
        return message_text.cut(describes, message_text.MAX_TEXT - len(found)) + found
    return message + _examples_that_fit(
        [_example(e, row_label) for e in with_row[:_MAX_SHOWN_ROWS]],
        count,
        message_text.MAX_TEXT - len(message),
    )


def _examples_that_fit(examples: list[str], count: int, room: int) -> str:
    """Return as many examples as there is room for, with ``…`` where there are more."""
    shown = ""
    for number, example in enumerate(examples, start=1):
        longer = f"{shown}, {example}" if shown else f": {example}"
        if len(longer) + (0 if number == count else len(", …")) > room:
            return f"{shown}, …" if shown else message_text.cut(longer, max(room, 1))
        shown = longer
    return f"{shown}, …" if shown and count > len(examples) else shown


def _example(example: dict[str, Any], row_label: RowLabel) -> str:
    """Return a row for a message: ``line 4 "2.5"``; several values with their names, what is empty without a word."""
    row = example[row_label.column]
    values = {k: v for k, v in example.items() if k != row_label.column and v not in (None, _NO_TIME)}
    place = (
        f"a row without {row_label.word}" if row is None else f"{row_label.word} {_row_name(row, row_label)}"
    )
    if len(values) == 1:
        return f"{place} {message_text.value(next(iter(values.values())))}"
    listed = ", ".join(
        f"{message_text.name(key)} {message_text.value(value)}" for key, value in values.items()
    )
    return f"{place} ({message_text.cut(listed, 2 * message_text.MAX_SHORT_TEXT)})" if listed else place


def _hidden(example: dict[str, Any], row_label: RowLabel, allowed: Sequence[Any]) -> str | None:
    """Return a row of one value with what the eye does not see of it; None where there is no such thing."""
    texts = [v for k, v in example.items() if k != row_label.column and isinstance(v, str)]
    said = message_text.hidden_difference(texts[0], allowed) if len(texts) == 1 else None
    return f"{_example(example, row_label)} ({said})" if said else None


def _row_name(row: Any, row_label: RowLabel) -> str:
    if row_label.word == "line":
        return f"{row:,}"
    return message_text.number(row) if isinstance(row, float) else message_text.cut(str(row))


def _missing_quote(example: dict[str, Any], row_label: RowLabel) -> str | None:
    """Say where a value with line breaks begins and ends: it looks like a quote that is missing."""
    first = example[row_label.column]
    for value in example.values():
        if isinstance(value, str) and "\n" in value.strip():
            last = first + value.count("\n")
            return _open_quote(first, last)
    return None


def _open_quote(first: int, last: int) -> str:
    return f"a quote that opens on line {first:,} closes on line {last:,}: is one missing?"


def sentence(expectation: str, arguments: Arguments) -> str:
    """Return what must hold: the declaration's own `description`, else words for the common expectations."""
    description = arguments.get("description")
    if isinstance(description, str) and description.strip():
        return message_text.cut(" ".join(description.split()), message_text.MAX_TEXT // 2)
    said = _SENTENCES.get(expectation, _other(expectation))(arguments)
    mostly = arguments.get("mostly")
    if isinstance(mostly, int | float) and mostly < 1:
        said += f" in at least {message_text.number(round(100 * mostly, 6))} % of the rows"
    if arguments.get("row_condition"):
        said += f" (where {message_text.cut(str(arguments['row_condition']), message_text.MAX_SHORT_TEXT)})"
    return said


def _column(arguments: Arguments) -> str:
    return message_text.name(str(arguments.get("column")))


def _columns(arguments: Arguments) -> str:
    return message_text.listed(
        arguments.get("column_list") or arguments.get("column_set") or [], message_text.name
    )


def _between(arguments: Arguments) -> str:
    limits = message_text.bounds(
        arguments.get("min_value"),
        arguments.get("max_value"),
        above=bool(arguments.get("strict_min")),
        below=bool(arguments.get("strict_max")),
    )
    return limits or "anything"


def _values(arguments: Arguments) -> str:
    return message_text.listed(arguments.get("value_set") or [])


def _pattern(arguments: Arguments) -> str:
    found = arguments.get("regex") or arguments.get("like_pattern") or arguments.get("strftime_format")
    many = arguments.get("regex_list") or arguments.get("like_pattern_list")
    return (
        message_text.listed(many, str)
        if many
        else message_text.cut(str(found), 2 * message_text.MAX_SHORT_TEXT)
    )


def _pair(arguments: Arguments, relation: str) -> str:
    first, second = (message_text.name(str(arguments.get(key))) for key in ("column_A", "column_B"))
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
            f"{key} {item if isinstance(item, str) else message_text.value(item)}"
            for key, item in arguments.items()
        )
        return f"the check “{rule}” must hold for {message_text.cut(listed, 2 * message_text.MAX_SHORT_TEXT)}"

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
        "{} must have {} characters", lambda a: message_text.value(a.get("value"))
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
        f"the sum of {_columns(a)} must be {message_text.value(a.get('sum_total'))}"
    ),
    "ExpectTableRowCountToBeBetween": lambda a: f"the number of rows must be {_between(a)}",
    "ExpectTableRowCountToEqual": lambda a: (
        f"the number of rows must be {message_text.value(a.get('value'))}"
    ),
    "UnexpectedRowsExpectation": lambda _: "no row may be found by the source's own query",
}
