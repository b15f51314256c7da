"""Suites on real PostgreSQL: what a delivery's report says."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_checks import checks, staging
from data_checks.errors import CheckError, StagingError
from data_checks.report import Report
from data_checks.suite import DeliveryFacts, source_suite
from hotclub.contract import CheckSpec, ModelContract, SourceContract

DELIVERY = str(uuid.UUID(int=8))
NOW = dt.datetime(2013, 11, 2, tzinfo=dt.UTC)
GOOD = "EWR,1,2013-11-01 08:00,10,5,new,t"
Write = Callable[..., Path]


def check(url: str, contract: SourceContract, path: Path, facts: DeliveryFacts | None = None) -> Report:
    """Stage a file and check it."""
    staging.stage(url, DELIVERY, path, contract)
    return checks.check_delivery(url, contract, DELIVERY, facts or DeliveryFacts(), lambda: NOW)


def failures(report: Report) -> dict[tuple[str, str], int]:
    """Return the unexpected counts of what failed, by expectation and column."""

    def column(arguments: dict[str, Any]) -> str:
        return str(arguments.get("column") or arguments.get("column_list") or "")

    return {(r.expectation, column(r.arguments)): r.unexpected_count for r in report.results if not r.success}


def test_good_file_passes_every_expectation(
    stager_url: str, contract: SourceContract, csv_file: Write
) -> None:
    """A file that is as the contract says gives a report without a failure, in the shape that Django reads."""
    path = csv_file(GOOD, "EWR,2,2013-11-01 23:30:00-04,,,,")
    report = check(stager_url, contract, path, DeliveryFacts("EWR", dt.date(2013, 11, 1)))
    assert failures(report) == {}
    content = json.loads(json.dumps(report.to_json()))
    assert set(content) == {
        "source", "delivery", "rows", "contract_version", "started_at", "finished_at", "success", "results",
    }  # fmt: skip
    assert (content["source"], content["delivery"], content["rows"], content["contract_version"]) == (
        "orders", DELIVERY, 2, 3,
    )  # fmt: skip
    assert content["success"]
    assert set(content["results"][0]) == {
        "expectation", "arguments", "severity", "success", "unexpected_count", "unexpected_examples", "message",
    }  # fmt: skip


def test_every_kind_of_fault_is_found_and_counted(
    stager_url: str, contract: SourceContract, csv_file: Write
) -> None:
    """Each rule that the columns imply finds its own bad rows and only those, exactly counted."""
    path = csv_file(
        GOOD,
        GOOD,
        "EWR,2.5,2013-11-01 08:00,NaN,,new,maybe",
        "EWR,0,yesterday,-1,,old,",
        "TOOLONG,4,2013-11-01 08:00,1001,x,sent,f",
        ",5,2013-02-30,1,,sent,f",
    )
    report = check(stager_url, contract, path)
    assert failures(report) == {
        ("ExpectColumnValuesToNotBeNull", "shop"): 1,
        ("ExpectColumnValueLengthsToBeBetween", "shop"): 1,
        ("UnexpectedRowsExpectation", "number"): 1,
        ("ExpectColumnValuesToBeBetween", "number"): 1,
        ("UnexpectedRowsExpectation", "ordered_at"): 2,
        ("UnexpectedRowsExpectation", "price"): 1,
        ("ExpectColumnValuesToBeBetween", "price"): 2,
        ("UnexpectedRowsExpectation", "paid"): 1,
        ("ExpectColumnValuesToBeInSet", "state"): 1,
        ("UnexpectedRowsExpectation", "gift {x}"): 1,
        ("ExpectCompoundColumnsToBeUnique", "['shop', 'number', 'ordered_at']"): 2,
    }
    found = {r.message for r in report.results if not r.success}
    assert "number must be of type integer; 1 row does not (rows 3)" in found
    assert "ordered_at must be of type timestamptz; 2 rows do not (rows 4, 6)" in found
    assert "price must be at least 0 and at most 1000; 2 rows do not (rows 4, 5)" in found
    examples = next(r for r in report.results if r.arguments == {"column": "number", "type": "integer"})
    assert examples.unexpected_examples == [{"_row": 3, "number": "2.5"}]


def test_counts_are_exact_and_examples_few(
    stager_url: str, contract: SourceContract, csv_file: Write
) -> None:
    """Past the 200 rows that Great Expectations itself would show, counts are still right."""
    path = csv_file(*(f"EWR,{n},2013-11-01 08:00,{2000 + n},x,old,t" for n in range(1, 701)))
    report = check(stager_url, contract, path)
    assert failures(report) == {
        ("ExpectColumnValuesToBeBetween", "price"): 700,
        ("UnexpectedRowsExpectation", "paid"): 700,
        ("ExpectColumnValuesToBeInSet", "state"): 700,
    }
    assert {len(r.unexpected_examples) for r in report.results if not r.success} == {20}


def test_tenant_and_day_are_compared_in_the_source_zone(
    stager_url: str, contract: SourceContract, csv_file: Write
) -> None:
    """Rows of another tenant or another local day are found; 23:30 in New York is still that day."""
    path = csv_file(
        GOOD, "JFK,2,2013-11-02 03:30:00Z,1,,,", "EWR,3,2013-11-01T23:59,1,,,", "EWR,4,2013-11-02 00:00,1,,,"
    )
    report = check(stager_url, contract, path, DeliveryFacts("EWR", dt.date(2013, 11, 1)))
    assert failures(report) == {
        ("ExpectColumnValuesToBeInSet", "shop"): 1,
        ("UnexpectedRowsExpectation", "ordered_at"): 1,
    }


def test_tenant_at_the_end_of_a_path_is_left_to_the_load(
    stager_url: str, contract: SourceContract, csv_file: Write
) -> None:
    """A column that names the tenant is critical; one that only leads to it is a warning that says so."""
    path, facts = csv_file(GOOD, "JFK,2,2013-11-01 08:00,1,,,"), DeliveryFacts("EWR", None)
    (direct,) = check(stager_url, contract, path, facts).failed("critical")
    assert direct.message.startswith("shop must be EWR, the tenant that delivers")
    contract = replace(contract, schema=replace(contract.schema, tenant="shop__owner"))
    report = check(stager_url, contract, path, facts)
    assert report.failed("critical") == []
    (led,) = report.failed("warning")
    assert "unless shop__owner leads there" in led.message
    assert led.unexpected_count == 1


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("shop,number,ordered_at,price,paid,state", "missing: gift {x}"),
        ("shop,number,ordered_at,price,paid,state,gift {x},extra", "unknown: extra"),
    ],
)
def test_wrong_columns_are_one_critical_result(
    stager_url: str, contract: SourceContract, csv_file: Write, header: str, message: str
) -> None:
    """Missing or unknown columns are named in the only result, which is critical."""
    report = check(stager_url, contract, csv_file(header=header))
    assert [(r.expectation, r.severity, r.success) for r in report.results] == [
        ("ExpectTableColumnsToMatchSet", "critical", False)
    ]
    assert report.results[0].message.endswith(message)


def test_file_that_is_no_table_is_one_critical_result(
    stager_url: str, contract: SourceContract, csv_file: Write
) -> None:
    """What staging could not read becomes the report's reason."""
    report = check(stager_url, contract, csv_file("1,2"))
    assert [r.message for r in report.failed("critical")] == [
        'the file must be a CSV table; line 2: missing data for column "ordered_at"'
    ]


