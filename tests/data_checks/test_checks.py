"""Suites on real PostgreSQL: what a delivery's report says."""

from __future__ import annotations

import csv
import datetime as dt
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_checks import checks, staging_tables
from data_checks.delivery_suite import DeliveryFacts, Digits, source_suite
from data_checks.errors import CheckError, SnapshotError, StagingError
from data_checks.report import Report
from hotclub.contract import CheckSpec, ColumnSpec, ModelContract, SourceContract, SourcePolicy
from tests.data_checks.conftest import text_contract

DELIVERY = str(uuid.UUID(int=8))
NOW = dt.datetime(2013, 11, 2, tzinfo=dt.UTC)
GOOD = "EWR,1,2013-11-01 08:00,10,5,new,t"
Write = Callable[..., Path]


def check(url: str, contract: SourceContract, path: Path, facts: DeliveryFacts | None = None) -> Report:
    """Stage a file and check it."""
    staging_tables.stage(url, DELIVERY, path, contract)
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
    assert {r.message for r in report.results if not r.success} == {
        "shop must not be empty; wrong in 1 row: line 7",
        'shop must have at most 5 characters; wrong in 1 row: line 6 "TOOLONG"',
        'number must be a whole number such as 42, from -2147483648 to 2147483647; wrong in 1 row: line 4 "2.5"',
        "number must be at least 1; wrong in 1 row: line 5 0",
        (
            "ordered_at must be a date and time such as 2013-11-01T05:15:00-05:00, from 0001-01-02 to 9999-12-30;"
            ' wrong in 2 rows: line 5 "yesterday", line 7 "2013-02-30"'
        ),
        (
            "price must be a number such as 12.5 (digits and a point; at most 1.8e308);"
            ' wrong in 1 row: line 4 "NaN"'
        ),
        "price must be at least 0 and at most 1000; wrong in 2 rows: line 5 -1, line 6 1001",
        (
            "paid must be a number such as 12.5 (digits and a point; at most 1.8e308);"
            ' wrong in 1 row: line 6 "x"'
        ),
        'state must be one of new, sent; wrong in 1 row: line 5 "old"',
        'gift {x} must be true or false (or t/f, yes/no, y/n, on/off, 1/0); wrong in 1 row: line 4 "maybe"',
        (
            "shop, number, ordered_at together must be different in every row; wrong in 2 rows:"
            ' line 2 (shop "EWR", number 1, ordered_at "2013-11-01T08:00:00-04:00"), …'
        ),
    }
    examples = next(r for r in report.results if r.arguments == {"column": "number", "type": "integer"})
    assert examples.unexpected_examples == [{"_row": 4, "number": "2.5"}]


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


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            "su\u0308d",
            'line 2 "su\u0308d" (its accents are characters of their own (Unicode NFD instead of NFC))',
        ),
        ("süd ", 'line 2 "süd " (a space at the end)'),
        ("s\u200büd", 'line 2 "s\\u200büd" (a zero width space (U+200B) inside)'),
        ("\u0455üd", 'line 2 "\u0455üd" ("\u0455" (U+0455) stands for "s")'),
        ("nord", 'line 2 "nord"'),
        ("SÜD", 'line 2 "SÜD"'),
        (
            "o\u0308st",
            'line 2 "o\u0308st" (its accents are characters of their own (Unicode NFD instead of NFC))',
        ),
    ],
)
def test_values_that_look_right_say_what_is_not(
    stager_url: str, contract: SourceContract, csv_file: Write, found: str, said: str
) -> None:
    """A tenant as it is written on another computer: the message may not contradict what the reader sees."""
    path = csv_file(f"{found},1,2013-11-01 08:00,1,,,")
    (result,) = check(stager_url, contract, path, DeliveryFacts("süd", None)).failed("critical")
    assert result.message == f"shop must be süd, the tenant that delivers; wrong in 1 row: {said}"


def test_what_cannot_be_seen_is_said_before_the_message_is_full(
    stager_url: str, contract: SourceContract, csv_file: Write
) -> None:
    """A long list of choices gives way; the first row that has it speaks for all."""
    state = replace(
        contract.schema.columns[5], choices=("größe", *(f"choice number {n} of many" for n in range(9)))
    )
    columns = (*contract.schema.columns[:5], state, contract.schema.columns[6])
    contract = replace(contract, schema=replace(contract.schema, columns=columns))
    path = csv_file(GOOD.replace(",new,", ",gro\u0308ße,"), "EWR,2,2013-11-01 08:00,1,,gro\u0308ße,")
    (result,) = check(stager_url, contract, path).failed("critical")
    assert result.message.startswith("state must be one of größe, choice")
    assert result.message.endswith(
        "(its accents are characters of their own (Unicode NFD instead of NFC)), …"
    )
    assert len(result.message) == 200


