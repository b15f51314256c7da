"""Features that look as if they knew the label: the alarm before a fit.

A feature that was written together with the label, or from it, makes every metric excellent and the model useless: where
predictions are made it is not there yet. Nobody can prove that from data alone, so a person may accept a finding with a
reason (`leakage_accepted` in ml.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotclub import names, severities
from hotclub.contract import FeatureSpec, ModelContract
from hotclub.severities import Severity
from training.errors import RefusedDataError
from training.single_feature import Association, association
from training.splits import Splits

#: From here on a feature alone predicts nearly everything. Strong and honest features stay below: in the diamonds' data
#: a stone's weight alone explains the price with an R2 of 0.93.
SUSPICIOUS_SCORE: Final = 0.995
SUSPICIOUS_CORRELATION: Final = 0.9995
#: Where one class is nearly all rows, always answering it is that accurate too: most of the other rows must be right.
_MAX_SHARE_OF_ERRORS: Final = 0.1
_MIN_OTHER_ROWS: Final = 5
#: Fewer rows may agree with the label, or all be null, by chance.
_MIN_ROWS: Final = 20
_FIRST_ROWS: Final = 1000
_FILLED: Final = 0.95
_EMPTY: Final = 0.05


@dataclass(frozen=True)
class Finding:
    """Something about one feature.

    Attributes:
        severity: critical stops the training, a warning is shown.
        feature: its name.
        check: which rule found it.
        number: what was measured, in the unit of the rule.
        message: a sentence, with the number.
    """

    severity: Severity
    feature: str
    check: str
    number: float
    message: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for a JSON file."""
        return asdict(self)


class LeakageError(RefusedDataError):
    """Features look as if they knew the label."""


def find(
    contract: ModelContract, splits: Splits, filled: Mapping[str, Any] | None = None
) -> tuple[list[Finding], dict[str, Association]]:
    """Return what is suspicious about the features, and how well each alone predicts the label.

    Args:
        contract: its features and what was accepted of them.
        splits: the rows; a feature alone is fitted on the train split and measured on the stopping split.
        filled: of a snapshot: the numbers of rows with and without a label (`known`, `unknown`), and per feature how
            many of each have a value (`features`).
    """
    findings: list[Finding] = []
    scores: dict[str, Association] = {}
    every = pa.concat_tables(splits.named().values())
    for spec in contract.features:
        found = _plain(spec, every[spec.name])
        if found is None:
            scores[spec.name] = association(contract, spec, splits.train, splits.stopping)
            found = (
                _equals_label(contract, spec, every)
                or _predicts_alone(contract, spec, scores[spec.name], splits.stopping)
                or _known_afterwards(spec, filled or {})
            )
        else:
            # What is null in every labelled row may be filled in the others; what is constant may be null there.
            found = _known_afterwards(spec, filled or {}) or found
        if found is not None:
            findings.append(_accepted(contract, found))
    return findings, scores


def refuse_critical(findings: Sequence[Finding]) -> None:
    """Stop where a feature looks as if it knew the label.

    Raises:
        LeakageError: names every such feature, with its number and the fix.
    """
    critical = [finding for finding in findings if finding.severity == severities.CRITICAL]
    if critical:
        listed = "; ".join(finding.message for finding in critical)
        example = f'leakage_accepted = {{"{critical[0].feature}": "..."}}'
        raise LeakageError(
            f"features look as if they knew the label: {listed}. Remove them from features in ml.py; one that is really "
            f"known when predictions are made is accepted with a reason: {example}"
        )


def _accepted(contract: ModelContract, found: Finding) -> Finding:
    reason = contract.policy.leakage_accepted.get(found.feature)
    if reason is None or found.severity != severities.CRITICAL:
        return found
    message = f"{found.message} (accepted: {reason})"
    return Finding(severities.WARNING, found.feature, found.check, found.number, message)


def _plain(spec: FeatureSpec, column: pa.ChunkedArray) -> Finding | None:
    """Return that a feature is null in all rows, or has one value in all of them."""
    if column.null_count == len(column):
        message = f"{spec.name} is null in all {len(column):,} labelled rows"
        return Finding(severities.WARNING, spec.name, "all_null", 1.0, message)
    values = pc.unique(column.slice(0, _FIRST_ROWS))
    if len(values) == 1 and len(values := pc.unique(column)) == 1:
        message = f"{spec.name} is constant: {values[0].as_py()!r} in all {len(column):,} labelled rows"
        return Finding(severities.WARNING, spec.name, "constant", 1.0, message)
    return None


