"""Reads of the contracts app."""

from __future__ import annotations

from django_app.contracts.models import ContractVersion
from hotclub.contract import ModelContract
from hotclub.errors import ContractError


def contract_by_fingerprint(model: str, fingerprint: str | None) -> ModelContract:
    """Return the contract that a model version was trained under, as ``migrate`` recorded it.

    Raises:
        ContractError: this database knows no such contract; its file is missing, or migrate has not run.
    """
    row = ContractVersion.objects.filter(name=model, fingerprint=fingerprint or "", kind="model").first()
    if row is None:
        raise ContractError(
            f"{model}: the contract with the fingerprint {(fingerprint or 'none')[:12]} is not known here; "
            "add its file and run migrate"
        )
    return ModelContract.from_json(row.content)
