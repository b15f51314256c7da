"""Which contract versions are in use: apps that use some answer the signal `contracts_in_use`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from django_app.contracts.signals import contracts_in_use
from hotclub.contract import Contract, ModelContract


@dataclass(frozen=True, slots=True)
class InUse:
    """One app's answer.

    Attributes:
        reasons: why a contract version is in use, by fingerprint, to follow "which": ``serves as champion``.
        doubt: what could not be asked, so that more than what is in use may be named; empty when all is known.
    """

    reasons: Mapping[str, str] = field(default_factory=dict)
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Usage(InUse):
    """Every app's answers together."""

    def needed(self, contracts: Sequence[Contract]) -> dict[str, str]:
        """Return why each version whose view must be there is needed, by fingerprint: the newest, and those in use."""
        newest = {c.name: c for c in contracts}
        found: dict[str, str] = {}
        for contract in contracts:
            if isinstance(contract, ModelContract):
                used = self.reasons.get(contract.fingerprint, "")
                if used or newest[contract.name] is contract:
                    found[contract.fingerprint] = used or "is the newest of its model"
        return found


def contract_usage(*, fresh: bool) -> Usage:
    """Return which contract versions are in use.

    Args:
        fresh: whether the model registry itself is asked, which may take seconds; else what this database knows.
    """
    reasons: dict[str, str] = {}
    doubts = []
    # Django's stubs say that every receiver returns a text.
    answers = cast("list[tuple[object, InUse]]", contracts_in_use.send(sender=None, fresh=fresh))
    for _, answer in answers:
        for fingerprint, reason in answer.reasons.items():
            known = reasons.get(fingerprint)
            reasons[fingerprint] = f"{known} and {reason}" if known else reason
        doubts += [answer.doubt] if answer.doubt else []
    return Usage(reasons, "; ".join(doubts))
