"""A whole stack from a copy of the tree, as a fresh clone would be, in a folder and on ports of its own."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import httpx

from hotclub import names, statuses
from hotclub.airflow_rest import RUN_ENDED, Airflow, AirflowDownError
from hotclub.mlflow_rest import MlflowRegistry
from stack import clients, lifecycle
from stack.ports import Ports, shift_problem
from stack.service_environments import Stack
from stack.settings import Settings
from tests.conftest import ROOT

#: The first day of the slice of history that is loaded. From the middle of June on, the newest slice has a
#: destination that the oldest lacks (ILM): an unseen category in real rows.
HISTORY_FROM = "2013-06-15"


#: The variables of a stack with the example and a part of its history.
DEMO: Final[Mapping[str, str]] = {"HOTCLUB_DEMO_HISTORY_FROM": HISTORY_FROM}

#: What the keys of batches that tests ask for begin with.
OWN_BATCH = "test "


def free_shift() -> int:
    """Return a shift of the ports with which a stack can start now."""
    for _ in range(100):
        shift = random.randrange(1000, 40_000, 10)
        if shift_problem(shift) is not None:
            continue
        ports = Ports.shifted(shift).named().values()
        free = True
        for port in ports:
            with socket.socket() as probe:
                free = free and probe.connect_ex(("127.0.0.1", port)) != 0
        if free:
            return shift
    raise AssertionError("no free ports")


def wait_until(what: str, ready: Callable[[], Any], seconds: float = 60, every: float = 0.2) -> Any:
    """Return the first true value of `ready`.

    Raises:
        AssertionError: the time is over; with what was waited for and the last value.
    """
    deadline = time.monotonic() + seconds
    value = None
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError, AirflowDownError):
            if value := ready():
                return value
        time.sleep(every)
    raise AssertionError(f"waited {seconds:g} s for {what}; last: {value!r}")


@dataclass
class LiveStack:
    """A stack that tests use as people and services would.

    Attributes:
        folder: the copy of the tree.
        variables: settings of the launcher in addition to its ports.
    """

    folder: Path
    shift: int
    output: str = ""
    variables: Mapping[str, str] = field(default_factory=lambda: DEMO)

    @cached_property
    def stack(self) -> Stack:
        """The launcher's own view: ports, secrets, environments."""
        return lifecycle.open_stack(Settings(home=self.folder / "var", port_shift=self.shift, _env_file=None))

    @property
    def home(self) -> Path:
        """The folder of its state."""
        return self.folder / "var"

    def url(self, service: str) -> str:
        """Return the address of a service."""
        return self.stack.ports.url(service)

    def launcher(self, *words: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """Run a command of the launcher, as `make` does."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HOTCLUB_")}
        environment = {
            **kept,
            "PYTHONPATH": str(self.folder),
            **self.variables,
        }
        if self.shift:  # what is not set, the stack remembers
            environment["HOTCLUB_PORT_SHIFT"] = str(self.shift)
        command = [sys.executable, "-m", "stack", *words]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def must(self, *words: str, seconds: float = 600) -> str:
        """Run a command of the launcher that has to succeed; return what it said."""
        done = self.launcher(*words, seconds=seconds)
        assert done.returncode == 0, f"stack {' '.join(words)}:\n{done.stdout[-6000:]}{done.stderr[-3000:]}"
        return done.stdout

    @cached_property
    def airflow(self) -> Airflow:
        """Airflow's API as the administrator."""
        return clients.airflow(self.stack)

    @cached_property
    def registry(self) -> MlflowRegistry:
        """MLflow's API."""
        return MlflowRegistry(self.url("mlflow"))

    @cached_property
    def django(self) -> httpx.Client:
        """Django's API as the service account."""
        token = {"Authorization": f"Token {self.stack.secrets.service_token}"}
        return httpx.Client(base_url=f"{self.url('django')}/api/v1", headers=token, timeout=60)

    @cached_property
    def endpoint(self) -> httpx.Client:
        """The inference service."""
        return httpx.Client(base_url=f"{self.url('serving')}/v1", timeout=30)

    def close(self) -> None:
        """Close what was opened."""
        for name in ("django", "endpoint"):
            if name in self.__dict__:
                self.__dict__[name].close()
        for adapter in ("registry", "airflow"):
            if adapter in self.__dict__:
                self.__dict__[adapter].close()

    def model(self, name: str) -> dict[str, Any]:
        """Return what the endpoint says of a model."""
        models: list[dict[str, Any]] = self.endpoint.get("/models").json()["models"]
        return next(m for m in models if m["name"] == name)

    def promote(self, model: str, version: str) -> None:
        """Give `champion` to a version and wait until it answers; nothing happens where it does already."""
        if self.model(model)["version"] != version:
            self.registry.set_alias(model, names.ALIAS_CHAMPION, version)
            wait_until(
                f"{model} version {version} to serve", lambda: self.model(model)["version"] == version, 60
            )

    def run_folder(self, model: str, version: str) -> Path:
        """Return the folder of the training run that a version came from."""
        for registered in (self.home / "snapshots" / model).glob("*/registered.json"):
            if json.loads(registered.read_text())["version"] == version:
                return registered.parent
        raise AssertionError(f"no training run of {model} version {version}")

    def train(self, model: str, key: str, seconds: float = 240) -> str:
        """Train through the DAG and return the version that came out."""
        dag_id = f"{model}.train"
        self.airflow.run_start(dag_id=dag_id, run_id=key)
        state = wait_until(
            f"{dag_id} {key}",
            lambda: (s := self.airflow.run_state(dag_id=dag_id, run_id=key)) in RUN_ENDED and s,
            seconds,
            every=1,
        )
        assert state == "success", self.airflow.task_states(dag_id=dag_id, run_id=key)
        return self.registry.version_by_alias(model, "challenger").version

    def batch(self, **body: Any) -> dict[str, Any]:
        """Ask for a batch and wait until it is over."""
        made = self.django.post("/batches/", json={"key": f"{OWN_BATCH}{uuid.uuid4()}", **body})
        assert made.status_code in (200, 201, 202), made.text
        path = f"/batches/{made.json()['id']}/"
        done = wait_until(
            "the batch",
            lambda: (b := self.django.get(path).json())["status"] in statuses.BATCH_FINAL and b,
            120,
        )
        assert isinstance(done, dict)
        return done

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Return every object of a list of Django's API."""
        url: str | None = path
        while url:
            page = self.django.get(url, params=query if url == path else None).json()
            yield from page["results"]
            url = page["next"]


def copy_tree(target: Path) -> None:
    """Copy what git would clone, with what is not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.decode().split("\0"):
        source = ROOT / name
        if name and source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)


def lower_the_gate(live: LiveStack) -> None:
    """Let a model of a part of the history pass: a change of policy, which makes no new version."""
    ml = live.folder / "django_app" / "flights" / "ml.py"
    text = ml.read_text()
    assert '"roc_auc": 0.70' in text
    ml.write_text(text.replace('"roc_auc": 0.70', '"roc_auc": 0.60'))
    assert "policy changed; nothing is retrained" in live.must("manage", "makecontracts")


def _start(folder: Path, prepare: Callable[[LiveStack], None], variables: Mapping[str, str]) -> LiveStack:
    live = LiveStack(folder, free_shift(), variables=variables)
    folder.mkdir(parents=True)
    copy_tree(folder)
    prepare(live)
    live.output = live.must("up", seconds=900)
    return live


@contextmanager
def live_stack(
    prepare: Callable[[LiveStack], None] = lower_the_gate, variables: Mapping[str, str] = DEMO
) -> Iterator[LiveStack]:
    """Copy the tree, prepare it, start the stack, and stop all of it.

    While working on a test, `HOTCLUB_TEST_STACK=/some/folder` keeps the stack there and finds it again;
    its code is the copy's, and `python -m stack down` in the folder ends it.
    """
    kept = os.environ.get("HOTCLUB_TEST_STACK")
    if kept:
        yield _kept(Path(kept), prepare, variables)
        return
    # Not in pytest's folder: PostgreSQL started by root runs as another user, who may not pass there.
    with tempfile.TemporaryDirectory(prefix="hotclub-e2e-") as name:
        folder = Path(name) / "hotclub"
        live = None
        try:
            live = _start(folder, prepare, variables)
            yield live
        finally:
            if live is not None:
                live.close()
            # With nothing set: what it was started with, the stack remembers.
            LiveStack(folder, 0, variables={}).must("down", seconds=120)


def _kept(folder: Path, prepare: Callable[[LiveStack], None], variables: Mapping[str, str]) -> LiveStack:
    note = folder / "var" / "test-stack.json"
    if note.is_file():
        return LiveStack(folder, **json.loads(note.read_text()), variables=variables)
    live = _start(folder, prepare, variables)
    note.write_text(json.dumps({"shift": live.shift, "output": live.output}))
    return live
