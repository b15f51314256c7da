"""The baselines that quality is compared with, and the verdicts of the gates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotclub import names
from hotclub.contract import ModelContract
from hotclub.metrics import METRICS, WORSE_THAN_CHAMPION, not_worse

Floats = npt.NDArray[np.float64]


def baselines(contract: ModelContract, fit: pa.Table, evaluation: pa.Table) -> dict[str, Floats]:
    """Return the scores of two models that know almost nothing.

    ``constant``: the mean label of the fitted rows (for multiclass the share of each class).
    ``mean_by_…``: the mean label by the contract's `baseline_by` features; not for multiclass.
    """
    label = fit[names.COLUMN_LABEL].to_numpy()
    rows = evaluation.num_rows
    if contract.schema.task == "multiclass":
        shares = np.bincount(label.astype(int), minlength=len(contract.schema.classes)) / len(label)
        return {"constant": np.tile(shares, (rows, 1))}
    found = {"constant": np.full(rows, label.mean())}
    keys = list(contract.policy.baseline_by)
    if keys:
        means = fit.group_by(keys).aggregate([(names.COLUMN_LABEL, "mean")])
        lookup = dict(zip(_keys(means, keys), means[f"{names.COLUMN_LABEL}_mean"].to_pylist(), strict=True))
        overall = float(label.mean())
        found["mean_by_" + "_".join(keys)] = np.array(
            [lookup.get(key, overall) for key in _keys(evaluation, keys)]
        )
    return found


def _keys(table: pa.Table, keys: list[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(table[key].to_pylist() for key in keys), strict=True))


def gates(
    contract: ModelContract,
    candidate: dict[str, float],
    champion: dict[str, float] | None,
    *,
    champion_failure: str | None = None,
) -> list[dict[str, Any]]:
    """Return a verdict for each gate of the policy: name, limit, value, passed and a sentence.

    Args:
        contract: whose policy has the gates.
        candidate: metrics by name.
        champion: metrics by name, None when there is no champion or it could not be scored.
        champion_failure: why a champion that is there could not be scored; the gate on it does not pass then.
    """
    verdicts = []
    metric = contract.policy.metric
    for name, limit in contract.policy.gates.items():
        if name == WORSE_THAN_CHAMPION:
            verdicts.append(_champion_gate(metric, limit, candidate, champion, champion_failure))
            continue
        value = candidate.get(name)
        word = "at least" if METRICS[name].higher_is_better else "at most"
        passed = value is not None and math.isfinite(value) and not_worse(name, value, limit)
        shown = "not defined on this slice" if value is None else f"{value:.5g}"
        verdicts.append(
            {
                "gate": name,
                "limit": limit,
                "value": value,
                "passed": passed,
                "message": f"{name} {shown}, {word} {limit:g} wanted",
            }
        )
    return verdicts


def _champion_gate(
    metric: str,
    limit: float,
    candidate: dict[str, float],
    champion: dict[str, float] | None,
    failure: str | None,
) -> dict[str, Any]:
    if champion is None or metric not in champion or metric not in candidate:
        # Only where there is nobody to be worse than is nothing to compare a pass.
        if champion is not None:
            failure = f"{metric} is not defined on this slice, so it cannot be compared with the champion's"
        return {
            "gate": WORSE_THAN_CHAMPION,
            "limit": limit,
            "value": None,
            "passed": failure is None,
            "message": failure or "no champion to compare with on the same rows",
        }
    worse = champion[metric] - candidate[metric]
    if not METRICS[metric].higher_is_better:
        worse = -worse
    return {
        "gate": WORSE_THAN_CHAMPION,
        "limit": limit,
        "value": worse,
        "passed": worse <= limit,
        "message": f"{metric} {candidate[metric]:.5g} beside the champion's {champion[metric]:.5g}: "
        f"{worse:+.3g} worse, at most {limit:g} allowed",
    }


def align(table: pa.Table, entities: pa.ChunkedArray) -> pa.Table | None:
    """Return a table's rows in the order of `entities`, or None when one of them is not there."""
    places = pc.index_in(entities, table[names.COLUMN_ENTITY].combine_chunks())
    return None if places.null_count else table.take(places)
