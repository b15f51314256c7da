"""The metrics that gates may name, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of held-out rows.

    Attributes:
        tasks: the tasks that it is defined for.
        higher_is_better: whether a gate's limit is a floor (else a ceiling).
    """

    tasks: frozenset[str]
    higher_is_better: bool


METRICS: Final[dict[str, Metric]] = {
    "roc_auc": Metric(frozenset({"binary"}), higher_is_better=True),
    "average_precision": Metric(frozenset({"binary"}), higher_is_better=True),
    "brier": Metric(frozenset({"binary"}), higher_is_better=False),
    "log_loss": Metric(frozenset({"binary", "multiclass"}), higher_is_better=False),
    "accuracy": Metric(frozenset({"binary", "multiclass"}), higher_is_better=True),
    "rmse": Metric(frozenset({"regression"}), higher_is_better=False),
    "mae": Metric(frozenset({"regression"}), higher_is_better=False),
    "r2": Metric(frozenset({"regression"}), higher_is_better=True),
}

#: The least and the greatest value of each metric; None where it has no end.
RANGES: Final[dict[str, tuple[float | None, float | None]]] = {
    "roc_auc": (0, 1),
    "average_precision": (0, 1),
    "brier": (0, 1),
    "log_loss": (0, None),
    "accuracy": (0, 1),
    "rmse": (0, None),
    "mae": (0, None),
    "r2": (None, 1),
}

#: A gate in addition to the metrics: how much worse than the champion, in the model's own metric, is still good enough.
WORSE_THAN_CHAMPION: Final = "worse_than_champion_by"


def metrics_of(task: str) -> list[str]:
    """Return the names of a task's metrics."""
    return [name for name, metric in METRICS.items() if task in metric.tasks]


def not_worse(metric: str, value: float, limit: float) -> bool:
    """Return whether a value reaches a limit in the direction that the metric calls better."""
    return value >= limit if METRICS[metric].higher_is_better else value <= limit
