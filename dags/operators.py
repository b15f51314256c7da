"""What DAGs do: run a command of another part, or ask Django for work and wait without a slot."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import httpx
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
)

from dags import command_environment, django_api
from dags.triggers import DjangoStatusTrigger
from hotclub import command_result, names
from hotclub.statuses import BatchStatus

#: Which interpreter runs a module; each part may have an environment of its own.
INTERPRETERS: Final[Mapping[str, str]] = {
    "data_checks": "HOTCLUB_CHECKS_PYTHON",
    "training": "HOTCLUB_TRAINING_PYTHON",
}
#: Exit codes after which running again changes nothing: something that a person must change (2), refused data (3),
#: an unexpected error (4). The others, 1 and signals, may be temporary.
FINAL_EXIT_CODES: Final = frozenset({2, 3, 4})
#: What a command that is killed may take to end by itself.
GRACE_SECONDS: Final = 10.0
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


def _started_by(context: Context) -> dict[str, str]:
    """Return on whose behalf Django is asked; None where Airflow started the run itself, for a day that was loaded.

    A run by hand without a name is sent as such, and refused: it could ask for any tenant.
    """
    run = context["dag_run"]
    user = getattr(run, "triggering_user_name", None)
    by_hand = getattr(run, "run_type", None) in _BY_HAND
    return {"on_behalf_of": user or ""} if user or by_hand else {}


class CommandOperator(BaseOperator):
    """Runs ``python -m <module> <command> --option value …``; the result that the command gives is its XCom.

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
        self._hook = SubprocessHook()

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002  # Airflow's signature
        """Run the command."""
        return self.run_command(self.options)

    def run_command(self, options: Mapping[str, str]) -> dict[str, Any]:
        """Run the command and return its result.

        Raises:
            AirflowFailException: it failed in a way that a retry cannot change, or gave no result.
            AirflowException: it failed; its last line is in the message, and all of its output in the log.
        """
        arguments = self.command_line(options)
        with tempfile.TemporaryDirectory(prefix="hotclub-command-") as folder:
            file = Path(folder) / "result.json"
            # Not this process's own environment: that has Airflow's keys and the service token.
            environment = {
                **command_environment.of_command(self.module, self.command, os.environ),
                names.VARIABLE_RESULT_FILE: str(file),
                "PYTHONUNBUFFERED": "1",
            }
            try:
                ended = self._hook.run_command(arguments, env=environment, cwd=str(Path.cwd()))
            except OSError as error:
                raise AirflowFailException(f"{arguments[0]} cannot be started: {error}") from error
            result = command_result.read(file)
        what = f"{self.module} {self.command}"
        if (code := ended.exit_code) != 0:
            how = f"exit code {code}" if code > 0 else f"signal {-code}"
            kind = AirflowFailException if code in FINAL_EXIT_CODES else AirflowException
            raise kind(f"{what}: {how}: {ended.output or 'it printed nothing'}")
        if result is None:
            raise AirflowFailException(f"{what} gave no result; it must end with hotclub.command_result.give")
        return result

    def command_line(self, options: Mapping[str, str]) -> list[str]:
        """Return interpreter, module and arguments."""
        python = os.environ.get(INTERPRETERS.get(self.module, "")) or sys.executable
        given = [
            part
            for name, value in options.items()
            if value not in ("", None)
            for part in (f"--{name}", str(value))
        ]
        return [python, "-m", self.module, self.command, *given]

    def on_kill(self) -> None:
        """End the command with the task: SIGTERM for its process group, and SIGKILL for what is left of it."""
        process = self._hook.sub_process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._hook.send_sigterm()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


