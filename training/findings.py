"""What is found about one feature before a fit, and how serious it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from hotclub import severities
from hotclub.severities import Severity

#: Fewer rows may agree with the label, be null or be alike by chance: no rule speaks of them.
MIN_ROWS: Final = 20


@dataclass(frozen=True)
class Finding:
    """Something about one feature.

    Attributes:
        severity: critical stops the training, a warning is shown.
        feature: its name.
        check: which rule found it.
        number: what was measured, in the unit of the rule.
        message: a sentence, with the number.
    """

    severity: Severity
    feature: str
    check: str
    number: float
    message: str

    @property
    def is_critical(self) -> bool:
        """Whether it stops the training."""
        return self.severity == severities.CRITICAL

    def as_dict(self) -> dict[str, Any]:
        """Return it for a JSON file."""
        return asdict(self)


def critical(feature: str, check: str, number: float, message: str) -> Finding:
    """Return a finding that stops the training."""
    return Finding(severities.CRITICAL, feature, check, number, message)


def warning(feature: str, check: str, number: float, message: str) -> Finding:
    """Return a finding that is shown."""
    return Finding(severities.WARNING, feature, check, number, message)
