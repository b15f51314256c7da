"""Features that look as if they knew the label: the alarm before a fit.

A feature that was written together with the label, or from it, makes every metric excellent and the model useless: where
predictions are made it is not there yet. Nobody can prove that from data alone, so a person may accept a finding with a
reason (`leakage_accepted` in ml.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotclub import names
from hotclub.contract import FeatureSpec, ModelContract
from training import empty_features, known_later
from training.errors import RefusedDataError
from training.findings import MIN_ROWS, Finding, critical, warning
from training.label_means import label_means, means_of_label
from training.single_feature import Association, association
from training.splits import Splits

#: From here on a feature alone predicts nearly everything. Strong and honest features stay below: in the diamonds' data
#: a stone's weight alone explains the price with an R2 of 0.93.
SUSPICIOUS_SCORE: Final = 0.995
#: From here on a person should think about it.
STRONG_SCORE: Final = 0.98
SUSPICIOUS_CORRELATION: Final = 0.9995
#: Where one class is nearly all rows, always answering it is that accurate too: most of the other rows must be right.
_MAX_SHARE_OF_ERRORS: Final = 0.1
_MIN_OTHER_ROWS: Final = 5
_FIRST_ROWS: Final = 1000
#: A value of a quantity is rare when this share of the rows has it at most.
_RARE: Final = 0.01
_EQUAL_IN_PART: Final = 0.2


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
            many of each have a value (`features`), and the value that every unlabelled row has (`single`).
    """
    filled = filled or {}
    findings: list[Finding] = []
    scores: dict[str, Association] = {}
    every = pa.concat_tables(splits.named().values())
    total = max(every.num_rows, filled.get("known", 0) + filled.get("unknown", 0))
    means = label_means(contract, every)
    for spec in contract.features:
        found = empty_features.without_values(spec, every[spec.name])
        if found is not None:
            # What is null in every labelled row may be filled in the others; what is constant may be null there.
            found = known_later.find(contract, spec, every[spec.name], filled) or found
        else:
            alone = scores[spec.name] = association(contract, spec, splits.train, splits.stopping)
            found = _most_serious(
                [
                    _equals_label(contract, spec, every),
                    _predicts_alone(contract, spec, alone, splits.stopping),
                    means_of_label(spec, every, means),
                    known_later.find(contract, spec, every[spec.name], filled, alone),
                    empty_features.row_number(contract, spec, splits, every, total, alone),
                    empty_features.unseen(spec, splits),
                    _equals_label_in_part(contract, spec, every),
                ]
            )
        if found is not None:
            findings.append(_accepted(contract, found))
    return findings, scores


def _most_serious(found: Sequence[Finding | None]) -> Finding | None:
    """Return the first critical finding, else the first of all: one for each feature."""
    there = [finding for finding in found if finding is not None]
    return next((finding for finding in there if finding.is_critical), there[0] if there else None)


def refuse_critical(findings: Sequence[Finding]) -> None:
    """Stop where a feature looks as if it knew the label.

    Raises:
        LeakageError: names every such feature, with its number and the fix.
    """
    serious = [finding for finding in findings if finding.is_critical]
    if serious:
        listed = "; ".join(finding.message for finding in serious)
        example = f'leakage_accepted = {{"{serious[0].feature}": "..."}}'
        raise LeakageError(
            f"features look as if they knew the label: {listed}. Remove them from features in ml.py; one that is really "
            f"known when predictions are made is accepted with a reason: {example}"
        )


def _accepted(contract: ModelContract, found: Finding) -> Finding:
    reason = contract.policy.leakage_accepted.get(found.feature)
    if reason is None or not found.is_critical:
        return found
    return warning(found.feature, found.check, found.number, f"{found.message} (accepted: {reason})")


def _equals_label(contract: ModelContract, spec: FeatureSpec, rows: pa.Table) -> Finding | None:
    """Return that a feature is the label, its negation, or another name of each class, wherever it has a value."""
    known = rows.select([spec.name, names.COLUMN_LABEL]).filter(pc.is_valid(rows[spec.name]))
    label = known[names.COLUMN_LABEL].to_numpy()
    if len(label) < MIN_ROWS or len(np.unique(label)) < 2:
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
    return critical(spec.name, "equals_label", 1.0, message)


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
    if len(label) < MIN_ROWS:
        return None
    curves = {
        "rises or falls in a straight line with the label: correlation": found.correlation,
        "rises or falls with the label in every row: rank correlation": found.rank_correlation,
    }
    for words, correlation in curves.items():
        if correlation is not None and abs(correlation) >= SUSPICIOUS_CORRELATION:
            message = f"{spec.name} {words} {correlation:.5f}"
            return critical(spec.name, "correlates", correlation, message)
    if found.score is None or found.score < STRONG_SCORE:
        return None
    if contract.schema.task == "multiclass":
        counts = np.bincount(label.astype(int))
        others = len(label) - counts.max()
        errors = (1 - found.score) * len(label)
        if others < _MIN_OTHER_ROWS or errors > _MAX_SHARE_OF_ERRORS * others:
            return None
    measured = f"{found.metric} {found.score:.4f} on the stopping split"
    if found.score >= SUSPICIOUS_SCORE:
        message = f"{spec.name} alone predicts nearly everything: {measured}"
        return critical(spec.name, "predicts_alone", found.score, message)
    message = f"{spec.name} alone predicts very well: {measured}. Make sure that it is known when predictions are made"
    return warning(spec.name, "strong_alone", found.score, message)


def _equals_label_in_part(contract: ModelContract, spec: FeatureSpec, rows: pa.Table) -> Finding | None:
    """Return that a quantity is the label in many rows, as where the others have a default or were corrected since."""
    if contract.schema.task != "regression" or spec.type != "number":
        return None
    label, values = rows[names.COLUMN_LABEL].to_numpy(), rows[spec.name].to_numpy()
    _, places, counts = np.unique(label, return_inverse=True, return_counts=True)
    # Of labels with few values, many are equal by chance.
    rare = counts[places.reshape(-1)] <= _RARE * len(label)
    share = float((values == label)[rare].mean()) if rare.sum() >= MIN_ROWS else 0.0
    if share < _EQUAL_IN_PART:
        return None
    message = (
        f"{spec.name} equals the label to the last digit in {share:.0%} of the rows. Make sure that it is known when "
        "predictions are made"
    )
    return warning(spec.name, "equals_label_in_part", share, message)
