"""Contract files as this database knows them."""

from __future__ import annotations

import pytest

from django_app.contracts import services
from django_app.contracts.models import ContractVersion
from tests.factories import make_contract

pytestmark = pytest.mark.django_db


def test_a_contract_is_recorded_whole_and_updated() -> None:
    """Everything that others look it up by; a new revision of its policy replaces the one before."""
    contract = make_contract("recorded", version=3)
    services.contracts_record(contracts=[contract])
    row = ContractVersion.objects.get(name="recorded")
    assert (row.version, row.kind, row.app, row.fingerprint, row.policy_revision, row.content, row.view_error) == (
        3, "model", "flights", contract.fingerprint, 1, contract.to_json(), "",
    )  # fmt: skip
    services.contracts_record(contracts=[make_contract("recorded", version=3, gates={})])
    assert ContractVersion.objects.get(name="recorded").content["policy"]["gates"] == {}


def test_why_a_view_cannot_be_built_is_kept_until_it_can() -> None:
    """By fingerprint; one that is fine again says nothing any more, and another version is left alone."""
    first, second = make_contract("recorded"), make_contract("recorded", version=2, horizon_seconds=1)
    services.contracts_record(contracts=[first, second])
    services.view_errors_record(reasons={first.fingerprint: "x" * 3000, second.fingerprint: "y"}, fine=[])
    services.view_errors_record(reasons={}, fine=[first.fingerprint])
    found = ContractVersion.objects.filter(name="recorded").order_by("version")
    assert list(found.values_list("view_error", flat=True)) == ["", "y"]