def test_empty_file_fails(stager_url: str, contract: SourceContract, csv_file: Write) -> None:
    """A header without rows is a failure: a silent empty delivery would look like a quiet day."""
    report = check(stager_url, contract, csv_file())
    assert failures(report) == {("ExpectTableRowCountToBeBetween", ""): 1}
    assert report.failed("critical")[0].message == "the file must have rows, found 0"


def test_own_checks_run_on_typed_values_with_their_severity(
    stager_url: str, make_contract: Callable[..., SourceContract], csv_file: Write
) -> None:
    """A source's check compares numbers as numbers ("9" < "10"), by file or model column, as a warning."""
    pair = CheckSpec(
        "ExpectColumnPairValuesAToBeGreaterThanB",
        "warning",
        {
            "column_A": "price",
            "column_B": "paid",
            "or_equal": True,
            "ignore_row_if": "either_value_is_missing",
        },
    )
    target = CheckSpec("ExpectColumnValuesToMatchRegex", "info", {"column": "shop_id", "regex": "^[A-Z]+$"})
    path = csv_file("EWR,1,2013-11-01 08:00,10,9,,", "ewr,2,2013-11-01 08:00,9,10,,")
    report = check(stager_url, make_contract(pair, target), path)
    assert [(r.expectation, r.severity, r.unexpected_count) for r in report.results if not r.success] == [
        ("ExpectColumnPairValuesAToBeGreaterThanB", "warning", 1),
        ("ExpectColumnValuesToMatchRegex", "info", 1),
    ]
    assert report.failed("critical") == []
    assert not report.success


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            CheckSpec("ExpectColumnValuesToBeBetwen", "critical", {"column": "price"}),
            "check ExpectColumnValuesToBeBetwen(column='price'): Great Expectations has no such expectation; did you mean ExpectColumnValuesToBeBetween?",
        ),
        (
            CheckSpec("ExpectColumnValuesToBeBetween", "critical", {"column": "prize", "min_value": 1}),
            "check ExpectColumnValuesToBeBetween(column='prize', min_value=1): no column 'prize'; there are shop",
        ),
        (
            CheckSpec("ExpectColumnValuesToBeBetween", "critical", {"column": "price", "minimum": 1}),
            "check ExpectColumnValuesToBeBetween(column='price', minimum=1): it takes no argument minimum",
        ),
        (
            CheckSpec("ExpectColumnValuesToBeBetween", "critical", {"min_value": 1, "column": ["price"]}),
            "check ExpectColumnValuesToBeBetween(min_value=1, column=['price']): no column ['price']",
        ),
        (
            CheckSpec("ExpectColumnValuesToBeBetween", "critical", {"min_value": 1}),
            "check ExpectColumnValuesToBeBetween(min_value=1): ",
        ),
        (
            CheckSpec("ExpectColumnValuesToMatchRegex", "critical", {"column": "price", "regex": "x"}),
            "check ExpectColumnValuesToMatchRegex(column='price', regex='x'): ",
        ),
    ],
)
def test_broken_check_is_an_error_that_names_it(
    stager_url: str,
    make_contract: Callable[..., SourceContract],
    csv_file: Write,
    spec: CheckSpec,
    message: str,
) -> None:
    """A check with a wrong name, column, argument or type of column stops the run and is named."""
    with pytest.raises(CheckError) as error:
        check(stager_url, make_contract(spec), csv_file(GOOD))
    assert str(error.value).startswith(message)


