"""The working folder of one training run: each step leaves files there for the next."""

from __future__ import annotations

import fcntl
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotclub import names
from hotclub.errors import HotclubError

_SAFE = re.compile(r"[^A-Za-z0-9._-]+")
#: The commands that write files of another name.
_COMMANDS = {"evaluation": "evaluate", "registered": "register"}


class StepMissingError(HotclubError):
    """A step was called before the one whose files it needs."""


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run, keyed by model and run key (the DAG run id, or any text)."""

    path: Path

    @classmethod
    def of(cls, snapshots: Path, model: str, run_key: str) -> RunFolder:
        """Return the folder of a run; it is made when the first step writes."""
        return cls(snapshots / model / _SAFE.sub("_", run_key))

    @property
    def snapshot(self) -> Path:
        """The rows: Parquet."""
        return self.path / "snapshot.parquet"

    @property
    def package(self) -> Path:
        """The model package; MLflow keeps the folder's name."""
        return self.path / names.PACKAGE_FOLDER

    @property
    def scores(self) -> Path:
        """Entity, label and score of every row of the evaluation split: Parquet."""
        return self.path / "scores.parquet"

    def plot(self, name: str) -> Path:
        """Return the file of a plot."""
        return self.path / f"{name}.png"

    def write(self, step: str, content: dict[str, Any]) -> dict[str, Any]:
        """Write a step's result as JSON, whole or not at all, and return it."""
        self.write_text(f"{step}.json", json.dumps(content, indent=2, allow_nan=False))
        return content

    def write_text(self, name: str, text: str) -> None:
        """Write a file, whole or not at all."""
        self.path.mkdir(parents=True, exist_ok=True)
        part = self.path / f"{name}.part"
        part.write_text(text, encoding="utf-8")
        part.rename(self.path / name)

    def read(self, step: str) -> dict[str, Any]:
        """Return what a step wrote.

        Raises:
            StepMissingError: the step has not run.
        """
        file = self.path / f"{step}.json"
        if not file.is_file():
            raise StepMissingError(
                f"{file} is missing: run `python -m training {_COMMANDS.get(step, step)}` with this run key first"
            )
        content: dict[str, Any] = json.loads(file.read_text())
        return content


@contextmanager
def fit_lock(snapshots: Path) -> Iterator[None]:
    """Hold this machine's lock for fits: wait until no other fit runs, and let none begin meanwhile.

    Two fits with all cores each do not share them: their threads wait for one another in busy loops, and both
    took ten times as long. The lock is a file in the snapshots' folder, which every run of this machine shares, and
    the system frees it with the process, however it ends.
    """
    snapshots.mkdir(parents=True, exist_ok=True)
    with (snapshots / ".fit.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
