"""What is checked before a fit: labels and features that a model can be made of, split by split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotclub import names, objectives
from hotclub.columns import FLOAT32_MAX
from hotclub.contract import ModelContract
from hotclub.metrics import METRICS
from training.errors import RefusedDataError
from training.splits import Boundaries, Splits, advice

_MAX_SHOWN: Final = 5
_MAX_CLASSES_SHOWN: Final = 12
#: XGBoost adds up squared distances from the middle over rows and rounds, in 32-bit floats: from here on they overflow.
_MAX_DISTANCE: Final = 1e15


def check(contract: ModelContract, table: pa.Table, splits: Splits, at: Boundaries | None) -> dict[str, Any]:
    """Check the splits before anything is fitted on them.

    Args:
        contract: what the model is fitted under.
        table: every row.
        splits: the same rows, cut.
        at: where the splits begin; None without a time.

    Returns:
        Per split its rows, its span and what its labels are.

    Raises:
        RefusedDataError: a feature or label is infinite or too large, a label is not one of the task or the
            objective, or a split has one label value alone, lacks a class or has fewer rows of one than the metric
            needs; with what was found and what to change.
    """
    for name, rows in splits.named().items():
        check_values(contract, name, rows)
    found = {name: describe(contract, rows) for name, rows in splits.named().items()}
    for name, facts in found.items():
        problem = _problem(contract.policy.metric, name, facts)
        if problem:
            described = "; ".join(f"{other}: {_words(of_other)}" for other, of_other in found.items())
            raise RefusedDataError(
                f"the {name} split {problem}. Found: {described}. "
                f"To change it: {advice(contract, table, name, at)}{_class_advice(contract)}"
            )
    return found


def _class_advice(contract: ModelContract) -> str:
    if contract.schema.task == "regression":
        return ""
    return (
        "; or merge a class that is rare with another, or leave its rows out, in label and classes of ml.py"
    )


def check_values(contract: ModelContract, split_name: str, rows: pa.Table) -> None:
    """Refuse values that XGBoost would fail on.

    Raises:
        RefusedDataError: names the features, or the labels, with their number.
    """
    _check_features(contract, split_name, rows)
    _check_labels(contract, split_name, rows)


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
    # What the view makes of a value that classes lacks.
    if contract.schema.classes and (other := int((label == -1).sum())):
        entities = rows[names.COLUMN_ENTITY].filter(pa.array(label == -1)).slice(0, _MAX_SHOWN).to_pylist()
        raise RefusedDataError(
            f"the {split_name} split has {_rows(other)} whose label is none of the classes "
            f"({_listed(contract.schema.classes)}), such as {contract.schema.entity} {_listed([str(entity) for entity in entities])}. Add the value to classes in ml.py, or leave those rows out"
        )
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
    if contract.schema.task == "regression":
        _check_distances(split_name, rows, label)


def _check_distances(split_name: str, rows: pa.Table, label: npt.NDArray[np.float64]) -> None:
    distance = np.abs(label - np.median(label)) if len(label) else label
    if distance.sum() > _MAX_DISTANCE:
        place = int(distance.argmax())
        raise RefusedDataError(
            f"the {split_name} split has a label of {label[place]:g} (entity {rows[names.COLUMN_ENTITY][place].as_py()}), so "
            "far from the others that sums of its square overflow a 32-bit float. Correct the row, leave it out of rows "
            "in ml.py, or give the label another unit"
        )


def describe(contract: ModelContract, rows: pa.Table) -> dict[str, Any]:
    """Return rows, span and labels of a split, however few there are."""
    facts: dict[str, Any] = {"rows": rows.num_rows}
    if contract.schema.event_time is not None:
        zone = ZoneInfo(contract.schema.timezone)
        ends = pc.min_max(rows[names.COLUMN_EVENT_TIME])
        for key, end in (("first_event", ends["min"]), ("last_event", ends["max"])):
            facts[key] = end.as_py().astimezone(zone).isoformat() if end.is_valid else None
    label = rows[names.COLUMN_LABEL].to_numpy()
    if contract.schema.task == "regression":
        finite = label[np.isfinite(label)]
        ends = (float(finite.min()), float(finite.max())) if len(finite) else (None, None)
        return facts | dict(zip(("lowest", "highest"), ends, strict=True))
    return facts | {"classes": {name: int((label == number).sum()) for number, name in classes(contract)}}


def classes(contract: ModelContract) -> list[tuple[int, str]]:
    """Return number and name of each class; a binary model without names has 0 and 1."""
    return list(enumerate(contract.schema.classes or ("0", "1")))


def _problem(metric: str, name: str, facts: dict[str, Any]) -> str | None:
    if "lowest" in facts:
        return "has one label value alone" if facts["lowest"] == facts["highest"] else None
    present = [label for label, rows in facts["classes"].items() if rows]
    if len(present) < 2:
        return f"has rows of one class alone ({present[0]})"
    absent = [label for label, rows in facts["classes"].items() if not rows]
    if absent:
        # Not fitted, it is never answered; not held out, nobody knows how well it is answered.
        return f"has no row of class {_listed(absent)}"
    needed = METRICS[metric].rows_per_class
    few = [f"{label} ({rows})" for label, rows in facts["classes"].items() if rows < needed]
    if few and name != "train":
        return f"has too few rows of class {_listed(few)}: {metric} needs at least {needed} of each class"
    return None


def _words(facts: dict[str, Any]) -> str:
    parts = [_rows(facts["rows"])]
    if facts.get("first_event"):
        parts.append(f"{facts['first_event'][:10]} to {facts['last_event'][:10]}")
    if "lowest" in facts:
        parts.append(f"labels from {facts['lowest']:g} to {facts['highest']:g}")
    else:
        parts.append(_by_class(facts["classes"]))
    return ", ".join(parts)


def _by_class(counts: dict[str, int]) -> str:
    """Return the rows of each class; of very many classes, of those with the fewest."""
    if len(counts) <= _MAX_CLASSES_SHOWN:
        return "by class " + ", ".join(f"{label}: {rows}" for label, rows in counts.items())
    rarest = sorted(counts.items(), key=lambda entry: entry[1])[:_MAX_SHOWN]
    shown = ", ".join(f"{label}: {rows}" for label, rows in rarest)
    return f"the rarest of {len(counts):,} classes {shown}"


def _listed(values: Sequence[str]) -> str:
    more = len(values) - _MAX_CLASSES_SHOWN
    return ", ".join(values[:_MAX_CLASSES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''}"
