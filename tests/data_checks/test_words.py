"""Words of reports: names and values that can be read, differences that cannot be seen, and bounds."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from data_checks import header, wording, words
from data_checks.report import BYTES, EXAMPLES, Report, Result

NOW = dt.datetime(2013, 11, 2, tzinfo=dt.UTC)
MUST = "the columns must be the contract's"


@pytest.mark.parametrize(
    ("found", "wanted", "fault"),
    [
        ("NR.", "Nr.", '"NR." must be "Nr.": upper and lower case differ'),
        ("Nr. ", "Nr.", '"Nr. " must be "Nr.": a space at the end'),
        (" Nr.", "Nr.", '" Nr." must be "Nr.": a space at the beginning'),
        ("Nr.\u00a0", "Nr.", '"Nr.\\u00a0" must be "Nr.": a no-break space (U+00A0) at the end'),
        ("\ufeffNr.", "Nr.", '"\\ufeffNr." must be "Nr.": a byte order mark (U+FEFF) at the beginning'),
        ("N\u200br.", "Nr.", '"N\\u200br." must be "Nr.": a zero width space (U+200B) inside'),
        ("Nr.\t", "Nr.", '"Nr.\\t" must be "Nr.": a tab (U+0009) at the end'),
        ("N\nr.", "Nr.", '"N\\nr." must be "Nr.": a line break (U+000A) inside'),
        ("NR.\u00a0", "Nr.", '"NR.\\u00a0" must be "Nr.": a no-break space (U+00A0) at the end; upper and lower case differ'),
        ("Gro\u0308\u00dfe", "Gr\u00f6\u00dfe", '"Gro\u0308ße" must be "Größe": its accents are characters of their own (Unicode NFD instead of NFC)'),
        ("pric\u0435", "price", '"pric\u0435" must be "price": "\u0435" (U+0435) stands for "e"'),
        ("\uff2er.", "Nr.", '"\uff2er." must be "Nr.": "\uff2e" (U+FF2E) stands for "N"'),
        ("flight number", "flight_number", '"flight number" must be "flight_number": " " (U+0020) stands for "_"'),
        ("Nr", "Nr.", '"Nr" must be "Nr.": it is shorter'),
    ],
)  # fmt: skip
def test_header_that_looks_the_same_is_told_apart(found: str, wanted: str, fault: str) -> None:
    """The name, the one it should be and the difference are said, also where nobody can see it."""
    assert header.faults(["a", found], ["a", wanted]) == [f"{MUST}: {fault}"]


def test_other_headers_are_missing_or_unknown() -> None:
    """Names that are like none of the contract's are listed, long and many ones shortly."""
    assert header.faults(["b", "a"], ["a", "b"]) == []
    assert header.faults(["a", ":x", "% (s", "{}"], ["a", "b"]) == [
        f"{MUST}; missing: b",
        f"{MUST}; unknown: :x, % (s, {{}}",
    ]
    (many,) = header.faults(["a", *(f"x{n}" for n in range(1000))], ["a"])
    assert many == f"{MUST}; unknown: x0, x1, x2, x3, x4, x5, x6, x7 and 992 more"
    (odd,) = header.faults(["a", "\u00a0" + "x" * 5000], ["a"])
    assert "a no-break space (U+00A0) at the beginning" in odd
    assert len(words.cut(odd)) <= words.LIMIT
    upper = header.faults([f"X{n}" for n in range(50)], [f"x{n}" for n in range(50)])
    assert len(upper) == 10
    assert upper[-1].endswith("; 40 more names differ")


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        (1e6, "1000000"), (1_000_000, "1000000"), (-3.0, "-3"), (0.1, "0.1"), (1e39, "1e+39"), (float("inf"), "inf"),
        (None, "empty"), (True, "true"), ("x", '"x"'), ('a"b', '"a""b"'), ("a\nb", '"a\\nb"'), ("5\u00a0", '"5\\u00a0"'),
        ("é" * 100, '"' + "é" * 39 + '…"'),
    ],
)  # fmt: skip
def test_values_are_shown_plainly(item: Any, shown: str) -> None:
    """Whole numbers without decimals or exponent, texts in quotes and short, what cannot be seen escaped."""
    assert words.value(item) == shown


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
    assert wording.sentence(expectation, arguments) == sentence


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
    assert len(result.unexpected_examples) == EXAMPLES
    assert len(result.message) == words.LIMIT


def test_report_as_a_whole_is_bounded_and_keeps_what_fails() -> None:
    """With very many columns examples go first, then what holds; Django takes requests of 2.5 MB."""
    example = [{"_row": 2, **{f"c{n}": "\U0001f600" * 200 for n in range(10)}}] * EXAMPLES
    wide = [Result("E", {}, "critical", False, 99, example, "m" * 200) for _ in range(300)]
    content = report(*wide).to_json()
    assert len(json.dumps(content)) <= BYTES
    assert len(content["results"]) == 300
    passing = [Result("E", {"a": "x" * 200}, "critical", True, 0, [], "m" * 200) for _ in range(5000)]
    content = report(*passing, wide[0]).to_json()
    assert len(json.dumps(content)) <= BYTES
    assert [result["success"] for result in content["results"]] == [False]
    assert not content["success"]
