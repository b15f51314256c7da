"""How MLflow itself loads a package: the ``loader_module`` of the registered model.

``mlflow.pyfunc.load_model`` and ``mlflow models serve --env-manager local`` come through here, so they
give the scores that serving gives. MLflow and pandas are the caller's; nothing here imports them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hotclub import package
from hotclub.predictor import Predictor


class PyfuncModel:
    """The object that MLflow calls."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, frame: Any, params: dict[str, Any] | None = None) -> npt.NDArray[np.float64]:
        """Return the scores of a pandas DataFrame with one column per feature; NaN and None are missing."""
        del params  # none are declared
        columns = {
            name: [None if _missing(value) else value for value in frame[name].tolist()]
            for name in self._predictor.contract.feature_names
        }
        return self._predictor.predict(columns).scores


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _load_pyfunc(data_path: str) -> PyfuncModel:
    """Return the model; the name is MLflow's convention for a loader module."""
    return PyfuncModel(Predictor.load(package.read(Path(data_path))))