def _equals_label(contract: ModelContract, spec: FeatureSpec, rows: pa.Table) -> Finding | None:
    """Return that a feature is the label, its negation, or another name of each class, wherever it has a value."""
    known = rows.filter(pc.is_valid(rows[spec.name]))
    label = known[names.COLUMN_LABEL].to_numpy()
    if len(label) < _MIN_ROWS or len(np.unique(label)) < 2:
        return None
    words = None
    if contract.schema.task == "regression":
        if spec.type == "number":
            values = known[spec.name].to_numpy()
            # A feature is a float8 as the label is: what was copied is equal to the last digit.
            signs = {"equals the label": values, "is the label with the other sign": -values}
            words = next((text for text, signed in signs.items() if np.array_equal(signed, label)), None)
    elif _one_to_one(known[spec.name], label):
        words = "maps one to one to the classes"
        if spec.type != "category":
            values = np.asarray(known[spec.name].to_pylist(), dtype=np.float64)
            words = "equals the label" if np.array_equal(values, label) else words
            words = "is the label's negation" if np.array_equal(1 - values, label) else words
    if words is None:
        return None
    message = f"{spec.name} {words} in all {len(label):,} rows in which it has a value"
    return Finding(severities.CRITICAL, spec.name, "equals_label", 1.0, message)


def _one_to_one(column: pa.ChunkedArray, label: npt.NDArray[np.float64]) -> bool:
    # Most features have more values than there are classes in their first rows: counting all of them takes long.
    if pc.count_distinct(column.slice(0, _FIRST_ROWS)).as_py() > len(np.unique(label)):
        return False
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy().astype(np.int64)
    labels, numbers = np.unique(label, return_inverse=True)
    pairs = len(np.unique(codes * len(labels) + numbers.reshape(-1)))
    return pairs == len(labels) == len(encoded.dictionary)


def _predicts_alone(
    contract: ModelContract, spec: FeatureSpec, found: Association, stopping: pa.Table
) -> Finding | None:
    label = stopping[names.COLUMN_LABEL].to_numpy()
    if len(label) < _MIN_ROWS:
        return None
    curves = {
        "rises or falls in a straight line with the label: correlation": found.correlation,
        "rises or falls with the label in every row: rank correlation": found.rank_correlation,
    }
    for words, correlation in curves.items():
        if correlation is not None and abs(correlation) >= SUSPICIOUS_CORRELATION:
            message = f"{spec.name} {words} {correlation:.5f}"
            return Finding(severities.CRITICAL, spec.name, "correlates", correlation, message)
    if found.score is None or found.score < SUSPICIOUS_SCORE:
        return None
    if contract.schema.task == "multiclass":
        counts = np.bincount(label.astype(int))
        others = len(label) - counts.max()
        errors = (1 - found.score) * len(label)
        if others < _MIN_OTHER_ROWS or errors > _MAX_SHARE_OF_ERRORS * others:
            return None
    message = f"{spec.name} alone predicts nearly everything: {found.metric} {found.score:.4f} on the stopping split"
    return Finding(severities.CRITICAL, spec.name, "predicts_alone", found.score, message)


def _known_afterwards(spec: FeatureSpec, filled: Mapping[str, Any]) -> Finding | None:
    """Return that a feature has a value where the label is known and none where it is not: it came with the label."""
    known, unknown = filled.get("known", 0), filled.get("unknown", 0)
    if known < _MIN_ROWS or unknown < _MIN_ROWS or spec.name not in filled["features"]:
        return None
    with_label, without = (
        count / rows for count, rows in zip(filled["features"][spec.name], (known, unknown), strict=True)
    )
    if with_label < _FILLED or without > _EMPTY:
        return None
    message = (
        f"{spec.name} comes with the label: it has a value in {with_label:.1%} of the {known:,} rows whose label is "
        f"known, and in {without:.1%} of the {unknown:,} others"
    )
    return Finding(severities.CRITICAL, spec.name, "known_afterwards", with_label - without, message)
