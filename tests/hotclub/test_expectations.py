"""The published signatures, as declarations are checked by them."""

from __future__ import annotations

from hotclub.expectations import Argument, signatures


def test_an_expectation_has_its_arguments_with_types_choices_and_limits() -> None:
    """As the file has them, which data_checks writes."""
    found = signatures().usable["ExpectColumnPairValuesToBeEqual"]
    assert found.column_types == ()
    assert found.arguments["column_A"] == Argument(required=True, types=("string",))
    assert found.arguments["mostly"] == Argument(required=False, types=("number",), minimum=0, maximum=1)
    assert found.arguments["ignore_row_if"] == Argument(
        required=False,
        types=("string",),
        choices=("both_values_are_missing", "either_value_is_missing", "neither"),
    )
    assert signatures().usable["ExpectColumnValuesToMatchRegexList"].arguments["regex_list"].items == (
        "string",
    )
    assert signatures().usable["ExpectColumnMeanToBeBetween"].column_types == (
        "integer", "bigint", "float8", "numeric",
    )  # fmt: skip


def test_what_cannot_check_a_delivery_has_a_reason() -> None:
    """And is not among what can."""
    refused = signatures().refused
    assert "pandas" in refused["ExpectColumnValuesToBeIncreasing"]
    assert not set(refused) & set(signatures().usable)
    assert signatures() is signatures()
