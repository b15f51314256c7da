"""Fits XGBoost with early stopping and writes the model package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xgboost

from hotclub import names, objectives, package
from hotclub import parameters as declared
from hotclub.callbacks import ProgressCallback
from hotclub.columns import feature_schema
from hotclub.contract import ModelContract
from hotclub.engines import XGBoostEngine
from hotclub.errors import HotclubError
from hotclub.matrix import MatrixBuilder, vocabulary_of
from hotclub.predictor import Predictor
from training import labels
from training.reference import histograms
from training.splits import Splits

SEED = 20130101
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


def parameters(contract: ModelContract, threads: int) -> dict[str, Any]:
    """Return XGBoost's parameters: those of the task, then the declaration's.

    Raises:
        ContractError: the contract declares one that no model may have.
    """
    task, wanted = contract.schema.task, contract.policy.parameters
    declared.check(task, {f.name: f.type for f in contract.features}, wanted)
    metric = _EVAL_METRICS[contract.policy.metric]
    chosen: dict[str, Any] = {
        "objective": objectives.name_of(task, wanted),
        "eval_metric": _MULTICLASS.get(metric, metric) if task == "multiclass" else metric,
        "tree_method": "hist",
        "learning_rate": 0.1,
        "max_depth": 6,
        "seed": SEED,
        "nthread": threads,
    }
    if task == "multiclass":
        chosen["num_class"] = len(contract.schema.classes)
    return chosen | declared.for_xgboost(contract.feature_names, wanted)


def _matrix(builder: MatrixBuilder, table: pa.Table) -> xgboost.DMatrix:
    label = table[names.COLUMN_LABEL].to_numpy()
    return xgboost.DMatrix(builder.build(table).values, label=label, missing=np.nan)


class _Report(xgboost.callback.TrainingCallback):  # type: ignore[misc]  # xgboost has no types
    """Reports the early-stopping metric every 50 rounds."""

    def __init__(self, progress: ProgressCallback) -> None:
        super().__init__()
        self._progress = progress

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Report; returning False goes on."""
        del model
        if epoch % 50 == 0:
            watched = ", ".join(f"{name} {values[-1]:.5f}" for name, values in evals_log["stopping"].items())
            self._progress(f"round {epoch}: {watched} on the stopping split")
        return False


def fit(
    contract: ModelContract, splits: Splits, *, threads: int, progress: ProgressCallback
) -> tuple[bytes, dict[str, list[str]], dict[str, Any]]:
    """Fit on the training split, stopping early on the stopping split.

    Raises:
        RefusedDataError: a feature or label is infinite, too large, or none that the objective takes.
        ContractError: the contract declares a parameter that no model may have.
        HotclubError: a metric or gain of the fit is not finite.

    Returns:
        The booster in UBJSON with only its best iterations, the vocabulary, and facts about the fit.
    """
    chosen = parameters(contract, threads)
    labels.check_values(contract, "train", splits.train)
    labels.check_values(contract, "stopping", splits.stopping)
    vocabulary = vocabulary_of(contract.features, splits.train)
    builder = MatrixBuilder(contract.features, vocabulary)
    ours = declared.canonical(contract.policy.parameters)
    patience = ours.get(declared.EARLY_STOPPING, declared.DEFAULT_EARLY_STOPPING)
    watched: dict[str, dict[str, list[float]]] = {}
    booster = xgboost.train(
        chosen,
        _matrix(builder, splits.train),
        num_boost_round=ours.get(declared.ROUNDS, declared.DEFAULT_ROUNDS),
        evals=[(_matrix(builder, splits.stopping), "stopping")],
        evals_result=watched,
        early_stopping_rounds=patience,
        verbose_eval=False,
        callbacks=[_Report(progress)],
    )
    # XGBoost predicts with all rounds by default, and so do other engines: keep none past the best.
    best = booster.num_boosted_rounds() if patience is None else int(booster.best_iteration) + 1
    kept = booster if patience is None else booster[:best]
    facts = _facts(contract, splits, chosen, kept, watched)
    return bytes(kept.save_raw("ubj")), vocabulary, facts


def _facts(
    contract: ModelContract,
    splits: Splits,
    chosen: dict[str, Any],
    kept: xgboost.Booster,
    watched: dict[str, dict[str, list[float]]],
) -> dict[str, Any]:
    """Return what is recorded of a fit: rounds, the metric that stopped it, parameters, rows and importance."""
    rounds = kept.num_boosted_rounds()
    # Of several metrics the last one stops.
    stopped_by, values = list(watched["stopping"].items())[-1]
    gain = kept.get_score(importance_type="total_gain")
    if not np.isfinite([values[rounds - 1], *gain.values()]).all():
        raise HotclubError(
            f"the fit overflowed: {stopped_by} or the gain of a feature is infinite or not a number. Look at the largest "
            "labels and features with inspectml, and at parameters in ml.py"
        )
    return {
        "rounds": rounds,
        "early_stopping_metric": stopped_by,
        "early_stopping_score": float(values[rounds - 1]),
        "parameters": chosen,
        "rows_fit": splits.train.num_rows,
        "rows_stopping": splits.stopping.num_rows,
        "importance": {
            name: float(gain.get(f"f{place}", 0.0)) for place, name in enumerate(contract.feature_names)
        },
    }


def write_package(
    path: Path, contract: ModelContract, model: bytes, vocabulary: dict[str, list[str]], rows: pa.Table
) -> str:
    """Write the package, with golden margins and scores by XGBoost itself from the file as written; return its digest.

    Args:
        path: the folder.
        contract: what the model was fitted under.
        model: the booster, cut to its best iterations.
        vocabulary: categories per feature.
        rows: the rows of the fit, for golden rows and histograms.

    Raises:
        PackageError: the link of the contract's objective does not give what XGBoost's own ``predict`` gives.
    """
    path.mkdir(parents=True, exist_ok=True)
    (path / package.MODEL).write_bytes(model)
    engine = XGBoostEngine(path / package.MODEL, threads=1)
    builder = MatrixBuilder(contract.features, vocabulary)
    features = rows.select(contract.feature_names).cast(feature_schema(contract.features))
    golden = package.golden_rows(features, SEED)
    matrix = builder.build(golden).values
    every = max(1, rows.num_rows // 20_000)
    thin = features.take(pa.array(np.arange(0, rows.num_rows, every)))
    objective = objectives.find(contract.schema.task, contract.policy.parameters)
    scores = objectives.scores(objective, engine.margins(builder.build(thin).values))
    digest = package.write(
        path,
        contract=contract,
        model=model,
        vocabulary=vocabulary,
        golden=golden,
        golden_margins=engine.margins(matrix),
        golden_scores=engine.scores(matrix),
        reference=histograms(contract, thin, scores),
    )
    Predictor.load(package.read(path), engines=(XGBoostEngine,))
    return digest