class WaitingOperator(BaseOperator):
    """Waits for an object of Django's API; `wait_at_most` bounds the wait."""

    def __init__(self, *, wait_at_most: dt.timedelta = dt.timedelta(hours=1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wait_at_most = wait_at_most

    def wait_for(self, path: str, done: Sequence[str], failed: Sequence[str]) -> NoReturn:
        """Defer until the object at a path has one of the statuses."""
        seconds = self.wait_at_most.total_seconds()
        trigger = DjangoStatusTrigger(path, done, failed, timeout_seconds=seconds)
        # The trigger reports its own timeout, with the last status; this one is for a triggerer that hangs.
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
    """Asks Django to score rows of a model with the champion, and waits until it is done.

    Django makes one batch per idempotency key, no matter who asks for it; where that batch failed, asking again gets its
    successor. Without a champion the task is skipped with Django's reason.

    Args:
        model_name: the model's contract name.
        rows_of: ``partition`` (the DAG run's partition key as it is, or its conf ``tenant`` and ``day``),
            ``delivered`` (the same where rows have no time: by hand it is ``all`` or ``entities``) or ``interval`` (the
            data interval, every tenant).
    """

    ui_color = "#f6efdc"

    def __init__(
        self, *, model_name: str, rows_of: Literal["partition", "delivered", "interval"], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.model_name = model_name
        self.rows_of = rows_of

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the batch, or find it, and defer."""
        batch = self._create(
            {
                "model": self.model_name,
                "key": context["dag_run"].run_id,
                "retry_failed": True,
                **self._rows(context),
                **_started_by(context),
            }
        )
        if "id" not in batch:
            raise AirflowFailException(f"Django answered without a batch: {batch}; is that its address?")
        self.log.info("Batch %s", batch["id"])
        return self.wait_for(
            f"batches/{batch['id']}/", done=(BatchStatus.DONE.value,), failed=(BatchStatus.FAILED.value,)
        )

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return call("POST", "batches/", body)
        except AirflowException as error:
            refusal = error.__cause__
            if isinstance(refusal, django_api.ApiError) and refusal.type == names.PROBLEM_NO_CHAMPION:
                raise AirflowSkipException(refusal.detail) from error
            raise

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002  # as above
        """Return the finished batch: its id, version, and what became of its rows."""
        batch = self.require_done(event, f"batch of {self.model_name}")
        moved = batch.get("rows_vanished") or batch.get("rows_new") or not batch.get("rows_total")
        # Rows that vanished or came meanwhile are no failure, but a person should see them.
        say = self.log.warning if moved else self.log.info
        say("Batch %s: %s", batch.get("id"), batch.get("summary"))
        return batch

    def _rows(self, context: Context) -> dict[str, Any]:
        if self.rows_of == "interval":
            return self._interval(context)
        partition = getattr(context["dag_run"], "partition_key", None)
        if partition is not None:
            return {"partition": partition}
        return self._by_hand(context) if self.rows_of == "partition" else self._by_hand_without_time(context)

    @staticmethod
    def _interval(context: Context) -> dict[str, Any]:
        # A run that was triggered without a date has neither in its context.
        start, end = context.get("data_interval_start"), context.get("data_interval_end")
        if start is None or end is None:
            raise AirflowFailException(
                "this run has no data interval: trigger it with a logical date (the day after the one to score), "
                "or use Backfill for a range of days"
            )
        # A backfill clears the run of a day that has one, and its id stays: after a promotion it is to score anew.
        return {"start": start.isoformat(), "end": end.isoformat(), "key_per_version": True}

    @staticmethod
    def _by_hand(context: Context) -> dict[str, Any]:
        """Return what was typed into the run; Django says what is wrong with it."""
        given = {name: str(value) for name in ("tenant", "day") if (value := context["params"].get(name))}
        if "day" not in given:
            raise AirflowFailException(
                'this run has no partition; trigger it with {"day": "2013-11-01"}, and a tenant where the model has them'
            )
        return given

    @staticmethod
    def _by_hand_without_time(context: Context) -> dict[str, Any]:
        """Return what was typed into the run of a model whose rows have no time; Django says what is wrong with it."""
        params = context["params"]
        given = {name: value for name in ("tenant", "all", "entities") if (value := params.get(name))}
        if "all" not in given and "entities" not in given:
            raise AirflowFailException(
                'this run has no partition; trigger it with {"all": true} or {"entities": ["17", "18"]}'
            )
        return given
