"""The signatures that declarations are checked by are those of Great Expectations as it is installed, and they work."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from data_checks import checks, commands, signatures, staging_tables
from data_checks.delivery_suite import DeliveryFacts
from data_checks.errors import EXIT_USAGE, CheckError
from hotclub import expectations
from hotclub.contract import CheckSpec
from tests.data_checks.conftest import source_contract
from tests.data_checks.test_checks import NOW

_BETWEEN: Final = {"min_value": 0, "max_value": 100}
_PRICE: Final = {"column": "price"}
_SHOP: Final = {"column": "shop"}
_PAIR: Final = {"column_A": "price", "column_B": "paid"}
_LIST: Final = {"column_list": ["price", "paid"]}
#: Arguments of every expectation that a source may declare, which hold for the rows below.
USABLE: Final[dict[str, dict[str, Any]]] = {
    "ExpectColumnDistinctValuesToBeInSet": {"column": "number", "value_set": [1, 2, 3]},
    "ExpectColumnDistinctValuesToContainSet": _SHOP | {"value_set": ["EWR"]},
    "ExpectColumnDistinctValuesToEqualSet": _SHOP | {"value_set": ["EWR"]},
    "ExpectColumnKLDivergenceToBeLessThan": {
        "column": "state",
        "partition_object": {"values": ["new", "sent"], "weights": [0.5, 0.5]},
        "threshold": 0.9,
    },
    "ExpectColumnMaxToBeBetween": _PRICE | _BETWEEN,
    "ExpectColumnMeanToBeBetween": _PRICE | _BETWEEN,
    "ExpectColumnMedianToBeBetween": _PRICE | _BETWEEN,
    "ExpectColumnMinToBeBetween": _PRICE | _BETWEEN,
    "ExpectColumnMostCommonValueToBeInSet": _SHOP | {"value_set": ["EWR"], "ties_okay": True},
    "ExpectColumnPairValuesAToBeGreaterThanB": _PAIR | {"or_equal": True},
    "ExpectColumnPairValuesToBeEqual": _PAIR | {"mostly": 0.3},
    "ExpectColumnPairValuesToBeInSet": {
        "column_A": "shop",
        "column_B": "state",
        "value_pairs_set": [["EWR", "new"], ["EWR", "sent"]],
    },
    "ExpectColumnProportionOfNonNullValuesToBeBetween": _PRICE | _BETWEEN,
    "ExpectColumnProportionOfUniqueValuesToBeBetween": _PRICE | _BETWEEN,
    "ExpectColumnQuantileValuesToBeBetween": _PRICE
    | {"quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 100]]}},
    "ExpectColumnStdevToBeBetween": _PRICE | _BETWEEN,
    "ExpectColumnSumToBeBetween": _PRICE | _BETWEEN,
    "ExpectColumnUniqueValueCountToBeBetween": _PRICE | _BETWEEN,
    "ExpectColumnValueLengthsToBeBetween": _SHOP | _BETWEEN,
    "ExpectColumnValueLengthsToEqual": _SHOP | {"value": 3},
    "ExpectColumnValueZScoresToBeLessThan": _PRICE | {"threshold": 3, "double_sided": True},
    "ExpectColumnValuesToBeBetween": {"column": "ordered_at", "min_value": "2013-01-01", "strict_min": True},
    "ExpectColumnValuesToBeInSet": {"column": "number", "value_set": [1, 2, 3]},
    "ExpectColumnValuesToBeNull": {"column": "gift {x}"},
    "ExpectColumnValuesToBeUnique": {"column": "number"},
    "ExpectColumnValuesToMatchLikePattern": _SHOP | {"like_pattern": "E%", "escape": "!"},
    "ExpectColumnValuesToMatchLikePatternList": _SHOP | {"like_pattern_list": ["E%"], "match_on": "all"},
    "ExpectColumnValuesToMatchRegex": _SHOP | {"regex": r"(?i)^\m[[:alpha:]]+$"},
    "ExpectColumnValuesToMatchRegexList": _SHOP | {"regex_list": ["^[A-Z]+$"]},
    "ExpectColumnValuesToNotBeInSet": {"column": "number", "value_set": [7]},
    "ExpectColumnValuesToNotBeNull": {"column": "number"},
    "ExpectColumnValuesToNotBeOutliers": _PRICE | {"method": "std", "multiplier": 3},
    "ExpectColumnValuesToNotMatchLikePattern": _SHOP | {"like_pattern": "X%"},
    "ExpectColumnValuesToNotMatchLikePatternList": _SHOP | {"like_pattern_list": ["X%"]},
    "ExpectColumnValuesToNotMatchRegex": _SHOP | {"regex": "X"},
    "ExpectColumnValuesToNotMatchRegexList": _SHOP | {"regex_list": ["X"]},
    "ExpectCompoundColumnsToBeUnique": {"column_list": ["shop", "number"]},
    "ExpectMulticolumnSumToEqual": _LIST | {"sum_total": 3, "mostly": 0.3},
    "ExpectMulticolumnValuesToBeEqual": _LIST | {"mostly": 0.3},
    "ExpectSelectColumnValuesToBeUniqueWithinRecord": _LIST | {"mostly": 0.3},
    "ExpectTableRowCountToBeBetween": _BETWEEN,
    "ExpectTableRowCountToEqual": {"value": 3},
    "UnexpectedRowsExpectation": {"unexpected_rows_query": "SELECT * FROM {batch} WHERE price < 0"},
}
#: Of those that may not, the ones that Great Expectations cannot run on a delivery.
BROKEN: Final[dict[str, dict[str, Any]]] = {
    "ExpectColumnValuesToBeDateutilParseable": _SHOP,
    "ExpectColumnValuesToBeDecreasing": {"column": "number"},
    "ExpectColumnValuesToBeIncreasing": {"column": "number"},
    "ExpectColumnValuesToBeJsonParseable": _SHOP,
    "ExpectColumnValuesToMatchJsonSchema": _SHOP | {"json_schema": {}},
    "ExpectColumnValuesToMatchStrftimeFormat": _SHOP | {"strftime_format": "%Y"},
    "ExpectTableRowCountToEqualOtherTable": {"other_table_name": "elsewhere"},
}
_ROWS: Final = (
    "EWR,1,2013-11-01 05:00,2,1,new,",
    "EWR,2,2013-11-01 06:00,2,1.5,sent,",
    "EWR,3,2013-11-01 07:00,1.5,1.5,new,",
)


def test_the_file_is_in_step_with_great_expectations(tmp_path: Path) -> None:
    """An update of Great Expectations that adds, takes away or changes an expectation shows here."""
    assert signatures.are_written(), "run python -m data_checks signatures, and commit what it writes"
    assert commands.main(["signatures", "--check"]) == 0
    other = tmp_path / "signatures.json"
    assert not signatures.are_written(other)
    assert signatures.write(other).read_text() == expectations.FILE.read_text()
    other.write_text(other.read_text().replace("value_set", "value_list"))
    assert not signatures.are_written(other)


def test_a_file_that_is_out_of_step_fails_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what to run."""
    monkeypatch.setattr(signatures, "are_written", lambda: False)
    assert commands.main(["signatures", "--check"]) == EXIT_USAGE
    assert "run python -m data_checks signatures" in capsys.readouterr().err


