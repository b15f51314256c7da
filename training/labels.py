"""What is checked before a fit: labels and features that a model can be made of, split by split."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hotclub import names, objectives
from hotclub.columns import FLOAT32_MAX
from hotclub.contract import ModelContract
from training.errors import RefusedDataError
from training.splits import Boundaries, Splits, advice

_MAX_SHOWN = 5


def check(contract: ModelContract, table: pa.Table, splits: Splits, at: Boundaries) -> dict[str, Any]:
    """Check the splits before anything is fitted on them.

    Args:
        contract: what the model is fitted under.
        table: every row.
        splits: the same rows, cut.
        at: where the splits begin.

    Returns:
        Per split its rows, its span and what its labels are.

    Raises:
        RefusedDataError: a feature or label is infinite or too large, a label is not one of the task or the
            objective, or a split has one label value alone; with what was found and what to change.
    """
    for name, rows in splits.named().items():
        check_values(contract, name, rows)
    found = {name: _found(contract, rows) for name, rows in splits.named().items()}
    for name, facts in found.items():
        problem = _problem(name, facts)
        if problem:
            described = "; ".join(f"{other}: {_describe(of_other)}" for other, of_other in found.items())
            raise RefusedDataError(
                f"the {name} split {problem}. Found: {described}. To change it: {advice(contract, table, name, at)}"
            )
    return found


def check_values(contract: ModelContract, split_name: str, rows: pa.Table) -> None:
    """Refuse values that XGBoost would fail on.

    Raises:
        RefusedDataError: names the features, or the labels, with their number.
    """
    _check_features(contract, split_name, rows)
    _check_labels(contract, split_name, rows)


def missing_classes(found: dict[str, Any]) -> dict[str, list[str]]:
    """Return the classes that a split lacks, by split, of what `check` found."""
    lacking = {
        name: [label for label, rows in facts.get("classes", {}).items() if not rows]
        for name, facts in found.items()
    }
    return {name: labels for name, labels in lacking.items() if labels}


def _check_features(contract: ModelContract, split_name: str, rows: pa.Table) -> None:
    errors = []
    for spec in contract.features:
        if spec.type != "number":
            continue
        values = rows[spec.name].drop_null().to_numpy()
        large = values[np.abs(values) > FLOAT32_MAX]
        if len(large):
            errors.append(f"{spec.name}: {_rows(len(large))} such as {large[0]:g}")
    if errors:
        raise RefusedDataError(
            f"the {split_name} split has numbers that are infinite or too large for a 32-bit float: "
            f"{'; '.join(errors)}. Correct the rows, or bound the feature in ml.py"
        )


def _check_labels(contract: ModelContract, split_name: str, rows: pa.Table) -> None:
    label = rows[names.COLUMN_LABEL].to_numpy()
    objective = objectives.find(contract.schema.task, contract.policy.parameters)
    if contract.schema.task == "multiclass":
        classes = len(contract.schema.classes)
        wanted, accepted = f"a class number from 0 to {classes - 1}", np.isin(label, np.arange(classes))
    else:
        wanted, accepted = objective.label, objective.accepts(label)
    wrong = label[~(accepted & (np.abs(label) <= FLOAT32_MAX))]
    if len(wrong):
        shown = ", ".join(f"{value:g}" for value in np.unique(wrong)[:_MAX_SHOWN])
        name = objectives.name_of(contract.schema.task, contract.policy.parameters)
        raise RefusedDataError(
            f"the {split_name} split has {_rows(len(wrong))} whose label is not {wanted} (a finite 32-bit float), "
            f"which {name} needs: {shown}. Change label or label_known in ml.py, or the objective"
        )


def _found(contract: ModelContract, rows: pa.Table) -> dict[str, Any]:
    label = rows[names.COLUMN_LABEL].to_numpy()
    times = rows[names.COLUMN_EVENT_TIME]
    zone = ZoneInfo(contract.schema.timezone)
    facts: dict[str, Any] = {
        "rows": rows.num_rows,
        "first_event": pc.min(times).as_py().astimezone(zone).isoformat(),
        "last_event": pc.max(times).as_py().astimezone(zone).isoformat(),
    }
    if contract.schema.task == "regression":
        return facts | {"lowest": float(label.min()), "highest": float(label.max())}
    labels = contract.schema.classes or ("0", "1")
    counts = np.bincount(label.astype(int), minlength=len(labels))
    return facts | {"classes": dict(zip(labels, counts.tolist(), strict=True))}


def _problem(name: str, facts: dict[str, Any]) -> str | None:
    if "lowest" in facts:
        return "has one label value alone" if facts["lowest"] == facts["highest"] else None
    present = [label for label, rows in facts["classes"].items() if rows]
    if len(present) < 2:
        return f"has rows of one class alone ({present[0]})"
    absent = [label for label, rows in facts["classes"].items() if not rows]
    # A class that is not fitted is never answered; one that is not held out only goes unmeasured, which is reported.
    return f"has no row of class {', '.join(absent)}" if absent and name == "train" else None


def _describe(facts: dict[str, Any]) -> str:
    span = f"{facts['first_event'][:10]} to {facts['last_event'][:10]}"
    if "lowest" in facts:
        return f"{_rows(facts['rows'])}, {span}, labels from {facts['lowest']:g} to {facts['highest']:g}"
    classes = ", ".join(f"{label}: {rows}" for label, rows in facts["classes"].items())
    return f"{_rows(facts['rows'])}, {span}, by class {classes}"


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''}"
