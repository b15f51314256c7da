"""Texts of a declaration: each goes into a JSON file, and some into PostgreSQL."""

from __future__ import annotations

from typing import Any

from django_app.contracts.validation.shown_values import shown
from hotclub.errors import ContractError


def check_text(text: Any) -> None:
    """Check a text that a contract keeps.

    Raises:
        ContractError: it is no text, or has characters that UTF-8 or PostgreSQL does not.
    """
    if not isinstance(text, str):
        raise ContractError(f"must be a text, got {shown(text)}")
    if "\x00" in text:
        raise ContractError(
            f"{shown(text)} has a NUL character, which no text of PostgreSQL has; leave it out"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ContractError(f"{shown(text)} must be a text that UTF-8 can hold: {error.reason}") from error
