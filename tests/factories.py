"""Small real things for tests: a contract, rows, a fitted model and its package."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hotclub import names
from hotclub.columns import view_schema
from hotclub.contract import FeatureSpec, ModelContract, ModelPolicy, ModelSchema, ViewSpec

FEATURES = (
    FeatureSpec("carrier", "category", nullable=False, pattern="[A-Z0-9]{2}", doc="IATA code"),
    FeatureSpec("hour", "number", nullable=False, minimum=0, maximum=23, unit="h"),
    FeatureSpec("wind_speed", "number", nullable=True, minimum=0, unit="mph", group="weather"),
    FeatureSpec("holiday", "boolean", nullable=True),
)


def make_contract(name: str = "arrival_delay", version: int = 1, **changes: Any) -> ModelContract:
    """Return a binary model's contract; `changes` replace parts of the schema, or of the policy by name."""
    schema: dict[str, Any] = {
        "django_model": "flights.Flight",
        "task": "binary",
        "entity": "pk",
        "entity_type": "bigint",
        "tenant_path": "origin__tenant",
        "event_time": "scheduled_departure",
        "horizon_seconds": 3600,
        "timezone": "America/New_York",
        "classes": (),
        "features": FEATURES,
        "view": ViewSpec(sql="SELECT 1", params=(), reads=("flights_flight",)),
    }
    policy: dict[str, Any] = {
        "metric": "roc_auc",
        "gates": {"roc_auc": 0.6, "worse_than_champion_by": 0.01},
        "baseline_by": ("carrier", "hour"),
        "evaluate_days": 20,
        "stopping_days": 20,
        "score_on": None,
        "schedule": None,
        "parameters": {"num_boost_round": 40, "max_depth": 4},
        "doc": "Will it be late?",
    }
    for key, value in changes.items():
        (schema if key in schema else policy)[key] = value
    return ModelContract(name, "flights", version, schema=ModelSchema(**schema), policy=ModelPolicy(**policy))


def make_rows(rows: int = 2000, seed: int = 7, task: str = "binary") -> pa.Table:
    """Return labelled rows in the shape of a feature view: 100 days, nulls among them, a learnable label."""
    random = np.random.default_rng(seed)
    carrier = random.choice(["AA", "B6", "UA"], rows)
    hour = random.integers(0, 24, rows).astype(float)
    wind = random.gamma(4, 3, rows)
    holiday = random.random(rows) < 0.1
    effect = 0.12 * (hour - 12) + 0.8 * (carrier == "B6") + 0.07 * (wind - 12) + 1.2 * holiday
    noise = random.logistic(0, 1, rows)
    label = {
        "binary": (effect + noise > 0).astype(float),
        "regression": 10 * effect + 5 * noise,
        "multiclass": np.digitize(effect + noise, [-1, 1]).astype(float),
    }[task]
    start = dt.datetime(2013, 1, 1, tzinfo=dt.UTC)
    times = [start + dt.timedelta(minutes=int(144000 * i / rows)) for i in range(rows)]
    return pa.table(
        {
            names.COLUMN_ENTITY: pa.array(range(1, rows + 1), pa.int64()),
            names.COLUMN_TENANT: pa.array(random.choice(["EWR", "JFK"], rows).tolist()),
            names.COLUMN_EVENT_TIME: pa.array(times, pa.timestamp("us", tz="UTC")),
            names.COLUMN_LABEL: pa.array(label),
            "carrier": pa.array(carrier.tolist()),
            "hour": pa.array(hour),
            "wind_speed": pa.array([None if random.random() < 0.1 else float(w) for w in wind]),
            "holiday": pa.array([None if random.random() < 0.05 else bool(h) for h in holiday]),
        },
        schema=view_schema(make_contract()),
    )


def make_package(
    folder: Path, contract: ModelContract | None = None, rows: pa.Table | None = None, *, rounds: int = 20
) -> str:
    """Fit a small model on `make_rows`, write its package into `folder` and return the digest.

    `rounds` makes packages of one contract differ.
    """
    from training import fit
    from training.splits import boundaries, split_rows

    contract = contract or make_contract(parameters={"num_boost_round": rounds, "max_depth": 3})
    rows = rows if rows is not None else make_rows(task=contract.schema.task)
    splits = split_rows(contract, rows, boundaries(contract, rows))
    model, vocabulary, _ = fit.fit(contract, splits, threads=1, progress=lambda text: None)
    return fit.write_package(folder, contract, model, vocabulary, splits.train)
