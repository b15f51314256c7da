"""Names and values of a file as a message shows them."""

from __future__ import annotations

from typing import Any

import pytest

from data_checks import message_text


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
    assert message_text.value(item) == shown
