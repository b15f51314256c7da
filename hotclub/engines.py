"""Tree engines behind one port: pylignum, and XGBoost's own as the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt


class Engine(Protocol):
    """Answers a matrix with margins, as XGBoost's ``output_margin=True`` does."""

    name: str

    def margins(self, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return float32 margins, shape (rows,) or (rows, classes), of a (rows, features) matrix."""
        ...


class LignumEngine:
    """pylignum: fifty times faster than XGBoost on one row, without its import of 200 MB."""

    name = "pylignum"

    def __init__(self, model: Path, threads: int) -> None:
        import lignum  # noqa: PLC0415  # an engine is imported by who uses it: XGBoost's import costs 5 s and 200 MB

        self._model = lignum.load(str(model))
        self._threads = threads

    def margins(self, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """See `Engine`."""
        raw = self._model.predict(matrix.astype(np.float64), raw_score=True, n_jobs=self._threads)
        return np.asarray(raw, dtype=np.float32)


class XGBoostEngine:
    """XGBoost itself. Load it in the process that predicts: a booster does not survive a fork."""

    name = "xgboost"

    def __init__(self, model: Path, threads: int) -> None:
        import xgboost  # noqa: PLC0415  # see LignumEngine

        self._booster = xgboost.Booster({"nthread": threads})
        self._booster.load_model(model)

    def margins(self, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """See `Engine`."""
        raw = self._booster.inplace_predict(matrix, predict_type="margin", missing=np.nan)
        return np.asarray(raw, dtype=np.float32)

    def scores(self, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return what XGBoost's own ``predict`` answers: what every engine's scores are held against."""
        return np.asarray(self._booster.inplace_predict(matrix, missing=np.nan), dtype=np.float32)


#: In the order of preference; the first that repeats the golden margins serves.
ENGINES: tuple[type[LignumEngine | XGBoostEngine], ...] = (LignumEngine, XGBoostEngine)
