"""What DAGs do: run a command of another part, or ask Django for work and wait without a slot."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from airflow.sdk import Asset, BaseOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from dags import django_api, environment
from dags.commands import Command
from dags.triggers import DjangoStatusTrigger
from hotclub import names

#: Which interpreter runs a module; each part may have an environment of its own.
INTERPRETERS: Final[Mapping[str, str]] = {
    "data_checks": "HOTCLUB_CHECKS_PYTHON",
    "training": "HOTCLUB_TRAINING_PYTHON",
}
#: Exit codes after which running again changes nothing: wrong arguments or contract (2), refused data (3).
FINAL_EXIT_CODES: Final = frozenset({2, 3})
_NO_CHAMPION: Final = 409
#: Types of runs that a person starts.
_BY_HAND: Final = ("manual", "backfill")
_FAILED_DELIVERY: Final = ("failed", "rejected")


def _call(method: str, path: str, json: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call Django; what it has understood and refused is not tried again."""
    try:
        return django_api.call(method, path, json)
    except django_api.ApiError as error:
        raise (AirflowFailException if error.is_final else AirflowException)(str(error)) from error


def _reasons(found: Mapping[str, Any]) -> str:
    return "\n".join(f"- {reason}" for reason in found.get("reasons") or ["no reason given"])


def _started_by(context: Context) -> dict[str, str]:
    """Return for whom Django is asked: nobody where Airflow started the run itself, for a day that was loaded.

    A run by hand without a name is sent as such, and refused: it could ask for any tenant.
    """
    run = context["dag_run"]
    user = getattr(run, "triggering_user_name", None)
    by_hand = getattr(run, "run_type", None) in _BY_HAND
    return {"on_behalf_of": user or ""} if user or by_hand else {}


