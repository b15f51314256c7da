"""Registers a package in MLflow: a run with metrics and plots, and a version with tags that serving reads."""

from __future__ import annotations

import logging
import os
from typing import Any

import mlflow
import pandas as pd
import pyarrow.parquet as pq
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from hotclub import names, package
from hotclub.contract import ModelContract
from training.description import description, warnings
from training.run_folder import RunFolder
from training.settings import TrainingSettings

TAG_RUN_KEY = "hotclub.run_key"
_MAX_TAG = 500
_TYPES = {"number": DataType.double, "boolean": DataType.boolean, "category": DataType.string}
#: What a bare environment needs to load the package through `hotclub.pyfunc`.
_REQUIREMENTS = ["hotclub[predictor]", "pandas"]


def signature_of(contract: ModelContract) -> ModelSignature:
    """Return the signature from the contract: inferred from a few rows, nullable columns would be required."""
    inputs = [ColSpec(_TYPES[f.type], f.name, required=not f.nullable) for f in contract.features]
    outputs = [ColSpec(DataType.double, label) for label in contract.schema.classes] or [
        ColSpec(DataType.double)
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def register(
    settings: TrainingSettings,
    contract: ModelContract,
    folder: RunFolder,
    *,
    key: str,
    snapshot: dict[str, Any],
    facts: dict[str, Any],
    evaluation: dict[str, Any],
) -> dict[str, Any]:
    """Register once: a second call with the same key returns the version of the first.

    Returns:
        model, version, run_id, gates, and whether `challenger` points at it.
    """
    # MLflow's progress bars and hints are for notebooks.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    mlflow.set_tracking_uri(settings.mlflow_url)
    client = mlflow.MlflowClient()
    version = _registered(client, contract.name, key)
    if version is None:
        version = _log(client, contract, folder, key, snapshot, facts, evaluation)
    _tag(client, contract, version, facts, evaluation)
    # Neither a failed version is a challenger nor one that no gate has measured.
    passed = evaluation["gates_outcome"] == names.GATES_PASSED
    challenges = passed and int(version.version) >= _challenger(client, contract.name)
    if challenges:
        client.set_registered_model_alias(contract.name, names.ALIAS_CHALLENGER, version.version)
    return {
        "model": contract.name,
        "version": str(version.version),
        "run_id": version.run_id,
        "gates": evaluation["gates_outcome"],
        "challenger": challenges,
        "metrics": evaluation["metrics"],
        "baselines": evaluation["baselines"],
        "warnings": warnings(facts, evaluation),
    }


def _challenger(client: mlflow.MlflowClient, model: str) -> int:
    """Return the version that is challenger, 0 for none: a step that runs again must not put an older one back."""
    aliases: dict[str, Any] = client.get_registered_model(model).aliases
    return int(aliases.get(names.ALIAS_CHALLENGER, 0))


def _registered(client: mlflow.MlflowClient, model: str, key: str) -> ModelVersion | None:
    found = [v for v in client.search_model_versions(f"name='{model}'") if v.tags.get(TAG_RUN_KEY) == key]
    return found[0] if found else None


def _log(
    client: mlflow.MlflowClient,
    contract: ModelContract,
    folder: RunFolder,
    key: str,
    snapshot: dict[str, Any],
    facts: dict[str, Any],
    evaluation: dict[str, Any],
) -> ModelVersion:
    mlflow.set_experiment(contract.name)
    with mlflow.start_run(run_name=key):
        mlflow.set_tags({TAG_RUN_KEY: key, names.TAG_FINGERPRINT: contract.fingerprint})
        mlflow.log_params(
            facts["parameters"] | {k: facts[k] for k in ("rounds", "rows_fit", "rows_stopping")}
        )
        mlflow.log_params(
            {
                f"snapshot_{k}": snapshot[k]
                for k in ("rows", "sha256", "last_event")
                if snapshot[k] is not None
            }
        )
        mlflow.log_metrics(evaluation["metrics"])
        for baseline, values in evaluation["baselines"].items():
            mlflow.log_metrics({f"baseline_{baseline}_{name}": value for name, value in values.items()})
        if evaluation["champion"]["metrics"]:
            mlflow.log_metrics({f"champion_{k}": v for k, v in evaluation["champion"]["metrics"].items()})
        for name in ("importance", "agreement"):
            mlflow.log_artifact(str(folder.plot(name)))
        mlflow.log_dict(evaluation, "evaluation.json")
        mlflow.log_dict(snapshot, "snapshot.json")
        mlflow.log_dict({"findings": facts["leakage"]}, "leakage.json")
        info = mlflow.pyfunc.log_model(
            name="model",
            loader_module="hotclub.pyfunc",
            data_path=str(folder.package),
            signature=signature_of(contract),
            input_example=input_example(contract, folder),
            pip_requirements=_REQUIREMENTS,
        )
        if not client.search_registered_models(f"name='{contract.name}'"):
            client.create_registered_model(contract.name, description=contract.policy.doc)
        client.set_registered_model_tag(contract.name, names.TAG_KIND, "model")
        version = mlflow.register_model(info.model_uri, contract.name, tags={TAG_RUN_KEY: key})
        return client.get_model_version(contract.name, version.version)


def input_example(contract: ModelContract, folder: RunFolder) -> pd.DataFrame:
    """Return five golden rows: made of real values, and no real row."""
    table = pq.read_table(folder.package / package.GOLDEN).select(contract.feature_names).slice(0, 5)
    # Booleans with nulls come as objects: of the forms that pandas has, the one that MLflow takes for its boolean.
    return table.to_pandas()


def _tag(
    client: mlflow.MlflowClient,
    contract: ModelContract,
    version: ModelVersion,
    facts: dict[str, Any],
    evaluation: dict[str, Any],
) -> None:
    tags = {
        names.TAG_DIGEST: facts["digest"],
        names.TAG_FINGERPRINT: contract.fingerprint,
        names.TAG_CONTRACT_VERSION: str(contract.version),
        names.TAG_GATES: evaluation["gates_outcome"],
    }
    failed = "; ".join(v["message"] for v in evaluation["gates"] if not v["passed"])
    if failed:
        tags[names.TAG_FAILED_GATES] = failed[:_MAX_TAG]
    for name, value in tags.items():
        client.set_model_version_tag(contract.name, version.version, name, value)
    client.update_model_version(contract.name, version.version, description(contract, facts, evaluation))
