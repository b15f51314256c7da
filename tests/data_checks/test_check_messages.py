"""Messages of checks: what must hold, in the data owner's words."""

from __future__ import annotations

from typing import Any

import pytest

from data_checks import check_messages


@pytest.mark.parametrize(
    ("expectation", "arguments", "sentence"),
    [
        ("ExpectColumnValuesToNotBeNull", {"column": "a"}, "a must not be empty"),
        ("ExpectColumnValuesToNotBeNull", {"column": "a", "mostly": 0.8}, "a must not be empty in at least 80 % of the rows"),
        ("ExpectColumnValuesToBeBetween", {"column": "a", "min_value": 1, "max_value": 1e6}, "a must be at least 1 and at most 1000000"),
        ("ExpectColumnValuesToBeBetween", {"column": "a", "min_value": 0, "strict_min": True}, "a must be more than 0"),
        ("ExpectColumnValuesToBeInSet", {"column": "a", "value_set": ["x", 2]}, 'a must be one of "x", 2'),
        ("ExpectColumnValuesToBeInSet", {"column": "a", "value_set": list(range(100))}, "a must be one of 0, 1, 2, 3, 4, 5, 6, 7 and 92 more"),
        ("ExpectColumnValuesToMatchRegex", {"column": "Nr ", "regex": "^[a-z]+$"}, '"Nr " must match the pattern ^[a-z]+$'),
        ("ExpectColumnPairValuesAToBeGreaterThanB", {"column_A": "a", "column_B": "b"}, "a must be greater than b"),
        ("ExpectColumnPairValuesAToBeGreaterThanB", {"column_A": "a", "column_B": "b", "or_equal": True}, "a must be at least b"),
        ("ExpectCompoundColumnsToBeUnique", {"column_list": ["a", "b"]}, "a, b together must be different in every row"),
        ("ExpectTableRowCountToBeBetween", {"min_value": 100, "max_value": 2000}, "the number of rows must be at least 100 and at most 2000"),
        ("ExpectColumnMeanToBeBetween", {"column": "a", "max_value": 5}, "the mean of a must be at most 5"),
        ("UnexpectedRowsExpectation", {"unexpected_rows_query": "SELECT 1", "description": "a pays\n b"}, "a pays b"),
        ("ExpectColumnKLDivergenceToBeLessThan", {"column": "a", "threshold": 0.1}, "the check “column KL divergence to be less than” must hold for column a, threshold 0.1"),
    ],
)  # fmt: skip
def test_declared_checks_are_sentences(expectation: str, arguments: dict[str, Any], sentence: str) -> None:
    """A data owner reads what must hold, never the name of a class."""
    assert check_messages.sentence(expectation, arguments) == sentence