def test_tenant_at_the_end_of_a_path_is_left_to_the_load(
    stager_url: str, contract: SourceContract, csv_file: Write
) -> None:
    """A column that names the tenant is checked; where a path leads there, only the database knows, so not a word."""
    path, facts = csv_file(GOOD, "JFK,2,2013-11-01 08:00,1,,,"), DeliveryFacts("EWR", None)
    (direct,) = check(stager_url, contract, path, facts).failed("critical")
    assert direct.message == 'shop must be EWR, the tenant that delivers; wrong in 1 row: line 3 "JFK"'
    contract = replace(contract, schema=replace(contract.schema, tenant_path="shop__owner"))
    assert failures(check(stager_url, contract, path, facts)) == {}


@pytest.mark.parametrize(
    ("header", "messages"),
    [
        ("shop,number,ordered_at,price,paid,state", ["missing: gift {x}"]),
        ("shop,number,ordered_at,price,paid,state,gift {x},extra", ["unknown: extra"]),
        ("shop,number,ordered_at,price,paid,:x,%(y)s", ["missing: state, gift {x}", "unknown: :x, %(y)s"]),
    ],
)
def test_wrong_columns_are_critical_results(
    stager_url: str, contract: SourceContract, csv_file: Write, header: str, messages: list[str]
) -> None:
    """Missing and unknown columns are named, whatever they are called; nothing else is checked then."""
    report = check(stager_url, contract, csv_file(header=header))
    assert [(r.expectation, r.severity, r.success) for r in report.results] == [
        ("ExpectTableColumnsToMatchSet", "critical", False)
    ] * len(messages)
    assert [r.message for r in report.results] == [
        f"the columns must be the contract's; {m}" for m in messages
    ]


def test_file_that_is_no_table_is_one_critical_result(
    stager_url: str, contract: SourceContract, csv_file: Write
) -> None:
    """What staging could not read becomes the report's reason."""
    report = check(stager_url, contract, csv_file("1,2"))
    assert [r.message for r in report.failed("critical")] == [
        "the file cannot be read as a CSV table: line 2 has 2 values, the header has 7"
    ]


ODD = ["Nr.", "na:me", "50%", "%(x)s", "{b}", 'a"q', "it's", "order", "Ünï", "a,b", "a b", "_x", "é" * 32, "z" * 70, ":x",
       "--", "NR.", "select", "a\tb", "$1", "?", "\\", "nr"]  # fmt: skip


def test_columns_may_have_any_name(stager_url: str, tmp_path: Path) -> None:
    """A name that SQL, SQLAlchemy or Great Expectations would read as their own works in every kind of check."""
    columns = [
        ColumnSpec(
            name, f"t{n}", "text" if n % 2 else "integer", nullable=False, minimum=None if n % 2 else 0
        )
        for n, name in enumerate(ODD)
    ]
    checks = (
        CheckSpec("ExpectColumnValuesToBeBetween", "critical", {"column": "Nr.", "max_value": 1_000_000.0}),
        CheckSpec("ExpectColumnValuesToMatchRegex", "critical", {"column": "na:me", "regex": "^[a-z%:{}]+$"}),
        CheckSpec("ExpectColumnPairValuesAToBeGreaterThanB", "critical", {"column_A": "50%", "column_B": "t0"}),
        CheckSpec("ExpectColumnValuesToBeInSet", "critical", {"column": 'a"q', "value_set": ["a%:x{y}"]}),
        CheckSpec("ExpectCompoundColumnsToBeUnique", "critical", {"column_list": [":x", "--"]}),
        CheckSpec("UnexpectedRowsExpectation", "critical", {"unexpected_rows_query": 'SELECT * FROM {batch} WHERE "a b" < 0'}),
    )  # fmt: skip
    contract = text_contract(*columns, key=("t0", "t1"), policy=SourcePolicy(checks=checks))
    good = dict.fromkeys(ODD, "7") | {"na:me": "a%:{", "50%": "9", 'a"q': "a%:x{y}"}
    bad = dict.fromkeys(ODD, "-7") | {"na:me": "", "50%": "1.5"}
    path = tmp_path / "odd.csv"

    def write(*rows: dict[str, str]) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ODD[::-1])
            writer.writeheader()
            writer.writerows(rows)

    write(good)
    assert failures(check(stager_url, contract, path)) == {}
    write(good, bad, bad)
    found = {r.message for r in check(stager_url, contract, path).results if not r.success}
    assert "Nr. must be at least 0; wrong in 2 rows: line 3 -7, line 4 -7" in found
    assert "na:me must not be empty; wrong in 2 rows: line 3, line 4" in found
    assert '"a""q" must be one of "a%:x{y}"; wrong in 2 rows: line 3 "-7", line 4 "-7"' in found
    assert ":x, -- together must be different in every row; wrong in 2 rows" in found
    assert '":x" must be at least 0; wrong in 2 rows: line 3 -7, line 4 -7' not in found
    assert ":x must be at least 0; wrong in 2 rows: line 3 -7, line 4 -7" in found
    assert any(m.startswith("50% must be a whole number") and 'line 3 "1.5"' in m for m in found)