def test_nothing_staged_is_an_error(stager_url: str, contract: SourceContract) -> None:
    """Checking before staging says so."""
    with pytest.raises(StagingError, match="nothing is staged"):
        checks.check_delivery(stager_url, contract, str(uuid.uuid4()), DeliveryFacts(), lambda: NOW)


def snapshot(tmp_path: Path, **changes: list[Any]) -> Path:
    """Write a good snapshot with some columns replaced, or left out when empty."""
    columns: dict[str, list[Any]] = {
        "entity": [1, 2, 3],
        "event_time": [NOW] * 3,
        "label": [0.0, 1.0, 0.0],
        "hour": [0.0, 23.0, 5.0],
        "carrier": ["AA", None, "UA"],
        "gift": [True, None, False],
    }
    path = tmp_path / "snapshot.parquet"
    pq.write_table(pa.table({k: v for k, v in {**columns, **changes}.items() if v}), path)
    return path


def test_good_snapshot_passes(late: ModelContract, tmp_path: Path) -> None:
    """A snapshot that is as the contract says passes; nulls are fine where they are declared."""
    report = checks.check_snapshot(late, snapshot(tmp_path), lambda: NOW)
    assert failures(report) == {}
    assert report.rows == 3
    assert report.to_json()["model"] == "late"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"hour": [0.0, 24.0, None]}, {("ExpectColumnValuesToBeBetween", "hour"): 1, ("ExpectColumnValuesToNotBeNull", "hour"): 1}),
        ({"carrier": ["AAX", "aa", None]}, {("ExpectColumnValuesToMatchRegex", "carrier"): 2}),
        ({"label": [0.0, 0.0, 0.0]}, {("ExpectColumnUniqueValueCountToBeBetween", "label"): 1}),
        ({"label": [0.0, 1.0, 2.0]}, {("ExpectColumnValuesToBeInSet", "label"): 1}),
        ({"entity": [1, 1, 2]}, {("ExpectColumnValuesToBeUnique", "entity"): 2}),
        ({"hour": []}, {("ExpectTableColumnsToMatchSet", ""): 1}),
    ],
)  # fmt: skip
def test_bad_snapshot_is_found(
    late: ModelContract, tmp_path: Path, changes: dict[str, list[Any]], expected: dict[Any, int]
) -> None:
    """Each rule of the model's contract finds its own fault in a snapshot."""
    report = checks.check_snapshot(late, snapshot(tmp_path, **changes), lambda: NOW)
    assert failures(report) == expected


def test_sources_of_the_repository_have_a_suite() -> None:
    """Every check that the example declares can be planned, with its tenant, its day and its natural key."""
    from hotclub import store

    root = Path(__file__).parents[2] / "django_app" / "flights" / "contracts"
    sources = [c for c in store.read_all([root]).values() if isinstance(c, SourceContract)]
    assert sources
    for source in sources:
        planned = source_suite(source, DeliveryFacts("EWR", dt.date(2013, 11, 1)))
        # The path is origin__tenant: whose an airport is, only the database knows.
        tenants = [p for p in planned if "the tenant that delivers" in p.describes]
        assert [p.severity for p in tenants] == ["warning"], source.name
        assert any("the day that is delivered" in p.describes for p in planned), source.name
        assert any("must be unique" in p.describes for p in planned), source.name
