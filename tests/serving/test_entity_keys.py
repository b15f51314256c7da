"""Entity keys from outside: the row that the caller means, or an error."""

from __future__ import annotations

from typing import Any

import pytest

from hotclub.entity_values import entity_keys
from hotclub.errors import InvalidInputError
from tests.factories import make_contract

UUID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
HEX = UUID.replace("-", "")


@pytest.mark.parametrize(
    ("kind", "value", "key"),
    [
        ("bigint", 12, "12"),
        ("bigint", "12", "12"),
        ("bigint", "-9223372036854775808", "-9223372036854775808"),
        ("integer", "007", "7"),
        ("uuid", UUID.upper(), UUID),
        ("uuid", UUID.replace("-", ""), UUID),
        ("text", "1_0", "1_0"),
        ("text", "", ""),
    ],
)
def test_keys_in_the_form_of_postgresql(kind: str, value: Any, key: str) -> None:
    """As its text output has them, by which rows are found again."""
    assert entity_keys(make_contract(entity_type=kind), [value]) == [key]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("bigint", v) for v in ("1_0", "\uff11\uff12", "\u0661", " 5", "5 ", "+5", "0x11", "1e3", "", "9" * 20, True, 1.0)),
        ("smallint", 32768),
        ("integer", "2147483648"),
        *(("uuid", v) for v in (12345678901234567890123456789012, "x", True, "", "1_" * 15 + "11", f"{{{UUID}}}", f"urn:uuid:{UUID}")),
        *(("uuid", v) for v in (f" {UUID}", f"{UUID} ", f"{UUID}\n", f"+{HEX[1:]}", f"0x{HEX[2:]}", f" {HEX[1:]}", f"{HEX[:28]}_{HEX[29:]}")),
        *(("uuid", v) for v in (f"\uff11{HEX[1:]}", f"\u0661{HEX[1:]}", f"-{HEX}", UUID.replace("-", "", 1), UUID.replace("-", "--", 1), f"{UUID}}}", f"{UUID}-", f"{HEX[:20]}-{HEX[20:]}")),
        *(("text", v) for v in ("a\0b", None, 1.5, "\ud800", "a\udfff")),
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused(kind: str, value: Any) -> None:
    """Python reads underscores, blanks and the digits of every script as numbers: another row than was meant."""
    with pytest.raises(InvalidInputError) as told:
        entity_keys(make_contract(entity_type=kind), [value])
    assert [error.field for error in told.value.errors] == ["entities.0"]
