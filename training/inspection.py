"""What a training would find in a model's rows, without training: for whoever writes the declaration.

What a training refuses is a problem here, and the rest is reported all the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hotclub import names
from hotclub.contract import FeatureSpec, ModelContract
from training import labels, leakage, row_warnings, steps
from training.errors import RefusedDataError
from training.event_times import LeftOut, leave_out_far_rows
from training.findings import Finding
from training.single_feature import METRIC, Association
from training.splits import Splits, cut, declared_boundaries, split_rows

#: A category with fewer rows than this in the train split is rare: its effect is guessed from next to nothing.
RARE_ROWS: Final = 10
#: Of a plot.
BINS: Final = 20
_MAX_SHOWN: Final = 5
_Answer = TypeVar("_Answer")


def inspect(run: steps.Run) -> dict[str, Any]:
    """Read the rows and return what they are: written to the run's folder too.

    Raises:
        RefusedDataError: there is no labelled row.
        ContractError: the database has no such view.
        psycopg.Error: the database does not answer.
    """
    facts = steps.take_snapshot(run)
    table = pq.read_table(run.folder.snapshot)
    return run.folder.write("inspection", report(run, table, facts))


def report(run: steps.Run, table: pa.Table, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what there is to say about a snapshot's rows."""
    contract = run.effective
    problems: list[str] = []
    kept, left_out = _tried(
        problems,
        lambda: leave_out_far_rows(contract, table, facts.get("unreadable_times")),
        (table, LeftOut()),
    )
    declared = declared_boundaries(contract, kept, run.stopping_from, run.evaluation_from)
    splits = cut(contract, kept, declared)
    _tried(problems, lambda: _check(run, kept), None)
    nothing: tuple[list[Finding], dict[str, Association]] = ([], {})
    findings, scores = _tried(problems, lambda: _leakage(contract, splits, facts), nothing)
    filled = facts["filled"]
    return {
        "model": contract.name,
        "task": contract.schema.task,
        "rows": filled["known"] + filled["unknown"],
        "labelled": filled["known"],
        "read": table.num_rows,
        "sample": facts["sample"],
        "first_event": facts["first_event"],
        "last_event": facts["last_event"],
        "left_out": left_out.facts(),
        "label": _label(contract, kept),
        "measure": METRIC[contract.schema.task],
        "features": [_feature(spec, splits, scores.get(spec.name), filled) for spec in contract.features],
        "findings": [finding.as_dict() for finding in findings],
        "splits": {name: labels.describe(contract, rows) for name, rows in splits.named().items()},
        "split_by": _split_by(contract),
        "problems": problems,
        "warnings": row_warnings.find(contract, splits, declared),
        "histograms": {spec.name: _histogram(spec, kept[spec.name]) for spec in contract.features},
    }


def _tried(problems: list[str], what: Callable[[], _Answer], otherwise: _Answer) -> _Answer:
    """Return an answer; where the rows are refused, note why and return the other."""
    try:
        return what()
    except RefusedDataError as error:
        if str(error) not in problems:  # several parts meet the same rows
            problems.append(str(error))
        return otherwise


def _check(run: steps.Run, table: pa.Table) -> None:
    """Refuse what a training refuses."""
    contract = run.effective
    at = run.boundaries(table)
    labels.check(contract, table, split_rows(contract, table, at), at)


def _leakage(
    contract: ModelContract, splits: Splits, facts: dict[str, Any]
) -> tuple[list[Finding], dict[str, Association]]:
    for name, rows in splits.named().items():
        labels.check_values(contract, name, rows)
    return leakage.find(contract, splits, facts["filled"])


def _histogram(spec: FeatureSpec, column: pa.ChunkedArray) -> list[tuple[str, int]]:
    """Return how many rows have which value: bins of a number, the most frequent of other values, and nulls."""
    if spec.type == "number":
        return [*_bins(column.to_numpy()), ("null", int(column.null_count))]
    counted = pc.value_counts(column.drop_null()).to_pylist()
    counted.sort(key=lambda entry: (-entry["counts"], str(entry["values"])))
    shown = [(str(entry["values"]), int(entry["counts"])) for entry in counted[:BINS]]
    others = sum(entry["counts"] for entry in counted[BINS:])
    return [*shown, *([("others", int(others))] if others else []), ("null", int(column.null_count))]


