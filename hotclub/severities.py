"""How much a failed check means: info is shown, a warning is shown and loaded, critical is not loaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

Severity = Literal["info", "warning", "critical"]
#: What a check may have that is never for information only.
SeriousSeverity = Literal["warning", "critical"]

INFO: Final = "info"
WARNING: Final = "warning"
CRITICAL: Final = "critical"
#: From the least severe.
ORDER: Final[tuple[Severity, ...]] = (INFO, WARNING, CRITICAL)
SERIOUS: Final[tuple[SeriousSeverity, ...]] = (WARNING, CRITICAL)


def highest(severities: Iterable[str]) -> str:
    """Return the highest of some severities, an empty text of none."""
    return max(severities, key=ORDER.index, default="")
