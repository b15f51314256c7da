"""An inspection as tables of text, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hotclub import severities

_MAX_WIDTH: Final = 44
_MAX_CLASSES: Final = 12


def table(found: dict[str, Any]) -> str:
    """Return an inspection as text: rows, label, features, findings, splits and problems."""
    parts = [
        "\n".join([*heading(found), *(f"WARNING: {text}" for text in warnings(found))]),
        "Label\n" + aligned(("", "rows or value", "share"), label_rows(found)),
        "Features\n" + aligned(feature_heads(found), feature_rows(found)),
        "Leakage\n" + "\n".join(findings(found) or ["  nothing found"]),
        f"Splits, by {found['split_by']}\n" + aligned(*split_rows(found)),
    ]
    if found["problems"]:
        parts.append("Training would stop\n" + "\n".join(f"  {problem}" for problem in found["problems"]))
    return "\n\n".join(parts)


def heading(found: dict[str, Any]) -> list[str]:
    """Return the lines that say which rows these are."""
    rows = f"{found['rows']:,} rows, {found['labelled']:,} with a label"
    if found["sample"] is not None and found["read"] < found["labelled"]:
        rows += f", a sample of {found['read']:,} read"
    lines = [f"{found['model']} ({found['task']}): {rows}"]
    if found["first_event"] is not None:
        lines.append(f"event times from {found['first_event'][:16]} to {found['last_event'][:16]} UTC")
    else:
        lines.append("rows without a time")
    return lines


def warnings(found: dict[str, Any]) -> list[str]:
    """Return what is doubtful about the rows, a sentence each."""
    left_out = [found["left_out"]["sentence"]] if found["left_out"]["count"] else []
    return [*left_out, *found["warnings"]]


def label_rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return a line for each class, or for each quantile."""
    label = found["label"]
    if "classes" in label:
        every = sum(label["classes"].values()) or 1
        return [(name, f"{rows:,}", f"{rows / every:.1%}") for name, rows in label["classes"].items()]
    values = {"mean": label["mean"], **label["quantiles"]} if "mean" in label else {}
    return [(name, f"{value:.5g}", "") for name, value in values.items()]


def feature_heads(found: dict[str, Any]) -> tuple[str, ...]:
    """Return the heads of `feature_rows`."""
    return ("", "type", "nulls", f"{found['measure']} alone", "correlation", "categories", "rare", "unseen")


def feature_rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return a line for each feature, those that predict best alone first."""
    best = sorted(found["features"], key=lambda f: -1.0 if f["alone"] is None else f["alone"], reverse=True)
    correlated = any(feature["correlation"] is not None for feature in best)
    return [
        (
            feature["name"],
            feature["type"],
            f"{feature['nulls_share']:.1%}"
            + ("" if feature["nulls_expected"] or not feature["nulls"] else " (!)"),
            _number(feature["alone"]),
            _number(feature["correlation"]) if correlated else "",
            f"{feature['categories']:,}" if "categories" in feature else "",
            _categories(feature.get("rare")),
            _categories(feature.get("unseen")),
        )
        for feature in best
    ]


def findings(found: dict[str, Any]) -> list[str]:
    """Return a line for each finding, the critical ones first."""
    return [f"  {finding['severity']}: {finding['message']}" for finding in ordered(found["findings"])]


def ordered(findings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return findings with the most serious ones first."""
    return sorted(findings, key=lambda f: severities.ORDER.index(f["severity"]), reverse=True)


def split_rows(found: dict[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the heads and a line for each split as it would fall."""
    timed = found["first_event"] is not None
    heads = ("", "rows", *(("from", "to") if timed else ()), "labels")
    lines = []
    for name, facts in found["splits"].items():
        times = [(facts[key] or "-")[:10] for key in ("first_event", "last_event")] if timed else []
        lines.append((name, f"{facts['rows']:,}", *times, _labels(facts)))
    return heads, lines


def _labels(facts: dict[str, Any]) -> str:
    if len(facts.get("classes", ())) > _MAX_CLASSES:
        rarest = sorted(facts["classes"].items(), key=lambda entry: entry[1])[:3]
        return f"{len(facts['classes']):,} classes, the rarest " + ", ".join(
            f"{name}: {rows:,}" for name, rows in rarest
        )
    if "classes" in facts:
        return ", ".join(f"{name}: {rows:,}" for name, rows in facts["classes"].items())
    return "-" if facts["lowest"] is None else f"{facts['lowest']:.5g} to {facts['highest']:.5g}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _categories(facts: dict[str, Any] | None) -> str:
    if not facts or not facts["categories"]:
        return ""
    more = ", …" if facts["categories"] > len(facts["examples"]) else ""
    return f"{facts['categories']:,} ({facts['rows']:,} rows: {', '.join(facts['examples'])}{more})"


def aligned(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return lines in columns of equal width; a column without any value is left out."""
    cut = [[_short(cell) for cell in line] for line in lines]
    used = [place for place in range(len(heads)) if place == 0 or any(line[place] for line in cut)]
    widths = {place: max(len(line[place]) for line in (list(heads), *cut)) for place in used}
    return "\n".join(
        "  " + "  ".join(line[place].ljust(widths[place]) for place in used).rstrip()
        for line in (heads, *cut)
    )


def _short(text: str) -> str:
    # A value of the data may hold anything, also what moves a terminal's cursor.
    plain = "".join(character if character.isprintable() else "·" for character in text)
    return plain if len(plain) <= _MAX_WIDTH else plain[: _MAX_WIDTH - 1] + "…"
