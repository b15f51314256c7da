"""The predictor: a package, a verified engine, and scores in the units of the task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hotclub import answers, objectives
from hotclub.columns import columns_from_rows
from hotclub.contract import ModelContract
from hotclub.engines import ENGINES, Engine
from hotclub.errors import PackageError
from hotclub.matrix import Columns, MatrixBuilder
from hotclub.package import Package

#: How far an engine's margins may lie from the golden ones: ``atol + rtol * |golden|``. Engines here are
#: bit-identical on one machine; summation order and another CPU's rounding stay a hundred times below it.
ATOL = 1e-5
RTOL = 1e-5
#: The same for scores. A link may be exp, which makes a margin's distance a hundred-thousandth of ten times as much.
SCORE_RTOL = 1e-4

EngineFactory = Callable[[Path, int], Engine]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Scores with what was missing in their rows.

    Attributes:
        scores: float64, what XGBoost's own ``predict`` answers. binary: probability of 1, shape (rows,);
            multiclass: probabilities, shape (rows, classes); regression: the quantity in the label's unit, shape (rows,).
        nulls: per feature with any, the number of null values.
        unseen: per category feature with any, the number of values that training had never seen.
    """

    scores: npt.NDArray[np.float64]
    nulls: dict[str, int]
    unseen: dict[str, int]


class Predictor:
    """Scores rows with one model version. Safe to share between threads."""

    def __init__(self, package: Package, engine: Engine, refused: Mapping[str, str] | None = None) -> None:
        self.package = package
        self.engine = engine
        #: Why faster engines do not serve, by name; empty when the first one does.
        self.refused: dict[str, str] = dict(refused or {})
        self._matrix = MatrixBuilder(package.contract.features, package.vocabulary)
        self._objective = objectives.find(package.contract.schema.task, package.contract.policy.parameters)

    @property
    def contract(self) -> ModelContract:
        """The contract that the model was trained under."""
        return self.package.contract

    @classmethod
    def load(cls, package: Package, *, threads: int = 1, engines: Sequence[EngineFactory] = ENGINES) -> Self:
        """Return a predictor on the first engine that repeats the golden margins.

        Raises:
            PackageError: no engine does; the message has every engine's reason.
            ContractError: the package's contract names an objective whose answers are no scores, or not as many
                classes as the golden rows have scores.
        """
        objectives.find(package.contract.schema.task, package.contract.policy.parameters)
        golden = package.golden_margins
        answers.require_fit(package.contract, 1 if golden.ndim == 1 else golden.shape[1])
        refused: dict[str, str] = {}
        for factory in engines:
            label = getattr(factory, "name", repr(factory))
            try:
                predictor = cls(package, factory(package.model, threads), refused)
                predictor.verify()
            # A foreign engine may fail in any way on a damaged file; each way means "not this one".
            except Exception as error:  # noqa: BLE001  # see above
                refused[label] = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            else:
                return predictor
        raise PackageError(
            "no engine gives the golden scores: " + "; ".join(f"{k}: {v}" for k, v in refused.items())
        )

    def verify(self) -> None:
        """Score the golden rows and compare: margins, and scores where the package has them.

        Raises:
            PackageError: a margin is off by more than ``ATOL + RTOL * |golden|``, or a score by more than
                ``ATOL + SCORE_RTOL * |golden|``.
        """
        margins = self.engine.margins(self._matrix.build(self.package.golden).values)
        _compare("margin", margins, self.package.golden_margins, RTOL)
        if self.package.golden_scores is not None:
            scores = objectives.scores(self._objective, margins)
            _compare("score", scores, self.package.golden_scores, SCORE_RTOL)

    def predict(self, columns: Columns) -> Prediction:
        """Score columns of feature values (see `MatrixBuilder.build`).

        Raises:
            PackageError: a score is no finite number, which nobody could store, compare or label.
        """
        matrix = self._matrix.build(columns)
        # The link may overflow: what it makes then is refused below, by number.
        with np.errstate(over="ignore", invalid="ignore"):
            scores = objectives.scores(self._objective, self.engine.margins(matrix.values))
        _require_finite(self.contract.name, scores)
        return Prediction(scores, matrix.nulls, matrix.unseen)

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> Prediction:
        """Score rows of feature values, as JSON gives them; a missing name is a null.

        Raises:
            PackageError: a score is no finite number.
        """
        return self.predict(columns_from_rows(self.contract.features, rows))


def _require_finite(model: str, scores: npt.NDArray[np.float64]) -> None:
    wrong = ~np.isfinite(scores if scores.ndim == 1 else scores.sum(axis=1))
    if wrong.any():
        raise PackageError(
            f"{model} gives no finite score for {int(wrong.sum()):,} of {len(scores):,} rows, the first of them row "
            f"{int(wrong.argmax())}; train a version whose label and objective keep scores finite"
        )


def _compare(what: str, found: npt.NDArray[Any], golden: npt.NDArray[Any], rtol: float) -> None:
    if found.shape != golden.shape:
        raise PackageError(f"{what}s have shape {found.shape}, golden ones {golden.shape}")
    # Two infinities are close to numpy, and say nothing about agreement.
    if not np.isfinite(golden).all():
        raise PackageError(f"golden rows: a {what} is not a finite number")
    if not np.allclose(found, golden, rtol=rtol, atol=ATOL):
        worst = float(np.nanmax(np.abs(found - golden)))
        raise PackageError(f"golden rows: a {what} is off by {worst:.3g}")