def test_every_usable_expectation_is_tried() -> None:
    """One that is new gets arguments here, or a reason why it is refused."""
    assert set(expectations.signatures().usable) == set(USABLE)
    assert set(BROKEN) < set(expectations.signatures().refused)


def test_every_usable_expectation_runs_on_a_delivery(stager_url: str, csv_file: Callable[..., Path]) -> None:
    """None needs pandas, another table or a data source, and each holds for rows that are right."""
    contract = source_contract(*(CheckSpec(name, "critical", a) for name, a in USABLE.items()))
    delivery = str(uuid.uuid4())
    staging_tables.stage(stager_url, delivery, csv_file(*_ROWS), contract)
    report = checks.check_delivery(stager_url, contract, delivery, DeliveryFacts(), lambda: NOW)
    assert [r.message for r in report.results if not r.success] == []
    assert {r.expectation for r in report.results} >= set(USABLE)


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_refused_cannot_run(stager_url: str, csv_file: Callable[..., Path], name: str) -> None:
    """Else it should be allowed."""
    contract = source_contract(CheckSpec(name, "critical", BROKEN[name]))
    delivery = str(uuid.uuid4())
    staging_tables.stage(stager_url, delivery, csv_file(*_ROWS), contract)
    with pytest.raises(CheckError):
        checks.check_delivery(stager_url, contract, delivery, DeliveryFacts(), lambda: NOW)