def test_columns_may_be_called_as_a_check_calls_its_own(stager_url: str, tmp_path: Path) -> None:
    """No name that a query makes up for itself is in the way of a column's."""
    called = ["t", "u", "before", "after", "one", "two", "batch", "r"]
    columns = [ColumnSpec(name, name, "timestamptz", nullable=False) for name in called]
    path = tmp_path / "a.csv"
    path.write_text(",".join(called) + "\n" + ",".join(["2013-11-01 05:15"] * len(called)) + "\n")
    assert failures(check(stager_url, text_contract(*columns, key=("t", "u")), path)) == {}


@pytest.mark.parametrize("severity", ["warning", "critical"])
def test_times_where_clocks_change_need_an_offset(stager_url: str, tmp_path: Path, severity: Any) -> None:
    """A local time that does not exist, or comes twice, is reported with line and value; the source says how severe."""
    columns = [ColumnSpec(n, n, t, nullable=False) for n, t in (("id", "integer"), ("at", "timestamptz"))]
    contract = text_contract(
        *columns, key=("id", "at"), policy=SourcePolicy(checks=(), ambiguous_times=severity)
    )
    path = tmp_path / "a.csv"
    path.write_text(
        "id,at\n1,2013-03-10 02:30\n2,2013-11-03 01:30\n3,2013-11-03 01:30-04:00\n4,2013-11-03 00:30\n"
    )
    report = check(stager_url, contract, path)
    assert [(r.severity, r.message) for r in report.results if not r.success] == [
        (severity, ("at must have an offset such as -05:00 where clocks in America/New_York skip an hour;"
                   ' wrong in 1 row: line 2 "2013-03-10 02:30"')),
        (severity, ("at must have an offset such as -05:00 where clocks in America/New_York show an hour twice;"
                   ' wrong in 1 row: line 3 "2013-11-03 01:30"')),
    ]  # fmt: skip


def test_stray_quotes_are_told_with_their_lines(
    stager_url: str, contract: SourceContract, csv_file: Write
) -> None:
    """A quote that swallows thousands of lines is named, and its report stays small."""
    lines = [f"EWR,{n},2013-11-01 08:00,10,5,new,t" for n in range(1, 61_000)]
    lines[15], lines[60_015] = lines[15].replace("new", '"new'), lines[60_015].replace("new", 'new"')
    report = check(stager_url, contract, csv_file(*lines))
    assert [r.message for r in report.failed("warning")] == [
        "a quote that opens on line 17 closes on line 60,017: is one missing? It is read as one row"
    ]
    assert [r.message for r in report.failed("critical")] == [
        (
            "state must be one of new, sent; wrong in 1 row:"
            " a quote that opens on line 17 closes on line 60,017: is one missing?"
        )
    ]
    assert len(json.dumps(report.to_json())) < 20_000