class CommandOperator(BaseOperator):
    """Runs ``python -m <module> <command> --option value …``; the last line of stdout, a JSON object, is its XCom.

    Output goes to the task's log line by line. Killing the task ends the command's process group.

    Args:
        module: ``data_checks`` or ``training``.
        command: its sub-command.
        options: its options by name without dashes, templated; one that renders to nothing is left out.
    """

    template_fields: Sequence[str] = ("options",)
    ui_color = "#e8eef7"

    def __init__(self, *, module: str, command: str, options: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.module = module
        self.command = command
        self.options = dict(options)
        self._running: Command | None = None

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002  # Airflow's signature
        """Run the command.

        Raises:
            AirflowFailException: it failed in a way that a retry cannot mend.
            AirflowException: it failed; with the last lines of its stderr.
        """
        arguments = self.command_line()
        self.log.info("Running %s", " ".join(arguments))
        # Not this process's own: that has Airflow's keys and the service token.
        given = environment.of_command(self.module, self.command, os.environ)
        self._running = Command(arguments, lambda line: self.log.info("%s", line), given)
        code = self._running.wait()
        if code != 0:
            how = f"exit code {code}" if code > 0 else f"signal {-code}"
            said = "\n".join(self._running.errors) or "it said nothing on stderr"
            kind = AirflowFailException if code in FINAL_EXIT_CODES else AirflowException
            raise kind(f"{self.module} {self.command}: {how}\n{said}")
        return self._result(self._running.last_output)

    def command_line(self) -> list[str]:
        """Return interpreter, module and arguments."""
        python = os.environ.get(INTERPRETERS.get(self.module, "")) or sys.executable
        options = [
            part
            for name, value in self.options.items()
            if value not in ("", "None", None)
            for part in (f"--{name}", str(value))
        ]
        return [python, "-m", self.module, self.command, *options]

    def on_kill(self) -> None:
        """End the command with the task."""
        if self._running is not None:
            self._running.stop()

    def _result(self, line: str) -> dict[str, Any]:
        try:
            result = json.loads(line)
        except ValueError:
            result = None
        if not isinstance(result, dict):
            raise AirflowException(
                f"{self.module} {self.command}: the last line of stdout must be a JSON object, got {line[:200]!r}"
            )
        return result


class _WaitingOperator(BaseOperator):
    """Waits for an object of Django's API; `wait_at_most` bounds the wait."""

    def __init__(self, *, wait_at_most: dt.timedelta = dt.timedelta(hours=1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wait_at_most = wait_at_most

    def _wait(self, path: str, done: Sequence[str], failed: Sequence[str]) -> NoReturn:
        seconds = self.wait_at_most.total_seconds()
        trigger = DjangoStatusTrigger(path, done, failed, timeout_seconds=seconds)
        # The trigger tells of its own timeout, with the last status; this one is for a triggerer that hangs.
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            timeout=self.wait_at_most + dt.timedelta(minutes=5),
        )

    def _require_done(self, event: dict[str, Any], what: str) -> dict[str, Any]:
        if event["outcome"] == "done":
            return dict(event["object"])
        message = f"{what}: {event['status']}: {event['detail']}".rstrip(": ")
        # A failed or refused object stays so: a person, or Django's sweep, decides what comes next.
        raise (AirflowException if event["outcome"] == "timeout" else AirflowFailException)(message)


class DeliveryLoadOperator(_WaitingOperator):
    """Hands the check report to Django, which decides; an accepted delivery is loaded by Celery.

    When it is loaded, the asset gets the delivery's partition, which starts scoring. A rejected delivery
    fails the task with its reasons.

    Args:
        delivery: the delivery's UUID, templated.
        report: the file that ``data_checks check`` wrote, templated.
        tenant: of the delivery, templated.
        day: of the delivery, ``YYYY-MM-DD``, templated.
        asset: what gets the partition.
    """

    template_fields: Sequence[str] = ("delivery", "report", "tenant", "day")
    ui_color = "#e7f3e8"

    def __init__(
        self, *, delivery: str, report: str, tenant: str, day: str, asset: Asset, **kwargs: Any
    ) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.delivery = delivery
        self.report = report
        self.tenant = tenant
        self.day = day
        self.asset = asset

    def execute(self, context: Context) -> dict[str, Any]:
        """Post the report, ask for the load and defer. A delivery that is loaded already only adds its partition."""
        path = f"deliveries/{self.delivery}/"
        found = _call("GET", path)
        status = found.get("status")
        if status == "loaded":
            self.log.info("Delivery %s is loaded already", self.delivery)
            return self._loaded(context, found)
        if status in _FAILED_DELIVERY:
            raise AirflowFailException(f"delivery {self.delivery} is {status} already:\n{_reasons(found)}")
        if status != "loading":
            self._submit(path)
        # Again for one that is loading: an earlier run's table may have gone before it was read.
        _call("POST", f"{path}load/")
        return self._wait(path, done=("loaded",), failed=_FAILED_DELIVERY)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Add the partition once the delivery is loaded."""
        return self._loaded(context, self._require_done(event, f"delivery {self.delivery}"))

    def _submit(self, path: str) -> None:
        report = json.loads(Path(self.report).read_text(encoding="utf-8"))
        answer = _call("POST", f"{path}check-runs/", report)
        if answer.get("decision") != "accepted":
            Path(self.report).unlink(missing_ok=True)
            raise AirflowFailException(
                f"delivery {self.delivery} was {answer.get('decision')}:\n{_reasons(answer)}"
            )
        self.log.info("Accepted; loading")

    def _loaded(self, context: Context, found: dict[str, Any]) -> dict[str, Any]:
        key = names.partition_key(self.tenant, dt.date.fromisoformat(self.day))
        context["outlet_events"][self.asset].add_partitions(key)
        Path(self.report).unlink(missing_ok=True)
        return {"delivery": self.delivery, "status": found.get("status"), "partition": key}


class BatchOperator(_WaitingOperator):
    """Asks Django to score a slice of a model's feature view with the champion, and waits until it is done.

    The DAG run's id is the idempotency key: a retry finds the batch that the first attempt made. Without
    a champion the task is skipped with Django's reason.

    Args:
        model: the model's contract name.
        slice_of: ``partition`` (tenant and day of the DAG run's partition key, or its conf ``tenant`` and
            ``day``) or ``interval`` (the data interval, every tenant).
        by_tenant: whether the model has tenants; without them a partition is its whole day.
    """

    ui_color = "#f6efdc"

    def __init__(self, *, model: str, slice_of: str, by_tenant: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.slice_of = slice_of
        self.by_tenant = by_tenant

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the batch, or find it, and defer."""
        run_id = context["dag_run"].run_id
        body = {"model": self.model, "key": run_id, **self._slice(context), **_started_by(context)}
        batch = self._create(body)
        if batch.get("status") == "failed":
            # A key belongs to its batch for ever: a task that was cleared after a failure needs a new one.
            batch = self._create({**body, "key": f"{run_id}-{context['ti'].try_number}"})
        self.log.info("Batch %s", batch["id"])
        return self._wait(f"batches/{batch['id']}/", done=("done",), failed=("failed",))

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return django_api.call("POST", "batches/", body)
        except django_api.ApiError as error:
            if error.status == _NO_CHAMPION:
                raise AirflowSkipException(error.detail) from error
            raise (AirflowFailException if error.is_final else AirflowException)(str(error)) from error

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002  # as above
        """Return the finished batch: its id, version and rows."""
        return self._require_done(event, f"batch of {self.model}")

    def _slice(self, context: Context) -> dict[str, str]:
        if self.slice_of == "interval":
            start, end = context["data_interval_start"], context["data_interval_end"]
            if start is None or end is None:
                raise AirflowFailException("this run has no data interval; start it by a backfill")
            return {"start": start.isoformat(), "end": end.isoformat()}
        key = getattr(context["dag_run"], "partition_key", None)
        if key is not None:
            tenant, day = names.parse_partition_key(key)
            return {"tenant": tenant, "day": day.isoformat()} if self.by_tenant else {"day": day.isoformat()}
        conf = {name: context["params"].get(name) for name in ("tenant", "day")}
        if not conf["day"]:
            raise AirflowFailException(
                'this run has no partition; trigger it with {"tenant": "EWR", "day": "2013-11-01"}'
            )
        return {name: str(value) for name, value in conf.items() if value}