def _bins(values: npt.NDArray[np.float64]) -> list[tuple[str, int]]:
    """Return counts by bin of equal width; the outer hundredths are in the outer bins, so that few do not widen all."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return []
    low, high = np.quantile(finite, [0.01, 0.99])
    if low == high:
        low, high = finite.min(), finite.max()
    if low == high:
        return [(f"{low:.4g}", len(finite))]
    if (finite == np.floor(finite)).all():
        # Bins of 1.2 would hold one whole number, or two: peaks that are not there.
        low, high = np.floor(low), np.ceil(high)
        step = np.ceil((high - low + 1) / BINS)
        counts, edges = np.histogram(np.clip(finite, low, high), bins=np.arange(low, high + step + 1, step))
        heads = [
            f"{start:.9g}" if step == 1 else f"{start:.9g} to {end - 1:.9g}"
            for start, end in itertools.pairwise(edges)
        ]
        if finite.min() < low:
            heads[0] = f"up to {edges[1] - 1:.9g}"
        if finite.max() > high:
            heads[-1] = f"from {edges[-2]:.9g}"
        return list(zip(heads, counts.tolist(), strict=True))
    counts, edges = np.histogram(np.clip(finite, low, high), bins=BINS, range=(low, high))
    heads = [f"{start:.4g} to {end:.4g}" for start, end in itertools.pairwise(edges)]
    if finite.min() < low:
        heads[0] = f"up to {edges[1]:.4g}"
    if finite.max() > high:
        heads[-1] = f"from {edges[-2]:.4g}"
    return list(zip(heads, counts.tolist(), strict=True))


def _split_by(contract: ModelContract) -> str:
    if contract.schema.event_time is not None:
        return contract.schema.event_time
    return f"hash of {contract.schema.split_by or contract.schema.entity}"


def _label(contract: ModelContract, table: pa.Table) -> dict[str, Any]:
    """Return the classes with their rows, or the quantiles of a quantity."""
    label = table[names.COLUMN_LABEL].to_numpy()
    if contract.schema.task != "regression":
        counts = {name: int((label == number).sum()) for number, name in labels.classes(contract)}
        other = len(label) - sum(counts.values())
        return {"classes": counts | ({"none of the classes": other} if other else {})}
    known = label[np.isfinite(label)]
    if not len(known):
        return {"quantiles": {}, "bins": []}
    ends = {"lowest": 0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "highest": 1}
    return {
        "mean": float(known.mean()),
        "quantiles": {name: float(np.quantile(known, at)) for name, at in ends.items()},
        "bins": _bins(known),
    }


def _feature(
    spec: FeatureSpec, splits: Splits, found: Association | None, filled: dict[str, Any]
) -> dict[str, Any]:
    known, _ = filled["features"][spec.name]
    facts: dict[str, Any] = {
        "name": spec.name,
        "type": spec.type,
        "unit": spec.unit,
        "nulls": filled["known"] - known,
        "nulls_share": 1 - known / filled["known"] if filled["known"] else 0.0,
        "nulls_expected": spec.nullable,
        "alone": found.score if found else None,
        "correlation": found.correlation if found else None,
    }
    return facts | (_categories(spec, splits) if spec.type == "category" else {})


def _categories(spec: FeatureSpec, splits: Splits) -> dict[str, Any]:
    """Return how many categories there are, which are rare, and which the fit would never see."""
    counted = pc.value_counts(splits.train[spec.name].drop_null()).to_pylist()
    counts = {entry["values"]: entry["counts"] for entry in counted}
    rare = sorted((value for value, rows in counts.items() if rows < RARE_ROWS), key=lambda v: (counts[v], v))
    newer = pa.concat_tables([splits.stopping, splits.evaluation])[spec.name].drop_null()
    strange = [entry for entry in pc.value_counts(newer).to_pylist() if entry["values"] not in counts]
    return {
        "categories": len(counts),
        "rare": {
            "categories": len(rare),
            "rows": sum(counts[value] for value in rare),
            "examples": rare[:_MAX_SHOWN],
        },
        "unseen": {
            "categories": len(strange),
            "rows": sum(entry["counts"] for entry in strange),
            "examples": sorted(entry["values"] for entry in strange)[:_MAX_SHOWN],
        },
    }
