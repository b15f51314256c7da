"""Writes of the contracts app."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db import transaction

from django_app.contracts.models import ContractVersion
from hotclub.contract import Contract, ModelContract


@transaction.atomic
def contracts_record(*, contracts: Iterable[Contract]) -> None:
    """Copy contract files into the database."""
    for contract in contracts:
        ContractVersion.objects.update_or_create(
            name=contract.name,
            version=contract.version,
            defaults={
                "kind": "model" if isinstance(contract, ModelContract) else "source",
                "app": contract.app,
                "fingerprint": contract.fingerprint,
                "policy_revision": contract.policy_revision,
                "content": contract.to_json(),
            },
        )


@transaction.atomic
def view_errors_record(*, reasons: Mapping[str, str], fine: Iterable[str]) -> None:
    """Write why views cannot be built, by the fingerprint of their contract, and forget it where they are fine."""
    ContractVersion.objects.filter(fingerprint__in=list(fine)).exclude(view_error="").update(view_error="")
    for fingerprint, reason in reasons.items():
        ContractVersion.objects.filter(fingerprint=fingerprint).update(view_error=reason[:2000])
