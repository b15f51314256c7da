"""What the ingest app tells others."""

from __future__ import annotations

from django.dispatch import Signal

#: Sent inside the transaction that loads a delivery, once its rows are written: ``delivery`` is the `Delivery`,
#: ``contract`` the `SourceContract`. What a receiver writes commits with the rows, and its failure undoes them.
delivery_loaded = Signal()
