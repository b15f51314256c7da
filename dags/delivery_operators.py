"""What the ingest DAG does with a delivery. A run names its key and nothing else; the rest is asked of Django.

Who may start or change a run in Airflow can type anything into it: another tenant's name, a path of the machine. So
nothing that a run or an XCom says is used but the key, and Django says whose the delivery is and where its file lies.
Django decides, too: about a check report, whether a run is the delivery's own, and what is loaded.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from airflow.sdk import Asset, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from dags.operators import CommandOperator, WaitingOperator, call
from hotclub import names
from hotclub.statuses import DELIVERY_FINAL, DeliveryStatus

# As text: a deferred task's arguments are stored.
_WAITING: Final = DeliveryStatus.WAITING.value
_LOADED: Final = DeliveryStatus.LOADED.value
_LANDED: Final = DeliveryStatus.LANDED.value
#: Statuses of a delivery that ended without its rows.
_NOT_LOADED: Final = tuple(sorted(status.value for status in DELIVERY_FINAL - {DeliveryStatus.LOADED}))
#: The check report is decided, and the rows are being loaded or were: nothing is left to stage or check.
_PAST_CHECKS: Final = (DeliveryStatus.LOADING.value, _LOADED)


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


def is_own(context: Context, facts: Mapping[str, Any]) -> bool:
    """Return whether this run is the one that Django started for the delivery's present attempt."""
    return bool(context["dag_run"].run_id == facts.get("dag_run_id"))


def require_own(context: Context, key: str, facts: Mapping[str, Any]) -> None:
    """Refuse to begin work of an attempt that Django has followed by another; a run by hand may go on.

    Raises:
        AirflowFailException: a later attempt's run is the delivery's own now.
    """
    own = facts.get("dag_run_id") or ""
    if names.is_followed_run(context["dag_run"].run_id, key, own):
        raise AirflowFailException(f"run {own or 'to come'} has taken over delivery {key}")


def require_source(found: Mapping[str, Any], source: str) -> None:
    """Refuse a delivery of another source than this DAG's.

    Raises:
        AirflowFailException: with the DAG that is the delivery's.
    """
    if found.get("source") != source:
        other = str(found.get("source"))
        raise AirflowFailException(
            f"delivery {found.get('id')} is of {other}: its DAG is {names.ingest_dag_id(other)}"
        )


def reasons_of(found: Mapping[str, Any]) -> str:
    """Return a delivery's reasons, a line each."""
    return "\n".join(f"- {reason}" for reason in found.get("reasons") or ["no reason given"])


class _DeliveryCommandOperator(CommandOperator):
    """Runs a command of data_checks on the run's delivery.

    Args:
        source: the contract that this DAG is of.
        delivery: the delivery's UUID, templated.
    """

    template_fields: Sequence[str] = ("delivery",)
    data_checks_command: str

    def __init__(self, *, source: str, delivery: str, **kwargs: Any) -> None:
        super().__init__(module="data_checks", command=self.data_checks_command, options={}, **kwargs)
        self.source = source
        self.delivery = delivery

    def execute(self, context: Context) -> dict[str, Any]:
        """Ask Django for the delivery's facts and status, and do this task's part.

        Raises:
            AirflowFailException: the delivery is over, or not of this DAG's source.
        """
        key = delivery_key(self.delivery)
        facts = call("GET", f"deliveries/{key}/file/")
        require_source(facts, self.source)
        return self.work(key, facts, context)

    def work(self, key: str, facts: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Do the work if there is any; a task that is repeated after the load has none."""
        require_own(context, key, facts)
        status = facts["status"]
        if status in (*_NOT_LOADED, _WAITING):
            raise AirflowFailException(
                f"delivery {key} is {status}; land its file again and it is checked again:\n{reasons_of(facts)}"
            )
        if status in _PAST_CHECKS:
            self.log.info("Delivery %s is %s: nothing to do here", key, status)
            return {"delivery": key, "status": status}
        return self.run_on(key, facts, context)

    def run_on(self, key: str, facts: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Run the command on a delivery that is on its way to its load."""
        raise NotImplementedError


class DeliveryStageOperator(_DeliveryCommandOperator):
    """Copies the delivered file into a staging table of text."""

    data_checks_command = "stage"

    def run_on(self, key: str, facts: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Stage the file that Django archived."""
        del context
        return self.run_command({"source": self.source, "delivery": key, "file": facts["path"]})


class DeliveryCheckOperator(_DeliveryCommandOperator):
    """Runs the source's expectations on the staged rows, and gives Django the report, which decides.

    A rejected delivery fails the task with its reasons.
    """

    data_checks_command = "check"

    def run_on(self, key: str, facts: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Check, and hand the report over before the task ends."""
        with tempfile.TemporaryDirectory(prefix="hotclub-check-") as folder:
            file = Path(folder) / "report.json"
            summary = self.run_command(
                {
                    "source": self.source,
                    "delivery": key,
                    "tenant": facts["tenant"],
                    "day": facts["day"],
                    "report": str(file),
                }
            )
            report = json.loads(file.read_text(encoding="utf-8"))
        run = {"dag_run_id": context["dag_run"].run_id}
        answer = call("POST", f"deliveries/{key}/check-runs/", {**report, **run})
        if answer.get("decision") != DeliveryStatus.ACCEPTED:
            raise AirflowFailException(f"delivery {key} was {answer.get('decision')}:\n{reasons_of(answer)}")
        return {**summary, "decision": answer["decision"]}


class DeliveryUnstageOperator(_DeliveryCommandOperator):
    """Drops the delivery's staging table, unless another run of the delivery uses it now."""

    data_checks_command = "unstage"

    def work(self, key: str, facts: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Drop the table, whatever became of the delivery."""
        if not is_own(context, facts) and facts["status"] not in (*_NOT_LOADED, _WAITING, _LOADED):
            raise AirflowSkipException(
                f"run {facts['dag_run_id'] or 'to come'} of delivery {key} cleans up itself"
            )
        return self.run_command({"delivery": key})


class DeliveryLoadOperator(WaitingOperator):
    """Asks Django to load an accepted delivery, which Celery does, and waits for it.

    When it is loaded, the asset gets the delivery's partition, which starts scoring. One that waits for rows of
    another delivery skips the task: Django starts a new run when they are there.

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
        """Ask for the load and defer. A delivery that is loaded already only adds its partition."""
        key = delivery_key(self.delivery)
        path = f"deliveries/{key}/"
        found = call("POST", f"{path}load/", {"dag_run_id": context["dag_run"].run_id})
        require_source(found, self.source)
        if found["status"] == _LOADED:
            return self._loaded(context, found)
        # The staged rows were gone, so Django set the delivery back to landed: this run ends, and Django starts the next.
        return self.wait_for(path, done=(_LOADED, _WAITING), failed=(*_NOT_LOADED, _LANDED))

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Add the partition once the delivery is loaded."""
        found = self.require_done(event, f"delivery {delivery_key(self.delivery)}")
        if found["status"] == _WAITING:
            raise AirflowSkipException(f"delivery {found['id']} {found.get('waits_for')}")
        return self._loaded(context, found)

    def _loaded(self, context: Context, found: Mapping[str, Any]) -> dict[str, Any]:
        """Add the partition that Django names."""
        context["outlet_events"][self.asset].add_partitions(found["partition"])
        return {name: found[name] for name in ("id", "status", "partition")}
