"""Features that came with the label: filled, or other than a default, only where the label is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from hotclub.contract import FeatureSpec, ModelContract
from training.findings import MIN_ROWS, Finding, critical, warning
from training.single_feature import Association

#: At least this share of the rows with a label has a value, and at most that of the others.
_FILLED: Final = 0.5
_EMPTY: Final = 0.05
#: A value that so many labelled rows have too is no sign.
_USUAL: Final = 0.5
#: From here on a feature is so strong that one value in all unlabelled rows is no accident. The day of the week, which is
#: one where all unlabelled rows are of one day, never is.
_STRONG: Final = {"binary": 0.9, "multiclass": 0.9, "regression": 0.8}


def find(
    contract: ModelContract,
    spec: FeatureSpec,
    column: pa.ChunkedArray,
    filled: Mapping[str, Any],
    alone: Association | None = None,
) -> Finding | None:
    """Return that a feature is known only together with the label.

    Args:
        contract: its task.
        spec: the feature.
        column: its values in the labelled rows.
        filled: of a snapshot: the numbers of rows with and without a label (`known`, `unknown`), per feature how many of
            each have a value (`features`), and the value that every unlabelled row has, as text (`single`).
        alone: how well the feature alone predicts the label.
    """
    known, unknown = filled.get("known", 0), filled.get("unknown", 0)
    if known < MIN_ROWS or unknown < MIN_ROWS or spec.name not in filled["features"]:
        return None
    with_label, without = (
        count / rows for count, rows in zip(filled["features"][spec.name], (known, unknown), strict=True)
    )
    words = (
        f"it has a value in {with_label:.1%} of the {known:,} rows whose label is known, and in {without:.1%} of the "
        f"{unknown:,} others"
    )
    if with_label >= _FILLED and without <= _EMPTY:
        return critical(
            spec.name, "known_afterwards", with_label - without, f"{spec.name} comes with the label: {words}"
        )
    if not without and with_label * unknown >= MIN_ROWS:
        message = f"{spec.name} may come with the label: {words}"
        return warning(spec.name, "known_afterwards", with_label, message)
    if without > 1 - _EMPTY and (text := filled.get("single", {}).get(spec.name)) is not None:
        return _default(contract, spec, column, text, unknown, alone)
    return None


def _default(
    contract: ModelContract,
    spec: FeatureSpec,
    column: pa.ChunkedArray,
    text: str,
    unknown: int,
    alone: Association | None,
) -> Finding | None:
    """Return that all unlabelled rows have one value, which few labelled rows have: a default until the label is known."""
    value = {"number": float, "boolean": lambda given: given == "true"}.get(spec.type, str)(text)
    usual = (pc.sum(pc.equal(column, pa.scalar(value, column.type))).as_py() or 0) / len(column)
    if usual > _USUAL:
        return None
    message = (
        f"{spec.name} may come with the label: it is {value!r} in every one of the {unknown:,} rows without a label, and in "
        f"{usual:.1%} of the {len(column):,} others, as where a default stands until the label is known"
    )
    if alone is not None and alone.score is not None and alone.score >= _STRONG[contract.schema.task]:
        message += f"; alone it reaches {alone.metric} {alone.score:.3f}"
        return critical(spec.name, "default_before", 1 - usual, message)
    # Unlabelled rows of one day have one weekday, month and weather: only without a time is that strange by itself.
    return (
        warning(spec.name, "default_before", 1 - usual, message)
        if contract.schema.event_time is None
        else None
    )
