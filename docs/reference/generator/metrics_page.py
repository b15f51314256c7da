"""docs/reference/metrics.md: metrics by task, and what gates may say of them."""

from __future__ import annotations

from typing import get_args

from generator.source_code import cell, code, page, table
from hotclub import declarations
from hotclub.metrics import METRICS, RANGES, WORSE_THAN_CHAMPION, metrics_of

#: A metric without a line here stops the generator.
_MEANING = {
    "roc_auc": "how often a random row of the second class has a higher score than one of the first; 0.5 is chance",
    "average_precision": "the area below precision over recall; chance is the share of the second class",
    "brier": "the mean squared difference of probability and answer",
    "log_loss": "the mean negative logarithm of the probability given to what came true",
    "accuracy": "the share of rows whose most probable class is the right one",
    "rmse": "the square root of the mean squared error, in the label's unit",
    "mae": "the mean absolute error, in the label's unit",
    "r2": "the share of the label's variance that is explained; 0 is the mean, negative is worse than it",
}


def metrics_page() -> str:
    """Return the page of metrics and gates."""
    parts = [
        "# Metrics and gates\n",
        "`metric` names one metric of the model's task; `gates` may name each of them.",
        "All are measured on the evaluation split, which neither the fit nor early stopping sees.\n",
    ]
    for task in get_args(declarations.Task):
        rows = [
            [
                code(name),
                cell(_MEANING[name]),
                "higher" if METRICS[name].higher_is_better else "lower",
                _range(name),
                code(f"{name} {'>=' if METRICS[name].higher_is_better else '<='} limit"),
            ]
            for name in metrics_of(task)
        ]
        parts += [
            f"## {task}\n",
            *table(["metric", "what it is", "better", "range", "a gate passes at"], rows),
        ]
    parts += [
        "## Compared with the champion\n",
        f"`{WORSE_THAN_CHAMPION}`: how much worse than the champion, in `metric`, a candidate may be.",
        "The champion is scored on the same rows. Without a champion this gate passes.\n",
        "## No gates\n",
        'Without `gates` a version is tagged "none declared", which is not "passed": serving takes it only with a reason.',
    ]
    return page(*parts)


def _range(name: str) -> str:
    low, high = RANGES[name]
    if low is None:
        return f"at most {high:g}"
    return f"{low:g} to {high:g}" if high is not None else f"at least {low:g}"
