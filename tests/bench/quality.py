"""The year's flights in a database of their own, and models fitted on most of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hotclub import names
from tests.bench.table import table
from tests.conftest import ROOT

MODELS = {"arrival_delay": ("roc_auc", ">= 0.74"), "arrival_minutes": ("rmse", "<= 36.5")}
BASELINE = "mean_by_carrier_hour"
_BOUNDS = ("--stopping-from", "2013-10-01", "--evaluation-from", "2013-11-01", "--until", "2014-01-01")


@dataclass
class Bench:
    """Loads, trains, and keeps what came out.

    Attributes:
        urls: a database URL per role.
        seconds: how long each load took.
    """

    folder: Path
    urls: Mapping[str, str]
    mlflow_url: str
    say: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)
    results: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def run(self, *words: str, **environment: str) -> str:
        """Run a Python module with an environment of its own; return what it printed."""
        base = {k: v for k, v in os.environ.items() if not k.startswith("HOTCLUB_")}
        contracts = str(ROOT / "django_app" / "flights" / "contracts")
        everything = {**base, "PYTHONPATH": str(ROOT), "HOTCLUB_CONTRACTS": contracts, **environment}
        command = [sys.executable, "-m", *words]
        done = subprocess.run(command, env=everything, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def load(self) -> None:
        """Migrate and load: January to October, timed as the first `make up` does it, then the rest of the year."""
        self.run("django_app.manage", "migrate", "-v0", HOTCLUB_DATABASE_URL=self.urls[names.ROLE_MIGRATOR])
        for until in ("2013-10-31", "2013-12-31"):
            started = time.monotonic()
            self.run(
                "django_app.manage", "load_history", "--until", until,
                HOTCLUB_DATABASE_URL=self.urls[names.ROLE_APP],
            )  # fmt: skip
            self.seconds[until] = time.monotonic() - started
            self.say(f"history up to {until} loaded in {self.seconds[until]:.1f} s")

    def train(self, *, everything: bool) -> None:
        """Fit and evaluate, with history features and (when `everything`) without."""
        for model in MODELS if everything else ["arrival_delay"]:
            for without in ("", "history") if everything else ("",):
                words = ["--without", without] if without else []
                key = f"without-{without}" if without else "all"
                started = time.monotonic()
                out = self.run(
                    "training", "run", "--model", model, "--run-key", key, "--no-register", *_BOUNDS, *words,
                    HOTCLUB_READER_DATABASE_URL=self.urls[names.ROLE_READER],
                    HOTCLUB_SNAPSHOTS=str(self.folder / "runs"),
                    HOTCLUB_CACHE=str(self.folder / "cache"),
                    HOTCLUB_MLFLOW_URL=self.mlflow_url,
                )  # fmt: skip
                self.results[model, key] = json.loads(out.splitlines()[-1])
                self.say(f"{model}, {key}: {time.monotonic() - started:.1f} s")

    @property
    def package(self) -> Path:
        """The package of the binary model."""
        return self.folder / "runs" / "arrival_delay" / "all" / names.PACKAGE_FOLDER

    def rows(self, count: int = 500) -> pa.Table:
        """Return held-out rows: the newest of the snapshot."""
        every = pq.read_table(self.folder / "runs" / "arrival_delay" / "all" / "snapshot.parquet")
        return every.slice(every.num_rows - count)

    def report(self) -> str:
        """Return quality beside baselines and targets, and the time of the load."""
        rows = []
        for model, (metric, target) in MODELS.items():
            full = self.results[model, "all"]
            bare = self.results[model, "without-history"]
            baselines = full["baselines"]
            rows.append(
                [model, metric, f"{full['metrics'][metric]:.4f}", target, f"{bare['metrics'][metric]:.4f}",
                 f"{baselines[BASELINE][metric]:.4f}", f"{baselines['constant'][metric]:.4f}", f"{full['rows']:,}"]
            )  # fmt: skip
        head = [
            "model",
            "metric",
            "all features",
            "wanted",
            "without history",
            "mean by carrier, hour",
            "constant",
            "held out",
        ]
        load = f"\nHistory January to October loaded in {self.seconds['2013-10-31']:.1f} s (wanted: 30 s or less)."
        return table(head, rows) + load
