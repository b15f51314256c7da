"""The report of a run of checks: what Django stores and decides upon."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from data_checks import message_text
from hotclub import severities
from hotclub.severities import Severity

#: How many unexpected rows a result shows; its count is always exact.
MAX_EXAMPLES: Final = 20
#: A report that is longer as JSON shows fewer examples: Django takes requests of 2.5 MB.
MAX_REPORT_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one expectation. Every text in it is at most 200 characters long, from any origin.

    Attributes:
        expectation: the class name in Great Expectations.
        unexpected_count: how many rows fail it, exactly; 0 or 1 for an expectation about the table.
        unexpected_examples: up to 20 of those rows, ``{"_row": 3, "carrier": null}``: `_row` is the line of the file.
        message: one sentence for the data owner.
    """

    expectation: str
    arguments: dict[str, Any]
    severity: Severity
    success: bool
    unexpected_count: int
    unexpected_examples: list[Any] = field(default_factory=list)
    message: str = ""

    def __post_init__(self) -> None:
        """Shorten what comes from the file, from PostgreSQL or from a declaration."""
        object.__setattr__(self, "arguments", message_text.shorten(self.arguments))
        object.__setattr__(
            self, "unexpected_examples", message_text.shorten(self.unexpected_examples[:MAX_EXAMPLES])
        )
        object.__setattr__(self, "message", message_text.cut(self.message))


@dataclass(frozen=True, slots=True)
class Report:
    """Every result of a run over one delivery or one training snapshot.

    Attributes:
        subject: ``{"source": …, "delivery": …}`` or ``{"model": …}``; members of the JSON's top level.
    """

    subject: dict[str, str]
    rows: int
    contract_version: int
    started_at: dt.datetime
    finished_at: dt.datetime
    results: Sequence[Result]

    @property
    def success(self) -> bool:
        """Whether every expectation held, whatever its severity."""
        return all(result.success for result in self.results)

    def failed(self, severity: Severity) -> list[Result]:
        """Return the failed results of one severity: critical ones stop a load."""
        return [r for r in self.results if not r.success and r.severity == severity]

    def to_json(self) -> dict[str, Any]:
        """Return the report file's content, with as many examples as it may be long."""
        for kept in (MAX_EXAMPLES, 5, 1, 0):
            content = self._to_json(kept)
            if len(json.dumps(content, default=str)) <= MAX_REPORT_BYTES:
                return content
        # Hundreds of columns: what holds is left out, so that what fails is reported, what decides before the rest.
        failed = sorted(
            (result for result in content["results"] if not result["success"]),
            key=lambda result: -severities.ORDER.index(result["severity"]),
        )
        return {**content, "results": failed[: MAX_REPORT_BYTES // 2_000]}

    def _to_json(self, examples: int) -> dict[str, Any]:
        return {
            **self.subject,
            "rows": self.rows,
            "contract_version": self.contract_version,
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
            "success": self.success,
            "results": [
                {**asdict(r), "unexpected_examples": r.unexpected_examples[:examples]} for r in self.results
            ],
        }

    def summary(self) -> dict[str, Any]:
        """Return what a command prints last: counts and the critical messages, small enough for XCom."""
        return {
            **self.subject,
            "rows": self.rows,
            "success": self.success,
            "expectations": len(self.results),
            **{f"{s}_failed": len(self.failed(s)) for s in reversed(severities.ORDER)},
            "reasons": [result.message for result in self.failed(severities.CRITICAL)][:MAX_EXAMPLES],
        }

    def write(self, path: Path) -> None:
        """Write the report as JSON, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(self.to_json(), indent=2, allow_nan=False, default=str), encoding="utf-8")
        part.replace(path)
