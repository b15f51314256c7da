"""Severities and statuses: one home, which Django's choices and every other user agree with."""

from __future__ import annotations

from typing import get_args

import pytest

from django_app.ingest.api.serializers import CheckResultIn
from django_app.ingest.models import CheckRun, Delivery
from django_app.scoring.models import Batch
from hotclub import severities, statuses
from hotclub.statuses import BatchStatus, DeliveryStatus


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], ""),
        (["info"], "info"),
        (["info", "warning", "info"], "warning"),
        (["warning", "critical", "info"], "critical"),
    ],
)
def test_highest(given: list[str], found: str) -> None:
    """From info to critical; of none an empty text."""
    assert severities.highest(given) == found


def test_severities_are_the_same_everywhere() -> None:
    """The literals, the order, what Django stores and what its API takes."""
    assert severities.ORDER == get_args(severities.Severity) == ("info", "warning", "critical")
    assert severities.SERIOUS == get_args(severities.SeriousSeverity) == severities.ORDER[1:]
    assert CheckRun.Severity.values == ["", *severities.ORDER]
    assert tuple(CheckResultIn().fields["severity"].choices) == severities.ORDER


def test_statuses_are_the_same_everywhere() -> None:
    """Django's choices have the same values in the same order, and the same sets."""
    assert Delivery.Status.values == list(DeliveryStatus)
    assert Batch.Status.values == list(BatchStatus)
    assert Delivery.FINAL == statuses.DELIVERY_FINAL == {"loaded", "rejected", "failed"}
    assert Delivery.SETTLED == statuses.DELIVERY_SETTLED == {"loaded", "rejected", "failed", "waiting"}
    assert Batch.FINAL == statuses.BATCH_FINAL == {"done", "failed"}
