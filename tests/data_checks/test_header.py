"""Headers beside the contract: differences that can be seen, and those that cannot."""

from __future__ import annotations

import pytest

from data_checks import header, message_text

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
    assert len(message_text.cut(odd)) <= message_text.MAX_TEXT
    upper = header.faults([f"X{n}" for n in range(50)], [f"x{n}" for n in range(50)])
    assert len(upper) == 10
    assert upper[-1].endswith("; 40 more names differ")
