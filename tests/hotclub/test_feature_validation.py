"""Features from outside: every field's error, at once."""

from __future__ import annotations

from typing import Any

import pytest

from hotclub.errors import InvalidInputError
from hotclub.feature_validation import MAX_ERRORS, validate_instances
from tests.factories import make_contract

GOOD = {"carrier": "AA", "hour": 5, "wind_speed": None, "holiday": True}


def test_good_rows_pass() -> None:
    """Whole rows, and rows without their nullable features, are accepted."""
    validate_instances(make_contract(), [GOOD, {"carrier": "AA", "hour": 5.0}])


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"hour": 24}, "instances.0.hour", "at most 23 in h, got 24"),
        ({"hour": -1}, "instances.0.hour", "at least 0 in h"),
        ({"hour": "5"}, "instances.0.hour", "must be a number in h, not a text"),
        ({"hour": True}, "instances.0.hour", "not a boolean"),
        ({"hour": None}, "instances.0.hour", "must not be null"),
        ({"hour": float("inf")}, "instances.0.hour", "finite"),
        ({"hour": 10**400}, "instances.0.hour", "too large"),
        ({"wind_speed": 1e39}, "instances.0.wind_speed", "too large"),
        ({"carrier": 7}, "instances.0.carrier", "text code"),
        ({"carrier": "A"}, "instances.0.carrier", "must match"),
        ({"carrier": "\ud800"}, "instances.0.carrier", "half of a surrogate pair"),
        ({"holiday": 1}, "instances.0.holiday", "true or false"),
        ({"wind_sped": 3}, "instances.0.wind_sped", "did you mean 'wind_speed'"),
        ({"xyzzy": 3}, "instances.0.xyzzy", "known are carrier, hour"),
    ],
)
def test_each_error_names_its_field_and_the_fix(change: dict[str, Any], field: str, words: str) -> None:
    """One wrong value is one error, at its path, saying what would be right."""
    with pytest.raises(InvalidInputError) as caught:
        validate_instances(make_contract(), [GOOD | change])
    (error,) = caught.value.errors
    assert error.field == field
    assert words in error.message


def test_all_errors_of_all_rows_at_once() -> None:
    """A missing feature in one row and a wrong one in another are reported together."""
    with pytest.raises(InvalidInputError) as caught:
        validate_instances(make_contract(), [{"hour": 5}, 3, GOOD | {"hour": 99}])
    assert [e.field for e in caught.value.errors] == [
        "instances.0.carrier",
        "instances.1",
        "instances.2.hour",
    ]


def test_errors_are_bounded() -> None:
    """A thousand wrong rows are answered with the first errors only."""
    with pytest.raises(InvalidInputError) as caught:
        validate_instances(make_contract(), [{}] * 1000)
    assert len(caught.value.errors) == MAX_ERRORS


@pytest.mark.parametrize("instances", [None, {}, "rows", 3])
def test_instances_must_be_an_array(instances: object) -> None:
    """Anything but an array is one error about the array."""
    with pytest.raises(InvalidInputError, match="must be an array of objects"):
        validate_instances(make_contract(), instances)