def test_digits_are_those_of_the_table(stager_url: str, database: Any, tmp_path: Path) -> None:
    """What the table's column would refuse is critical, what it would round a warning; both before the load."""
    with psycopg.connect(database.admin_url, dbname=database.name, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS public.shop_text (id integer, fee numeric(5, 2))")
    columns = [ColumnSpec(n, n, t, nullable=True) for n, t in (("id", "integer"), ("fee", "numeric"))]
    path = tmp_path / "a.csv"
    path.write_text("id,fee\n1,999.99\n2,-1000\n3,999.995\n4,1.005\n5,1e300\n6,\n7,1.100\n")
    report = check(stager_url, text_contract(*columns, key=("id",)), path)
    assert [(r.severity, r.message) for r in report.results if not r.success] == [
        ("critical", ("fee must have at most 3 digits before the point; wrong in 3 rows:"
                     " line 3 -1000, line 4 999.995, line 6 1e+300")),
        ("warning", "fee must have at most 2 decimals (more are rounded); wrong in 2 rows: line 4 999.995, line 5 1.005"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1e308", "1e308", "1e308"],
         "the mean of x must be at least 0; that cannot be computed from these values: value out of range: overflow"),
        (["", "", ""], "the mean of x must be at least 0; found no value"),
    ],
)  # fmt: skip
def test_values_that_break_a_check_are_a_reason(
    stager_url: str, tmp_path: Path, values: list[str], message: str
) -> None:
    """A declared check that these values cannot answer fails; it is no broken task."""
    columns = [ColumnSpec(n, n, t, nullable=True) for n, t in (("id", "integer"), ("x", "float8"))]
    mean = CheckSpec("ExpectColumnMeanToBeBetween", "critical", {"column": "x", "min_value": 0})
    contract = text_contract(*columns, key=("id",), policy=SourcePolicy(checks=(mean,)))
    path = tmp_path / "a.csv"
    path.write_text("id,x\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values)))
    assert [r.message for r in check(stager_url, contract, path).failed("critical")] == [message]


def test_empty_file_fails(stager_url: str, contract: SourceContract, csv_file: Write) -> None:
    """A header without rows is a failure: a silent empty delivery would look like a quiet day."""
    report = check(stager_url, contract, csv_file())
    assert failures(report) == {("ExpectTableRowCountToBeBetween", ""): 1}
    assert report.failed("critical")[0].message == "the file must have rows; found 0"


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


def test_rows_without_a_time_have_none(late: ModelContract, tmp_path: Path) -> None:
    """Where the model has an event time a missing one is found; where rows have no time there is nothing to find."""
    path = snapshot(tmp_path, event_time=[NOW, None, None])
    report = checks.check_snapshot(late, path, lambda: NOW)
    assert failures(report) == {("ExpectColumnValuesToNotBeNull", "event_time"): 2}
    timeless = replace(late, schema=replace(late.schema, event_time=None))
    path = snapshot(tmp_path, event_time=[None, None, None])
    assert failures(checks.check_snapshot(timeless, path, lambda: NOW)) == {}


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), 1e39, -1e39])
def test_number_that_no_model_can_hold_is_found(late: ModelContract, tmp_path: Path, number: float) -> None:
    """Infinite and too great numbers are named with feature or label and rows before a fit dies of them."""
    unbounded = [replace(f, minimum=None, maximum=None) for f in late.features]
    schema = replace(late.schema, task="regression", features=tuple(unbounded))
    report = checks.check_snapshot(
        replace(late, schema=schema),
        snapshot(tmp_path, hour=[1.0, number, 2.0], label=[number, 0.0, 1.0]),
        lambda: NOW,
    )
    size = "must be a finite number that a model can hold (at most 3.4e38 in size)"
    assert [r.message for r in report.failed("critical")] == [
        f"label {size}; wrong in 1 row: entity 1 {number:g}",
        f"feature hour {size}; wrong in 1 row: entity 2 {number:g}",
    ]
    json.dumps(report.to_json(), allow_nan=False)


def test_features_without_any_value_are_no_broken_check(late: ModelContract, tmp_path: Path) -> None:
    """Columns of nulls alone pass where nulls may be, and fail where they may not."""
    columns = {"hour": pa.array([None] * 3, pa.float64()), "carrier": pa.array([None] * 3, pa.string()),
               "gift": pa.array([None] * 3, pa.bool_()), "entity": [None, 1, 2]}  # fmt: skip
    report = checks.check_snapshot(late, snapshot(tmp_path, **columns), lambda: NOW)
    assert [r.message for r in report.failed("critical")] == [
        "entity must not be empty; wrong in 1 row: a row without entity",
        "hour must not be empty; wrong in 3 rows: a row without entity, entity 1, entity 2",
    ]


def test_entities_may_be_texts(late: ModelContract, tmp_path: Path) -> None:
    """A text with a line break, in a key or a feature, is shown; only a file has quotes that may be missing."""
    path = snapshot(tmp_path, entity=["a", "b\nc", "d"], carrier=["AA", "B\n", "UA"])
    assert [r.message for r in checks.check_snapshot(late, path, lambda: NOW).failed("critical")] == [
        'carrier must match the pattern [A-Z]{2}; wrong in 1 row: entity b\nc "B\\n"'
    ]


