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
        rows: how many rows of a split it needs at least.
        rows_per_class: how many rows of each class, in the splits that it is measured on.
    """

    tasks: frozenset[str]
    higher_is_better: bool
    rows: int = 20
    rows_per_class: int = 0


# With fewer than 20 rows one row moves an accuracy by more than 5 points, and any mean by as much: that is chance.
# AUC and average precision compare rows of one class with rows of the other. With 10 of a class, one row that is ranked
# last instead of first moves an AUC by a tenth; with fewer the number says nothing.
METRICS: Final[dict[str, Metric]] = {
    "roc_auc": Metric(frozenset({"binary"}), higher_is_better=True, rows_per_class=10),
    "average_precision": Metric(frozenset({"binary"}), higher_is_better=True, rows_per_class=10),
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
