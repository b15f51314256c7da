"""What DAGs do: run a command of another part, or ask Django for work and wait without a slot."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

import httpx
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
)

from dags import command_environment, django_api
from dags.commands import Command
from dags.triggers import DjangoStatusTrigger
from hotclub import days, names
from hotclub.errors import InvalidInputError

#: Which interpreter runs a module; each part may have an environment of its own.
INTERPRETERS: Final[Mapping[str, str]] = {
    "data_checks": "HOTCLUB_CHECKS_PYTHON",
    "training": "HOTCLUB_TRAINING_PYTHON",
}
#: Exit codes after which running again changes nothing: something that a person must change (2), refused data (3),
#: a fault that nobody foresaw (4). What is left, 1 and signals, may pass.
FINAL_EXIT_CODES: Final = frozenset({2, 3, 4})
_NO_CHAMPION: Final = 409
#: An Airflow connection that is not there, or whose address is none.
_BAD_CONNECTION: Final = (
    AirflowNotFoundException,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
)
#: Types of runs that a person starts.
_BY_HAND: Final = ("manual", "backfill")


def call(method: str, path: str, json: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call Django; what it has understood and refused, and what could never reach it, is not tried again.

    Raises:
        AirflowFailException: it refused for good, or the connection's address is none.
        AirflowException: it did not, and may not the next time.
    """
    try:
        return django_api.call(method, path, json)
    except django_api.ApiError as error:
        raise (AirflowFailException if error.is_final else AirflowException)(str(error)) from error
    except _BAD_CONNECTION as error:
        raise AirflowFailException(
            f"the Airflow connection {names.CONNECTION_DJANGO} cannot be used: {error}; "
            "set it to Django's address and the service token"
        ) from error


def _day(value: object) -> str:
    """Return a day as the API takes it.

    Raises:
        AirflowFailException: it is none; with an example.
    """
    parsed = days.parse_day(value)
    if parsed is None:
        raise AirflowFailException(f"{value!r} is not a day such as 2013-11-01")
    return parsed.isoformat()


def reasons_of(found: Mapping[str, Any]) -> str:
    """Return a delivery's reasons, a line each."""
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
            AirflowFailException: it failed in a way that a retry cannot fix.
            AirflowException: it failed; with the last lines of its stderr.
        """
        arguments = self.command_line()
        self.log.info("Running %s", " ".join(arguments))
        # Not this process's own: that has Airflow's keys and the service token.
        given = command_environment.of_command(self.module, self.command, os.environ)
        try:
            self._running = Command(arguments, lambda line: self.log.info("%s", line), given)
        except OSError as error:
            raise AirflowFailException(f"{arguments[0]} cannot be started: {error}") from error
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
            raise AirflowFailException(
                f"{self.module} {self.command}: the last line of stdout must be a JSON object, got {line[:200]!r}"
            )
        return result


class WaitingOperator(BaseOperator):
    """Waits for an object of Django's API; `wait_at_most` bounds the wait."""

    def __init__(self, *, wait_at_most: dt.timedelta = dt.timedelta(hours=1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wait_at_most = wait_at_most

    def wait_for(self, path: str, done: Sequence[str], failed: Sequence[str]) -> NoReturn:
        """Defer until the object at a path has one of the statuses."""
        seconds = self.wait_at_most.total_seconds()
        trigger = DjangoStatusTrigger(path, done, failed, timeout_seconds=seconds)
        # The trigger tells of its own timeout, with the last status; this one is for a triggerer that hangs.
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            timeout=self.wait_at_most + dt.timedelta(minutes=5),
        )

    def require_done(self, event: dict[str, Any], what: str) -> dict[str, Any]:
        """Return the object that the trigger waited for, or fail with what became of it."""
        if event["outcome"] == "done":
            return dict(event["object"])
        message = f"{what}: {event['status']}: {event['detail']}".rstrip(": ")
        # A failed or refused object stays so: a person, or Django's sweep, decides what comes next.
        raise (AirflowException if event["outcome"] == "timeout" else AirflowFailException)(message)


class BatchOperator(WaitingOperator):
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
        body: dict[str, Any] = {
            "model": self.model,
            "key": run_id,
            **self._slice(context),
            **_started_by(context),
        }
        batch = self._create(body)
        if batch.get("status") == "failed":
            # A key belongs to its batch for ever: a task that was cleared after a failure needs a new one.
            again = {"key": f"{run_id}-{context['ti'].try_number}", "once_per_load": False}
            batch = self._create({**body, **again})
        if "id" not in batch:
            raise AirflowFailException(f"Django answered without a batch: {batch}; is that its address?")
        self.log.info("Batch %s", batch["id"])
        return self.wait_for(f"batches/{batch['id']}/", done=("done",), failed=("failed",))

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return call("POST", "batches/", body)
        except AirflowException as error:
            refusal = error.__cause__
            if isinstance(refusal, django_api.ApiError) and refusal.status == _NO_CHAMPION:
                raise AirflowSkipException(refusal.detail) from error
            raise

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002  # as above
        """Return the finished batch: its id, version, and what became of its rows."""
        batch = self.require_done(event, f"batch of {self.model}")
        moved = batch.get("rows_vanished") or batch.get("rows_new") or not batch.get("rows_total")
        # What left or came meanwhile is no failure, and is not to be missed either.
        say = self.log.warning if moved else self.log.info
        say("Batch %s: %s", batch.get("id"), batch.get("summary"))
        return batch

    def _slice(self, context: Context) -> dict[str, Any]:
        if self.slice_of == "interval":
            return self._interval(context)
        key = getattr(context["dag_run"], "partition_key", None)
        if key is None:
            return self._by_hand(context)
        try:
            tenant, day = days.parse_partition_key(key)
        except InvalidInputError as error:
            raise AirflowFailException(str(error)) from error
        if self.by_tenant:
            return {"tenant": tenant, "day": day.isoformat()}
        # Each tenant's delivery starts a run: together they are one batch, and a later load is another.
        return {"day": day.isoformat(), "once_per_load": True}

    @staticmethod
    def _interval(context: Context) -> dict[str, Any]:
        # A run that was triggered without a date has neither in its context.
        start, end = context.get("data_interval_start"), context.get("data_interval_end")
        if start is None or end is None:
            raise AirflowFailException(
                "this run has no data interval: trigger it with a logical date (the day after the one to score), "
                "or use Backfill for a range of days"
            )
        return {"start": start.isoformat(), "end": end.isoformat()}

    def _by_hand(self, context: Context) -> dict[str, Any]:
        tenant, day = (context["params"].get(name) for name in ("tenant", "day"))
        example = {"tenant": "EWR", "day": "2013-11-01"} if self.by_tenant else {"day": "2013-11-01"}
        if not day:
            raise AirflowFailException(f"this run has no partition; trigger it with {json.dumps(example)}")
        if tenant and not self.by_tenant:
            raise AirflowFailException(
                f"{self.model} has no tenants; trigger it with {json.dumps(example)}, without one"
            )
        return {"day": _day(day), **({"tenant": str(tenant)} if tenant else {})}
