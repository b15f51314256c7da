"""A training run whose snapshot is there already."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Imported before any test runs: on a new machine it lists the fonts, by a process that a fast test may not start.
import matplotlib.font_manager  # noqa: F401  # as said above
import pyarrow as pa

from hotclub import names
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


def without_time(
    contract: ModelContract, rows: pa.Table, *, split_by: Callable[[int], str | None] | None = None
) -> tuple[ModelContract, pa.Table]:
    """Return contract and rows as those of a model whose rows have no time; `split_by` is from entity to value."""
    schema = dataclasses.replace(
        contract.schema, event_time=None, horizon_seconds=0, split_by="customer" if split_by else None
    )
    policy = dataclasses.replace(contract.policy, evaluate_days=None, stopping_days=None)
    contract = dataclasses.replace(contract, schema=schema, policy=policy)
    place = rows.schema.get_field_index(names.COLUMN_EVENT_TIME)
    nulls = pa.nulls(rows.num_rows, rows.schema.field(place).type)
    rows = rows.set_column(place, names.COLUMN_EVENT_TIME, nulls)
    if split_by is not None:
        values = [split_by(entity) for entity in rows[names.COLUMN_ENTITY].to_pylist()]
        rows = rows.append_column(names.COLUMN_SPLIT, pa.array(values, pa.string()))
    return contract, rows
