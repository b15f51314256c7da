"""What the contracts app asks others."""

from __future__ import annotations

from django.dispatch import Signal

#: Asks which contract versions are in use. ``fresh`` says whether a receiver that mirrors another service must ask that service
#: itself. A receiver returns a `usage.InUse`. Sent during ``migrate`` too, when a receiver's tables may not be there.
contracts_in_use = Signal()
