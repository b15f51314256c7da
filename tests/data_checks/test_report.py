"""Reports are bounded, whatever the file, PostgreSQL or a declaration puts into them."""

from __future__ import annotations

import datetime as dt
import json

from data_checks import message_text
from data_checks.report import MAX_EXAMPLES, MAX_REPORT_BYTES, Report, Result

NOW = dt.datetime(2013, 11, 2, tzinfo=dt.UTC)


def report(*results: Result) -> Report:
    """Return a report of these results."""
    return Report({"source": "s"}, 1, 1, NOW, NOW, results)


def test_no_text_of_a_report_is_long_whatever_it_came_from() -> None:
    """Values, names, arguments and messages are cut; numbers that JSON lacks are texts, NUL is shown."""
    long = "x" * 5_000_000
    result = Result(
        "E", {long: long, "value_set": [long] * 1000, "deep": [[[[[long]]]]]}, "critical", False, 99,
        [{"_row": 2, long: long, "f": float("inf"), "n": "a\0b"}] * 99, long,
    )  # fmt: skip
    text = json.dumps(report(result).to_json(), allow_nan=False)
    assert len(text) < 100_000
    assert "\\u0000" not in text
    assert len(result.unexpected_examples) == MAX_EXAMPLES
    assert len(result.message) == message_text.MAX_TEXT


def test_report_as_a_whole_is_bounded_and_keeps_what_fails() -> None:
    """With very many columns examples go first, then what holds; Django takes requests of 2.5 MB."""
    example = [{"_row": 2, **{f"c{n}": "\U0001f600" * 200 for n in range(10)}}] * MAX_EXAMPLES
    wide = [Result("E", {}, "critical", False, 99, example, "m" * 200) for _ in range(300)]
    content = report(*wide).to_json()
    assert len(json.dumps(content)) <= MAX_REPORT_BYTES
    assert len(content["results"]) == 300
    passing = [Result("E", {"a": "x" * 200}, "critical", True, 0, [], "m" * 200) for _ in range(5000)]
    content = report(*passing, wide[0]).to_json()
    assert len(json.dumps(content)) <= MAX_REPORT_BYTES
    assert [result["success"] for result in content["results"]] == [False]
    assert not content["success"]


def test_what_decides_is_kept_first() -> None:
    """Of very many failures those stay that keep a delivery out, wherever they stand in the plan."""
    warnings = [Result("W", {}, "warning", False, 1, [], "m" * 2000) for _ in range(6000)]
    critical = Result("C", {}, "critical", False, 1, [], "not loaded")
    content = report(*warnings, critical).to_json()
    assert len(content["results"]) < 6000
    assert content["results"][0]["severity"] == "critical"
