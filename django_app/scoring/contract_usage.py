"""Which contract versions unfinished batches read."""

from __future__ import annotations

from typing import Any

from django_app.contracts.usage import InUse
from django_app.scoring import selectors


def answer_contracts_in_use(**_: Any) -> InUse:
    """Answer the signal `contracts_in_use`."""
    return InUse(dict.fromkeys(selectors.contract_fingerprints_in_use(), "is read by an unfinished batch"))
