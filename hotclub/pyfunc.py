"""How MLflow itself loads a package: the ``loader_module`` of the registered model.

``mlflow.pyfunc.load_model`` and ``mlflow models serve --env-manager local`` come through here, so they
give the scores that serving gives. MLflow's evaluation, its Spark function and its signatures want numbers, so a model
with classes answers numbers here too: the probabilities in the order of `PyfuncModel.classes`, and for two classes the
probability of the second. `hotclub.answers` makes labels of them. MLflow and pandas are the caller's; nothing here imports them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hotclub import answers, package
from hotclub.contract import FeatureSpec
from hotclub.predictor import Predictor


class PyfuncModel:
    """The object that MLflow calls."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes in the order of the scores; empty where the contract has none."""
        return answers.class_names(self._predictor.contract)

    def predict(self, frame: Any, params: dict[str, Any] | None = None) -> npt.NDArray[np.float64]:
        """Return the scores of a pandas DataFrame with a column per feature; NaN, None and pandas' NA are missing.

        A nullable feature may be left out, as at the endpoint.
        """
        del params  # none are declared
        columns = {
            spec.name: [None if _missing(value) else value for value in _column(frame, spec)]
            for spec in self._predictor.contract.features
        }
        return self._predictor.predict(columns).scores


def _column(frame: Any, spec: FeatureSpec) -> list[Any]:
    if spec.nullable and spec.name not in frame:
        return [None] * len(frame)
    return list(frame[spec.name].tolist())


def _missing(value: object) -> bool:
    # pandas' NA equals nothing and is no float; its type is known by name, for pandas is the caller's.
    return (
        value is None or (isinstance(value, float) and math.isnan(value)) or type(value).__name__ == "NAType"
    )


def _load_pyfunc(data_path: str) -> PyfuncModel:
    """Return the model; the name is MLflow's convention for a loader module."""
    return PyfuncModel(Predictor.load(package.read(Path(data_path))))
