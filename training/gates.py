"""The gates of a contract's policy: what a candidate's metrics must reach before it may become champion."""

from __future__ import annotations

import math
from typing import Any

from hotclub import names
from hotclub.contract import ModelContract
from hotclub.metrics import METRICS, WORSE_THAN_CHAMPION, not_worse


def verdicts(
    contract: ModelContract,
    candidate: dict[str, float],
    champion: dict[str, float] | None,
    *,
    champion_failure: str | None = None,
) -> list[dict[str, Any]]:
    """Return a verdict for each gate of the policy: name, limit, value, passed and a sentence.

    Args:
        contract: its policy has the gates.
        candidate: metrics by name.
        champion: metrics by name, None when there is no champion or it could not be scored.
        champion_failure: why a champion that is there could not be scored; the gate on it does not pass then.
    """
    found = []
    metric = contract.policy.metric
    for name, limit in contract.policy.gates.items():
        if name == WORSE_THAN_CHAMPION:
            found.append(_champion_gate(metric, limit, candidate, champion, champion_failure))
            continue
        value = candidate.get(name)
        word = "at least" if METRICS[name].higher_is_better else "at most"
        passed = value is not None and math.isfinite(value) and not_worse(name, value, limit)
        shown = "not defined on this split" if value is None else f"{value:.5g}"
        found.append(
            {
                "gate": name,
                "limit": limit,
                "value": value,
                "passed": passed,
                "message": f"{name} {shown}, {word} {limit:g} wanted",
            }
        )
    return found


def outcome(found: list[dict[str, Any]]) -> str:
    """Return what the gates say together: one of the values of the tag `names.TAG_GATES`.

    It is "none declared" also where every gate passed because none had anything to measure. The gate on the champion
    passes while there is no champion: alone it would call the first version of any model good, however bad it is.
    """
    if not all(verdict["passed"] for verdict in found):
        return names.GATES_FAILED
    measured = any(verdict["value"] is not None for verdict in found)
    return names.GATES_PASSED if measured else names.GATES_NONE


def _champion_gate(
    metric: str,
    limit: float,
    candidate: dict[str, float],
    champion: dict[str, float] | None,
    failure: str | None,
) -> dict[str, Any]:
    if champion is None or metric not in champion or metric not in candidate:
        # Without a champion there is nothing to compare, and the gate passes; in every other case it does not.
        if champion is not None:
            failure = f"{metric} is not defined on this split, so it cannot be compared with the champion's"
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
        "message": f"{metric} {candidate[metric]:.5g}, the champion's {champion[metric]:.5g}: "
        f"{'worse' if worse > 0 else 'better'} by {abs(worse):.3g}, worse by at most {limit:g} allowed",
    }
