"""Whether a declared number is one, and within what its place allows."""

from __future__ import annotations

import math
from typing import Any

from django_app.contracts.validation.shown_values import shown
from hotclub.errors import ContractError


def check_number(value: Any, low: float | None = None, high: float | None = None) -> None:
    """Check a finite number, whole or not.

    Raises:
        ContractError: it is none, or outside of the range, which the message names.
    """
    if _is_number(value) and (low is None or value >= low) and (high is None or value <= high):
        return
    raise ContractError(f"must be a number{_range(low, high)}, got {shown(value)}")


def check_whole(value: Any, low: int, high: int) -> None:
    """Check a whole number.

    Raises:
        ContractError: it is none, or outside of the range, which the message names.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ContractError(f"must be a whole number{_range(low, high)}, got {shown(value)}")


def _is_number(value: Any) -> bool:
    # A bool is an int to Python, and a declaration that says True for a number is a typing error.
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    if low is not None:
        return f" of at least {low:g}"
    return "" if high is None else f" of at most {high:g}"
