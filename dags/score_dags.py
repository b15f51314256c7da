"""``<model>.score`` and ``<model>.replay``: batches scored by the champion, for new partitions and for past days.

Rows without a time have no past days: such a model has no replay DAG.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, PartitionedAssetTimetable

from dags import contract_dags
from dags.operators import BatchOperator
from hotclub import names
from hotclub.contract import ModelContract

_TENANT = {
    "tenant": Param(None, type=["null", "string"], description="For a run by hand; empty: every tenant.")
}
_DAY = {"day": Param(None, type=["null", "string"], format="date", description="For a run by hand.")}
_ROWS = {
    "all": Param(default=False, type="boolean", description="For a run by hand: every row."),
    "entities": Param(
        None,
        type=["null", "array"],
        items={"type": ["string", "integer"]},
        description="For a run by hand: the rows of these keys.",
    ),
}


def score_dag(contract: ModelContract) -> DAG:
    """Score a tenant's day as soon as it is loaded, with the version that is champion at that moment.

    `batch` asks Django for a batch over the partition of this run, waits without holding a slot, and returns
    the version and what became of the rows: planned, scored, vanished (gone before they were read) and new (came
    after the batch was planned, and scored all the same). Anything but "all scored" is a warning in the log.

    What is loaded of a day has one batch, no matter whether this DAG or Django's reconciliation asks first: a run whose
    event came late gets the batch that is there. Another load of the day gets a new one. A model without tenants
    has one batch for every tenant's loads of the day together.

    **When it is skipped**: the model has no champion yet. Promote a version in MLflow: days that were loaded in
    the two days before are then scored by themselves, within minutes; clear the task for those before.

    **When it fails**: the reason of the batch is in the log and on the batch in Django's admin. Clear the task
    once it is fixed: a new batch takes the failed one's place. What Django refuses
    (a day that is none, a tenant that is not there) is not tried again.

    A day that was missed is scored by the replay DAG, or by triggering this one with a tenant and a day. The
    user who triggers it must be data owner or ML engineer of that tenant in Django, or the task fails with the reason.
    """
    return _score_dag(contract, score_dag, _DAY, "partition")


def score_dag_without_time(contract: ModelContract) -> DAG:
    """Score the rows of a delivery as soon as it is loaded, with the version that is champion at that moment.

    Rows of this model have no time. `batch` asks Django for a batch over the partition of this run: the rows that
    are loaded of it, found again by their natural keys. It waits without holding a slot, and returns the version and what
    became of the rows: delivered, scored, and not found (left out by the model's `rows`, another tenant's, or gone since).
    Anything but "all scored" is a warning in the log.

    What is loaded of a day has one batch, no matter whether this DAG or Django's reconciliation asks first: a run whose
    event came late gets the batch that is there. Another load of the day gets a new one. A correction counts alone: what
    it lacks of the file before it is not scored again.

    **When it is skipped**: the model has no champion yet. Promote a version in MLflow: what was loaded in the two days
    before is then scored by itself, within minutes; clear the task for what came before.

    **When it fails**: the reason of the batch is in the log and on the batch in Django's admin. Clear the task
    once it is fixed: a new batch takes the failed one's place. What Django refuses (a key that is none, a partition of
    which nothing is loaded or whose keys are not known any more) is not tried again.

    **By hand**: trigger it with `{"all": true}` or `{"entities": ["17", "18"]}`, at most 100,000 keys, and with a tenant
    where the model has them; for all tenants together without. The user who triggers it must be data owner or ML engineer
    of that tenant in Django, or of every tenant, or the task fails with the reason. There is no replay DAG: rows without a
    time have no past days.
    """
    return _score_dag(contract, score_dag_without_time, _ROWS, "delivered")


def _score_dag(
    contract: ModelContract,
    runbook: Callable[[ModelContract], DAG],
    params: dict[str, Param],
    rows_of: Literal["partition", "delivered"],
) -> DAG:
    dag = contract_dags.make_dag(
        names.score_dag_id(contract.name),
        contract,
        runbook,
        contract_dags.Owner.ML,
        {contract_dags.Tag.SCORE, contract_dags.Tag.MODEL},
        schedule=PartitionedAssetTimetable(assets=contract_dags.asset(contract.policy.score_on))
        if contract.policy.score_on
        else None,
        # One at a time can leave a partition waiting until the next one comes.
        max_active_runs=8,
        params=(_TENANT if contract.schema.tenant_path is not None else {}) | params,
    )
    with dag:
        BatchOperator(task_id="batch", model_name=contract.name, rows_of=rows_of)
    return dag


def replay_dag(contract: ModelContract) -> DAG:
    """Score the past day of every tenant, and by backfill any days before.

    It runs after midnight in the model's time zone, for the day that ended. What an earlier batch of the same
    version scored is written again with the same numbers.

    **To replay a range** with the champion of today, say after a promotion: the button "Backfill" of this DAG. The
    user who presses it must be data owner or ML engineer of every tenant in Django, or the task fails with the reason.

    **When it is skipped or fails**: as with the score DAG. A run that was triggered without a logical date has no
    day and fails at once.
    """
    dag = contract_dags.make_dag(
        names.replay_dag_id(contract.name),
        contract,
        replay_dag,
        contract_dags.Owner.ML,
        {contract_dags.Tag.REPLAY, contract_dags.Tag.MODEL},
        schedule=CronDataIntervalTimetable("@daily", timezone=contract.schema.timezone),
        max_active_runs=2,
    )
    with dag:
        BatchOperator(task_id="batch", model_name=contract.name, rows_of="interval")
    return dag


def dags_of(contract: ModelContract) -> list[DAG]:
    """Return the DAGs that score a model."""
    if contract.schema.event_time is None:
        return [score_dag_without_time(contract)]
    return [score_dag(contract), replay_dag(contract)]


for _contract in contract_dags.models():
    for _dag in dags_of(_contract):
        globals()[_dag.dag_id] = _dag
