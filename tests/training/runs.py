"""A training run whose snapshot is there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# Imported before any test runs: on a new machine it lists the fonts, by a process that a fast test may not start.
import matplotlib.font_manager  # noqa: F401  # as said above
import pyarrow as pa

from hotclub.contract import ModelContract
from training import snapshot, steps
from training.run_folder import RunFolder
from training.settings import TrainingSettings


def prepare(
    folder: Path,
    contract: ModelContract,
    rows: pa.Table,
    *,
    url: str = "http://127.0.0.1:9",
    key: str = "k",
    **options: Any,
) -> steps.Run:
    """Return a run over these rows, in a folder, with the MLflow of an address."""
    settings = TrainingSettings(
        mlflow_url=url, snapshots=folder / "runs", cache=folder / "cache", training_threads=1
    )
    run = steps.Run(
        settings=settings,
        contract=contract,
        folder=RunFolder.of(settings.snapshots, contract.name, key),
        key=key,
        progress=lambda text: None,
        **options,
    )
    digest = snapshot.write(run.folder.snapshot, rows)
    run.folder.write("snapshot", snapshot.describe(contract, rows, digest))
    return run
