"""Fits XGBoost with early stopping and writes the model package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xgboost

from hotclub import names, package
from hotclub.columns import feature_schema
from hotclub.contract import ModelContract
from hotclub.engines import XGBoostEngine
from hotclub.matrix import MatrixBuilder, vocabulary_of
from hotclub.predictor import scores_from_margins
from training.reference import histograms
from training.split import Split

SEED = 20130101
#: Keys of `MLModel.parameters` that are not XGBoost's own.
_OURS = ("num_boost_round", "early_stopping_rounds")
_OBJECTIVES = {"binary": "binary:logistic", "multiclass": "multi:softprob", "regression": "reg:squarederror"}
_EVAL_METRICS = {
    "roc_auc": "auc",
    "average_precision": "aucpr",
    "brier": "logloss",
    "log_loss": "logloss",
    "accuracy": "error",
    "rmse": "rmse",
    "mae": "mae",
    "r2": "rmse",
}
_MULTICLASS = {"logloss": "mlogloss", "error": "merror"}
Progress = Callable[[str], None]


def parameters(contract: ModelContract, threads: int) -> dict[str, Any]:
    """Return XGBoost's parameters: those of the task, then the declaration's."""
    metric = _EVAL_METRICS[contract.policy.metric]
    chosen: dict[str, Any] = {
        "objective": _OBJECTIVES[contract.schema.task],
        "eval_metric": _MULTICLASS.get(metric, metric) if contract.schema.task == "multiclass" else metric,
        "tree_method": "hist",
        "learning_rate": 0.1,
        "max_depth": 6,
        "seed": SEED,
        "nthread": threads,
    }
    if contract.schema.task == "multiclass":
        chosen["num_class"] = len(contract.schema.classes)
    return chosen | {k: v for k, v in contract.policy.parameters.items() if k not in _OURS}


def _matrix(builder: MatrixBuilder, table: pa.Table) -> xgboost.DMatrix:
    label = table[names.COLUMN_LABEL].to_numpy()
    return xgboost.DMatrix(builder.build(table).values, label=label, missing=np.nan)


class _Report(xgboost.callback.TrainingCallback):  # type: ignore[misc]  # xgboost has no types
    """Tells how the early-stopping metric goes, every 50 rounds."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Report; returning False goes on."""
        del model
        if epoch % 50 == 0:
            ((metric, values),) = evals_log["stopping"].items()
            self._progress(f"round {epoch}: {metric} {values[-1]:.5f} on the early-stopping slice")
        return False


def fit(
    contract: ModelContract, split: Split, *, threads: int, progress: Progress
) -> tuple[bytes, dict[str, list[str]], dict[str, Any]]:
    """Fit on the oldest slice, stopping early on the next.

    Returns:
        The booster in UBJSON with only its best iterations, the vocabulary, and facts about the fit.
    """
    vocabulary = vocabulary_of(contract.features, split.fit)
    builder = MatrixBuilder(contract.features, vocabulary)
    chosen = parameters(contract, threads)
    ours = contract.policy.parameters
    booster = xgboost.train(
        chosen,
        _matrix(builder, split.fit),
        num_boost_round=int(ours.get("num_boost_round", 400)),
        evals=[(_matrix(builder, split.stopping), "stopping")],
        early_stopping_rounds=int(ours.get("early_stopping_rounds", 30)),
        verbose_eval=False,
        callbacks=[_Report(progress)],
    )
    best = int(booster.best_iteration) + 1
    # XGBoost predicts with all rounds by default, and so do other engines: keep none past the best.
    kept = booster[:best]
    gain = kept.get_score(importance_type="total_gain")
    facts = {
        "rounds": best,
        "early_stopping_score": float(booster.best_score),
        "parameters": chosen,
        "rows_fit": split.fit.num_rows,
        "rows_stopping": split.stopping.num_rows,
        "importance": {
            name: float(gain.get(f"f{place}", 0.0)) for place, name in enumerate(contract.feature_names)
        },
    }
    return bytes(kept.save_raw("ubj")), vocabulary, facts


def write_package(
    path: Path, contract: ModelContract, model: bytes, vocabulary: dict[str, list[str]], rows: pa.Table
) -> str:
    """Write the package, with golden margins by XGBoost itself from the file as written; return its digest.

    Args:
        path: the folder.
        contract: what the model was fitted under.
        model: the booster, cut to its best iterations.
        vocabulary: categories per feature.
        rows: the rows of the fit, for golden rows and histograms.
    """
    path.mkdir(parents=True, exist_ok=True)
    (path / package.MODEL).write_bytes(model)
    engine = XGBoostEngine(path / package.MODEL, threads=1)
    builder = MatrixBuilder(contract.features, vocabulary)
    features = rows.select(contract.feature_names).cast(feature_schema(contract.features))
    golden = package.shuffled_columns(features, package.GOLDEN_ROWS, SEED)
    every = max(1, rows.num_rows // 20_000)
    thin = features.take(pa.array(np.arange(0, rows.num_rows, every)))
    scores = scores_from_margins(engine.margins(builder.build(thin).values), contract.schema.task)
    return package.write(
        path,
        contract=contract,
        model=model,
        vocabulary=vocabulary,
        golden=golden,
        golden_margins=_float32(engine.margins(builder.build(golden).values)),
        reference=histograms(contract, thin, scores),
    )


def _float32(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)
