"""The states of deliveries and batches, as Django stores them and its API says them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class DeliveryStatus(StrEnum):
    """Where a delivery is on its way from the landing folder to a table."""

    LANDED = "landed"
    CHECKING = "checking"
    ACCEPTED = "accepted"
    LOADING = "loading"
    WAITING = "waiting"
    LOADED = "loaded"
    REJECTED = "rejected"
    FAILED = "failed"


class BatchStatus(StrEnum):
    """How far the scoring of a batch is."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


#: Of a delivery in one of these nothing more comes by itself.
DELIVERY_FINAL: Final = frozenset({DeliveryStatus.LOADED, DeliveryStatus.REJECTED, DeliveryStatus.FAILED})
#: Of these nothing more comes until another delivery or a person does something.
DELIVERY_SETTLED: Final = DELIVERY_FINAL | {DeliveryStatus.WAITING}
BATCH_FINAL: Final = frozenset({BatchStatus.DONE, BatchStatus.FAILED})
