"""What a person wants to read before moving an alias: the text of a version's page in MLflow, also without MLflow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hotclub import names
from hotclub.contract import ModelContract
from hotclub.metrics import METRICS


def description(contract: ModelContract, facts: dict[str, Any], evaluation: dict[str, Any]) -> str:
    """Return a version's description in Markdown: how it was fitted, its quality beside others, warnings and gates."""
    notes = warnings(facts, evaluation)
    return "\n".join(
        [
            contract.policy.doc.split("\n\n")[0],
            "",
            _fitted(contract, facts, evaluation),
            "",
            *quality_table(evaluation),
            "",
            *(f"- WARNING: {note}" for note in notes),
            *([""] if notes else []),
            *gates(evaluation),
        ]
    )


def warnings(facts: dict[str, Any], evaluation: dict[str, Any]) -> list[str]:
    """Return what a person should know before promoting the version: one sentence each."""
    found = [facts["left_out"]["sentence"]] if facts["left_out"]["count"] else []
    found += facts["warnings"]
    found += [finding["message"] for finding in facts["leakage"]]
    found += [text for text in (evaluation["copies"], evaluation["champion"]["caution"]) if text]
    if evaluation["no_better_than_constant"]:
        found.append(evaluation["no_better_than_constant"])
    return found


def quality_table(evaluation: dict[str, Any]) -> list[str]:
    """Return the lines of a Markdown table: each metric of the version, the champion and the baselines."""
    rows = [("this version", evaluation["metrics"])]
    champion = evaluation["champion"]
    if champion["metrics"]:
        rows.append((f"champion (version {champion['version']})", champion["metrics"]))
    rows += [(name.replace("_", " "), values) for name, values in evaluation["baselines"].items()]
    shown = list(evaluation["metrics"])
    arrows = ["↑" if METRICS[metric].higher_is_better else "↓" for metric in shown]
    heads = [f"{metric} {arrow}" for metric, arrow in zip(shown, arrows, strict=True)]
    return [
        _line("", heads),
        "|---|" + "---|" * len(shown),
        *(_line(name, [_cell(values, metric) for metric in shown]) for name, values in rows),
    ]


def gates(evaluation: dict[str, Any]) -> list[str]:
    """Return the lines about gates: their outcome, and a verdict for each."""
    verdicts = [f"- {'✓' if v['passed'] else '✗'} {v['message']}" for v in evaluation["gates"]]
    outcome = evaluation["gates_outcome"]
    if outcome != names.GATES_NONE:
        return ["Gates:", *verdicts]
    return [
        f"Gates: {names.GATES_NONE}"
        + (" that measured this version:" if verdicts else ". Nothing says that it is good enough."),
        *verdicts,
    ]


def _fitted(contract: ModelContract, facts: dict[str, Any], evaluation: dict[str, Any]) -> str:
    rows_fit, rows_stopping, rows_held = facts["rows_fit"], facts["rows_stopping"], evaluation["rows"]
    if facts["stopping_from"] is None:
        before, held = "", " by a hash of " + (contract.schema.split_by or "their key")
    else:
        before = f" before {facts['stopping_from'][:10]}"
        held = f" from {facts['evaluation_from'][:10]} to {evaluation['last_event'][:10]}"
    return (
        f"Fitted on {rows_fit:,} rows{before}, stopped early after {facts['rounds']} rounds on {rows_stopping:,} rows, "
        f"held out {rows_held:,} rows{held}. Contract version {contract.version}."
    )


def _line(name: str, cells: Iterable[str]) -> str:
    return f"| {name} | " + " | ".join(cells) + " |"


def _cell(values: dict[str, float], metric: str) -> str:
    return f"{values[metric]:.4g}" if metric in values else "-"
