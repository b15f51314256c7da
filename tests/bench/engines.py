"""One row through the predictor, XGBoost itself and MLflow's pyfunc."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import xgboost

from hotclub import package
from hotclub.engines import XGBoostEngine
from hotclub.matrix import MatrixBuilder
from hotclub.predictor import Predictor
from hotclub.pyfunc import _load_pyfunc
from tests.bench.table import table

ROUNDS = 5


def _microseconds(call: Callable[[dict[str, Any]], Any], rows: list[dict[str, Any]]) -> tuple[float, float]:
    for row in rows[:50]:
        call(row)
    taken = []
    for row in rows:
        started = time.perf_counter()
        call(row)
        taken.append((time.perf_counter() - started) * 1e6)
    return statistics.median(taken), float(np.quantile(taken, 0.99))


def report(folder: Path, rows: pa.Table) -> str:
    """Return median and 99th percentile of each, in interleaved rounds, and the largest difference in score."""
    found = package.read(folder)
    fast, slow = Predictor.load(found), Predictor.load(found, engines=[XGBoostEngine])
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(found.model)
    builder = MatrixBuilder(found.contract.features, found.vocabulary)
    pyfunc = _load_pyfunc(str(folder))
    names = found.contract.feature_names
    listed = rows.select(names).to_pylist()

    def by_booster(row: dict[str, Any]) -> float:
        matrix = builder.build({name: [row[name]] for name in names}).values
        return float(booster.inplace_predict(matrix, missing=np.nan)[0])

    calls: dict[str, Callable[[dict[str, Any]], float]] = {
        "hotclub predictor, pylignum": lambda row: float(fast.predict_rows([row]).scores[0]),
        "hotclub predictor, XGBoost": lambda row: float(slow.predict_rows([row]).scores[0]),
        "Booster.inplace_predict": by_booster,
        "pyfunc on a DataFrame of one row": lambda row: float(pyfunc.predict(pd.DataFrame([row]))[0]),
    }
    reference = [by_booster(row) for row in listed]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            times[name].append(_microseconds(call, listed))
    base = statistics.median(m for m, _ in times["hotclub predictor, pylignum"])
    lines = []
    for name, call in calls.items():
        median = statistics.median(m for m, _ in times[name])
        tail = statistics.median(t for _, t in times[name])
        worst = max(abs(call(row) - score) for row, score in zip(listed, reference, strict=True))
        lines.append([name, f"{median:.0f}", f"{tail:.0f}", f"{median / base:.1f}", f"{worst:.1e}"])
    return table(["engine", "median µs", "p99 µs", "times ours", "max difference"], lines)
