"""What the first `up` does after the services run: history, two trained models, one scored day.

Each step does its work once and may be repeated: it is recorded when it is done, and a run that was
killed goes on from the first step that is not. Everything goes through the services' own APIs and commands.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hotclub import days, names, statuses
from hotclub.airflow_rest import RUN_ENDED, Airflow
from hotclub.errors import GateError, RegistryNotFoundError
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.statuses import BatchStatus, DeliveryStatus
from stack import clients, service_definitions, summary
from stack.clients import Django, Serving
from stack.errors import StackError
from stack.progress import Progress
from stack.service_environments import Stack
from stack.settings import ROOT
from stack.startup import log_path, tail

MODELS: Final = ("arrival_delay", "arrival_minutes")
DAY: Final = dt.date(2013, 11, 1)
_TRAINING_TIMEOUT_SECONDS: Final = 600
_DELIVERY_TIMEOUT_SECONDS: Final = 300
_POLL_SECONDS: Final = 1.0


@dataclass
class Demo:
    """One run of the steps over a stack; each public method is one step."""

    stack: Stack
    progress: Progress
    #: Distinguishes runs by hand of this attempt from those of an earlier one.
    _number: int = field(default_factory=lambda: int(time.time()))
    _opened: dict[str, Any] = field(default_factory=dict)

    @property
    def airflow(self) -> Airflow:
        """Airflow's API, logged in once."""
        if "airflow" not in self._opened:
            self._opened["airflow"] = clients.airflow(self.stack)
        client: Airflow = self._opened["airflow"]
        return client

    @property
    def django(self) -> Django:
        """Django's API."""
        return Django(self.stack)

    @property
    def registry(self) -> MlflowRegistry:
        """MLflow's API."""
        return clients.registry(self.stack)

    def users(self) -> None:
        """Make an administrator, an ML engineer and a data owner of one tenant."""
        values = self.stack.secrets
        passwords = {
            "HOTCLUB_ADMIN_PASSWORD": values.admin_password,
            "HOTCLUB_ENGINEER_PASSWORD": values.engineer_password,
            "HOTCLUB_OWNER_PASSWORD": values.owner_password,
        }
        self.manage("demo_users", env=passwords)

    def history(self) -> None:
        """Load the history up to October 2013."""
        self.manage("load_history", "--from", self.stack.settings.demo_history_from.isoformat())

    def training(self) -> None:
        """Train every model through its DAG, side by side, and wait."""
        self._wait("DAGs to be read", self._dags_missing, 120)
        runs = {names.train_dag_id(model): self._start_training(model) for model in MODELS}
        self._wait("training", lambda: self._training_left(runs), _TRAINING_TIMEOUT_SECONDS)

    def promotion(self) -> None:
        """Point `champion` at each first version whose gates passed, as the MLflow UI does; wait for serving."""
        for model in MODELS:
            try:
                version = self.registry.version_by_alias(model, names.ALIAS_CHALLENGER)
                version.require_gates()
            except RegistryNotFoundError:
                url = f"{self.stack.ports.url('mlflow')}/#/models/{model}"
                raise StackError(
                    f"{model}: no version passed its gates, so none is challenger",
                    f"The newest version's description has the verdicts: {url}. More history makes better models.",
                ) from None
            except GateError as error:
                raise StackError(
                    f"{model} version {version.version}: {error}",
                    "Look at the run in MLflow; more history makes better models.",
                ) from error
            self.registry.set_alias(model, names.ALIAS_CHAMPION, version.version)
            self.progress.step("", f"{model}: version {version.version} is champion")
        self._wait("serving to load the champions", self._not_served, 60)

    def schedule(self) -> None:
        """Land the schedule of the first day, wait until it is loaded and scored by every model."""
        self.deliver(DAY, "schedule")

    def outcomes(self) -> None:
        """Land what was flown, and wait until it is loaded."""
        self.deliver(DAY, "flown")

    def results(self) -> None:
        """Say what came out of it."""
        self.progress.line(summary.results(self.stack, DAY))

    def deliver(self, day: dt.date, kind: str) -> None:
        """Land a day's files of one kind; wait until they are loaded and every champion has scored the day.

        Raises:
            StackError: a delivery was rejected or failed, or it took too long.
        """
        lines = self.manage("land", day.isoformat(), "--kind", kind)
        # <landing>/<source>/<tenant>/<day>.csv
        paths = [Path(line.split(maxsplit=1)[1]) for line in lines if line.startswith("landed ")]
        landed = {(path.parent.parent.name, path.parent.name) for path in paths}
        self._wait(
            f"deliveries of {day}", lambda: self._deliveries_left(day, landed), _DELIVERY_TIMEOUT_SECONDS
        )
        bad = [d for d in self.deliveries(day) if d["status"] != DeliveryStatus.LOADED]
        if bad:
            listed = "; ".join(f"{d['source']} {d['tenant']}: {d['status']}, {d.get('reasons')}" for d in bad)
            raise StackError(f"Not every delivery was loaded: {listed}", "Look at them in Django's admin.")
        self._wait(f"batches of {day}", lambda: self._batches_left(day), _DELIVERY_TIMEOUT_SECONDS)

    def deliveries(self, day: dt.date) -> list[dict[str, Any]]:
        """Return the deliveries of a day."""
        return list(self.django.list("/deliveries/", day=day.isoformat()))

    def batches(self, day: dt.date) -> list[dict[str, Any]]:
        """Return the batches over a day."""
        return [b for b in self.django.list("/batches/") if b["day"] == day.isoformat()]

    def manage(self, *arguments: str, env: dict[str, str] | None = None) -> list[str]:
        """Run a management command, pass its output on line by line, and return the lines.

        Raises:
            StackError: it failed; with the end of its output.
        """
        path = log_path(self.stack.home, f"manage-{arguments[0]}")
        lines = []
        with path.open("w") as log:
            process = subprocess.Popen(
                service_definitions.manage(*arguments),
                env={**self.stack.django(), **(env or {})},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            with process:
                for line in process.stdout or ():
                    log.write(line)
                    lines.append(line.rstrip())
                    self.progress.line(f"{'':11}{line.rstrip()}")
        if process.returncode != 0:
            raise StackError(
                f"manage {' '.join(arguments)} failed:\n{tail(path)}",
                "When that is fixed, `make up` goes on from here.",
            )
        return lines

    def _start_training(self, model: str) -> str:
        """Return the id of a run that is going or done; a failed one is followed by another."""
        dag_id = names.train_dag_id(model)
        ours = [run for run in self.airflow.runs(dag_id) if run["dag_run_id"].startswith("first-")]
        for run in ours:
            if run["state"] != "failed":
                return str(run["dag_run_id"])
        run_id = f"first-{len(ours) + 1}"
        self.airflow.run_start(dag_id=dag_id, run_id=run_id)
        return run_id

    def _dags_missing(self) -> str:
        wanted = [names.train_dag_id(model) for model in MODELS]
        missing = [dag_id for dag_id in wanted if not self.airflow.has_dag(dag_id)]
        errors = self.airflow.import_errors() if missing else []
        if errors:
            raise StackError(
                f"DAGs cannot be read: {'; '.join(errors)}", "Fix them; `make up` goes on from here."
            )
        return ", ".join(missing)

    def _training_left(self, runs: dict[str, str]) -> str:
        left = []
        for dag_id, run_id in runs.items():
            state = self.airflow.run_state(dag_id=dag_id, run_id=run_id)
            tasks = self.airflow.task_states(dag_id=dag_id, run_id=run_id)
            if state == "failed":
                url = f"{self.stack.ports.url('airflow')}/dags/{dag_id}/runs/{run_id}"
                raise StackError(
                    f"{dag_id} failed: {tasks}", f"Its tasks' logs: {url}. Then `make up` again."
                )
            if state != "success":
                going = [name for name, task in tasks.items() if task == "running"]
                left.append(f"{dag_id} ({', '.join(going) or state})")
        return ", ".join(left)

    def _not_served(self) -> str:
        serving = Serving(self.stack)
        left = []
        for model in MODELS:
            champion = self.registry.version_by_alias(model, names.ALIAS_CHAMPION).version
            if serving.version(model) != champion:
                left.append(f"{model} version {champion}")
        return ", ".join(left)

    def _deliveries_left(self, day: dt.date, landed: set[tuple[str, str]]) -> str:
        """Name what is not final yet; a file is moved away before its delivery can be seen."""
        found = {(d["source"], d["tenant"]): d["status"] for d in reversed(self.deliveries(day))}
        left = [pair for pair in sorted(landed) if found.get(pair) not in statuses.DELIVERY_FINAL]
        return ", ".join(
            f"{source} {tenant} {found.get((source, tenant), 'on its way')}" for source, tenant in left
        )

    def _batches_left(self, day: dt.date) -> str:
        found = self.batches(day)
        failed = [b for b in found if b["status"] == BatchStatus.FAILED]
        if failed:
            raise StackError(f"Batches failed: {failed}", "Look at them in Django's admin.")
        done = {(b["model"], b["tenant"]) for b in found if b["status"] == BatchStatus.DONE}
        tenants = {d["tenant"] for d in self.deliveries(day)}
        wanted = {(model, tenant) for model in self._champions() for tenant in tenants}
        for model, tenant in wanted - done:
            self._score_again(model, tenant, day)
        return ", ".join(f"{model} {tenant}" for model, tenant in sorted(wanted - done))

    def _score_again(self, model: str, tenant: str, day: dt.date) -> None:
        """Start a run by hand where the partition's own ended without a batch: it failed, or no champion was there.

        Raises:
            StackError: the run by hand failed too.
        """
        dag_id, run_id = names.score_dag_id(model), f"again-{tenant}-{day}-{self._number}"
        runs = list(self.airflow.runs(dag_id))
        ended = [r for r in runs if r["state"] in RUN_ENDED]
        if any(r["dag_run_id"] == run_id for r in ended):
            url = f"{self.stack.ports.url('airflow')}/dags/{dag_id}/runs/{run_id}"
            raise StackError(f"{dag_id} made no batch for {tenant} {day}", f"Its task's log: {url}")
        if any(r.get("partition_key") == days.partition_key(tenant, day) for r in ended):
            conf = {"tenant": tenant, "day": day.isoformat()}
            self.airflow.run_start(dag_id=dag_id, run_id=run_id, conf=conf)

    def _champions(self) -> list[str]:
        found = []
        for model in MODELS:
            try:
                self.registry.version_by_alias(model, names.ALIAS_CHAMPION)
            except RegistryNotFoundError:
                continue
            found.append(model)
        return found

    def _wait(self, what: str, left: Callable[[], str], seconds: float) -> None:
        """Poll ``left`` until it returns nothing; what it returns is shown."""
        deadline = time.monotonic() + seconds
        while rest := left():
            if time.monotonic() > deadline:
                raise StackError(
                    f"Waited {seconds:.0f} s for {what}; still: {rest}",
                    "`make status` and `make logs` show more; `make up` goes on from here.",
                )
            self.progress.waiting(f"{what}: {rest}")
            time.sleep(_POLL_SECONDS)


#: In this order. A name is what is recorded when the step is done.
STEPS: Final[tuple[tuple[str, Callable[[Demo], None]], ...]] = (
    ("users", Demo.users),
    ("history", Demo.history),
    ("training", Demo.training),
    ("promotion", Demo.promotion),
    ("schedule", Demo.schedule),
    ("outcomes", Demo.outcomes),
    ("results", Demo.results),
)


def run(stack: Stack, progress: Progress) -> None:
    """Run the steps that are not done yet, then say where everything is."""
    record = stack.home.run / "demo.json"
    done: list[str] = json.loads(record.read_text()) if record.exists() else []
    left = [(name, step) for name, step in STEPS if name not in done]
    demo = Demo(stack, progress)
    for name, step in left:
        with progress.timed(name):
            step(demo)
        done.append(name)
        record.write_text(json.dumps(done))
    progress.line(summary.directions(stack, DAY))


def deliver(stack: Stack, day: dt.date, progress: Progress) -> None:
    """Land both files of each airport for ``day``, and wait until they are loaded and scored."""
    demo = Demo(stack, progress)
    for kind in ("schedule", "flown"):
        with progress.timed(kind):
            demo.deliver(day, kind)
    progress.line(
        f"\n{summary.scores(stack, day)}\nNext: {stack.ports.url('django')}/admin/ shows the deliveries."
    )


def day_with_files(text: str) -> dt.date:
    """Return a day of an argument.

    Raises:
        argparse.ArgumentTypeError: it is not a day for which there are files.
    """
    day = days.day_argument(text)
    if not DAY <= day <= dt.date(2013, 12, 31):
        raise argparse.ArgumentTypeError(f"{day}: there are files from 2013-11-01 to 2013-12-31")
    return day
