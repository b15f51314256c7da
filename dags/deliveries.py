"""What the ingest DAG does with a delivery. A run names its key and nothing else; the rest is asked of Django.

Who may start or change a run in Airflow can type anything into it: another tenant's name, a path of the machine. So
nothing that a run or an XCom says is used but the key, and Django says whose the delivery is and where its file lies.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from airflow.sdk import Asset, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from dags.operators import CommandOperator, WaitingOperator, call, reasons_of
from hotclub import names
from hotclub.statuses import DeliveryStatus

#: Statuses of a delivery of which nothing more comes by itself.
_ENDED: Final = (DeliveryStatus.FAILED.value, DeliveryStatus.REJECTED.value)
_WAITING: Final = DeliveryStatus.WAITING.value
_LOADED: Final = DeliveryStatus.LOADED.value
_LANDED: Final = DeliveryStatus.LANDED.value


def delivery_key(text: object) -> str:
    """Return the key of a delivery in its one form.

    Raises:
        AirflowFailException: it is no UUID.
    """
    try:
        return str(uuid.UUID(str(text)))
    except ValueError as error:
        raise AirflowFailException(
            f'delivery {str(text)[:100]!r} is no UUID; trigger this DAG with {{"delivery": "<a delivery\'s UUID>"}}, '
            "as Django's admin shows it"
        ) from error


def delivery_facts(key: str, source: str) -> dict[str, Any]:
    """Return source, tenant, day, path and status of a delivery, as Django has them.

    Raises:
        AirflowFailException: there is none of this key, or it is of another source.
    """
    found = call("GET", f"deliveries/{key}/file/")
    if found.get("source") != source:
        raise AirflowFailException(
            f"delivery {key} is of {found.get('source')}: its DAG is {names.ingest_dag_id(str(found.get('source')))}"
        )
    return found


def report_path(key: str) -> Path:
    """Return where a delivery's check report lies until Django has it: on disk that Airflow's workers share."""
    home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    return home / "check_reports" / f"{key}.json"


def is_own(context: Context, facts: Mapping[str, Any]) -> bool:
    """Return whether this run is the one that Django started for the delivery's present attempt."""
    return bool(context["dag_run"].run_id == facts.get("dag_run_id"))


def require_own(context: Context, key: str, facts: Mapping[str, Any]) -> None:
    """Refuse to go on with an attempt that Django has followed by another; a run by hand may go on.

    Raises:
        AirflowFailException: a later attempt's run is the delivery's own now.
    """
    run_id = context["dag_run"].run_id
    attempts = names.ingest_run_id(key, 0).removesuffix("0")
    if run_id.startswith(attempts) and not is_own(context, facts):
        raise AirflowFailException(
            f"run {facts.get('dag_run_id') or 'to come'} has taken over delivery {key}"
        )


class DeliveryCommandOperator(CommandOperator):
    """Runs a command of data_checks on the run's delivery.

    Args:
        source: the contract that this DAG is of.
        command: ``stage``, ``check`` or ``unstage``.
        delivery: the delivery's UUID, templated.
    """

    template_fields: Sequence[str] = ("delivery",)

    def __init__(self, *, source: str, command: str, delivery: str, **kwargs: Any) -> None:
        super().__init__(module="data_checks", command=command, options={}, **kwargs)
        self.source = source
        self.delivery = delivery

    def execute(self, context: Context) -> dict[str, Any]:
        """Ask Django whose the delivery is, and run the command.

        Raises:
            AirflowFailException: the delivery is over, or not of this DAG's source.
        """
        key = delivery_key(self.delivery)
        facts = delivery_facts(key, self.source)
        if self.command == "unstage":
            return self._unstage(key, facts, context)
        require_own(context, key, facts)
        if facts["status"] in (*_ENDED, _WAITING):
            raise AirflowFailException(
                f"delivery {key} is {facts['status']}; land its file again, and it is checked anew"
            )
        self.options = self._options(key, facts)
        return super().execute(context)

    def _unstage(self, key: str, facts: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Drop table and report, unless another run of the delivery uses them now."""
        if not is_own(context, facts) and facts["status"] not in (*_ENDED, _WAITING, _LOADED):
            raise AirflowSkipException(
                f"run {facts['dag_run_id'] or 'to come'} of delivery {key} cleans up itself"
            )
        report_path(key).unlink(missing_ok=True)
        self.options = {"delivery": key}
        return super().execute(context)

    def _options(self, key: str, facts: Mapping[str, Any]) -> dict[str, str]:
        about = {"source": self.source, "delivery": key}
        if self.command == "stage":
            return {**about, "file": facts["path"]}
        return {**about, "tenant": facts["tenant"], "day": facts["day"], "report": str(report_path(key))}


class DeliveryLoadOperator(WaitingOperator):
    """Hands the check report to Django, which decides; an accepted delivery is loaded by Celery.

    When it is loaded, the asset gets the delivery's partition, which starts scoring. A rejected delivery
    fails the task with its reasons. One that waits for rows of another delivery skips it: Django starts a new run
    when they are there.

    Args:
        source: the contract that this DAG is of.
        delivery: the delivery's UUID, templated.
        asset: what gets the partition.
    """

    template_fields: Sequence[str] = ("delivery",)
    ui_color = "#e7f3e8"

    def __init__(self, *, source: str, delivery: str, asset: Asset, **kwargs: Any) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.source = source
        self.delivery = delivery
        self.asset = asset

    def execute(self, context: Context) -> dict[str, Any]:
        """Post the report, ask for the load and defer. A delivery that is loaded already only adds its partition."""
        key = delivery_key(self.delivery)
        facts = delivery_facts(key, self.source)
        require_own(context, key, facts)
        path = f"deliveries/{key}/"
        status = facts["status"]
        if status == _LOADED:
            self.log.info("Delivery %s is loaded already", key)
            return self._loaded(context, facts)
        if status in (*_ENDED, _WAITING):
            raise AirflowFailException(
                f"delivery {key} is {status} already:\n{reasons_of(call('GET', path))}"
            )
        if status not in ("accepted", "loading"):
            self._submit(key, path)
        # Again for one that is loading: an earlier run's table may have gone before it was read.
        call("POST", f"{path}load/")
        # Taken back to landed is a load whose staged rows were gone: this run ends, and Django starts the next.
        return self.wait_for(path, done=(_LOADED, _WAITING), failed=(*_ENDED, _LANDED))

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Add the partition once the delivery is loaded."""
        key = delivery_key(self.delivery)
        found = self.require_done(event, f"delivery {key}")
        if found.get("status") == _WAITING:
            raise AirflowSkipException(f"delivery {key} {found.get('waits_for')}")
        return self._loaded(context, delivery_facts(key, self.source))

    def _submit(self, key: str, path: str) -> None:
        """Give Django the report; from then on the file is not needed."""
        file = report_path(key)
        try:
            report = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise AirflowException(
                f"the check report {file} is not there ({error}); clear the task `check`"
            ) from error
        answer = call("POST", f"{path}check-runs/", report)
        file.unlink(missing_ok=True)
        if answer.get("decision") != "accepted":
            raise AirflowFailException(f"delivery {key} was {answer.get('decision')}:\n{reasons_of(answer)}")
        self.log.info("Accepted; loading")

    def _loaded(self, context: Context, facts: Mapping[str, Any]) -> dict[str, Any]:
        partition = names.partition_key(facts["tenant"], dt.date.fromisoformat(facts["day"]))
        context["outlet_events"][self.asset].add_partitions(partition)
        return {"delivery": facts["id"], "status": facts["status"], "partition": partition}