def test_a_label_that_is_none_of_the_classes_is_said_by_their_names(
    late: ModelContract, tmp_path: Path
) -> None:
    """The view gives such a label the number -1, which means nothing to who reads the report."""
    named = replace(late, schema=replace(late.schema, classes=("on time", "late")))
    report = checks.check_snapshot(named, snapshot(tmp_path, label=[0.0, 1.0, -1.0]), lambda: NOW)
    (message,) = [r.message for r in report.failed("critical")]
    assert message.startswith(
        'label must be one of 0, 1, which stand for "on time", "late"; any other value has no place'
    )


def test_snapshot_that_is_no_parquet_is_an_error(late: ModelContract, tmp_path: Path) -> None:
    """A file that was cut off is named, with what to do."""
    path = tmp_path / "snapshot.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(SnapshotError, match="take the snapshot again"):
        checks.check_snapshot(late, path, lambda: NOW)


def test_sources_of_the_repository_have_a_suite() -> None:
    """Every check that the example declares can be planned, with its tenant, its day and its natural key."""
    from hotclub import contract_files

    root = Path(__file__).parents[2] / "django_app" / "flights" / "contracts"
    sources = [c for c in contract_files.read_all([root]).values() if isinstance(c, SourceContract)]
    assert sources
    for source in sources:
        planned = source_suite(source, DeliveryFacts("EWR", dt.date(2013, 11, 1)))
        # The path is origin__tenant: whose an airport is, only the database knows.
        assert not any("the tenant that delivers" in p.describes for p in planned), source.name
        assert any("the day that is delivered" in p.describes for p in planned), source.name
        assert any("must be different in every row" in p.describes for p in planned), source.name


def test_a_tenant_that_the_file_names_by_another_field_is_the_loads_to_compare() -> None:
    """The file's value is no tenant's key then, and must not be compared with it; nor are the table's digits its own."""
    direct = ColumnSpec("who", "shop_id", "text", nullable=False, references=("shop", "slug"))
    named = replace(direct, references=("shop", "title"), reference_key="slug")
    for column, count in ((direct, 1), (named, 0)):
        contract = text_contract(column, key=("shop_id",), tenant_path="shop", tenant_column="who")
        planned = source_suite(contract, DeliveryFacts("EWR"), {"shop_id": Digits(4, 2)})
        assert sum(p.describes == "who must be EWR, the tenant that delivers" for p in planned) == count
        assert sum("digits before the point" in p.describes for p in planned) == count


def test_a_date_that_names_another_tables_row_is_not_the_delivered_day() -> None:
    """A station that opened in 2000 is delivered today; with a day of the row's own, that one is compared."""
    opened = ColumnSpec(
        "opened", "station_id", "date", nullable=False, references=("station", "opened"), reference_key="id"
    )
    own = ColumnSpec("day", "day", "date", nullable=False)
    for columns, compared in (((opened,), []), ((opened, own), ["day"])):
        contract = text_contract(*columns, key=tuple(c.target for c in columns))
        assert contract.key_has_day is bool(compared)
        planned = source_suite(contract, DeliveryFacts(day=dt.date(2013, 11, 1)))
        assert [
            p.arguments["column"] for p in planned if "the day that is delivered" in p.describes
        ] == compared


def test_choices_of_numbers_and_truths_are_compared_by_what_they_mean(
    stager_url: str, csv_file: Write
) -> None:
    """A number with a plus or blanks is the same number, and ``no`` is false; another one is refused."""
    contract = text_contract(
        ColumnSpec("level", "level", "integer", nullable=True, choices=("1", "2")),
        ColumnSpec("valid", "valid", "boolean", nullable=True, choices=("True",)),
        ColumnSpec("day", "day", "date", nullable=True, choices=("2013-11-01",)),
    )
    path = csv_file(" +2,yes,2013-11-01 ", "3,no,2013-11-02", ",,", header="level,valid,day")
    report = check(stager_url, contract, path)
    assert {r.message for r in report.results if not r.success} == {
        "level must be one of 1, 2; wrong in 1 row: line 3 3",
        "valid must be one of True; wrong in 1 row: line 3 false",
        'day must be one of 2013-11-01; wrong in 1 row: line 3 "2013-11-02"',
    }
