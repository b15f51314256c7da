"""``<source>.ingest``: a delivered file through its checks into Django's table, and a partition of its asset."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Param, PartitionedAtRuntime

from dags import contract_dags
from dags.delivery_operators import (
    DeliveryCheckOperator,
    DeliveryLoadOperator,
    DeliveryStageOperator,
    DeliveryUnstageOperator,
)
from hotclub import names
from hotclub.contract import SourceContract

_DELIVERY = "{{ params.delivery }}"
_PARAMS = {"delivery": Param(None, type=["null", "string"], description="The delivery's UUID, in Django.")}


def ingest_dag(contract: SourceContract) -> DAG:
    """Run for one delivery; Django starts it when a file lands.

    A run gets only the delivery's key: it asks Django for the tenant, the day and the file.

    `stage` copies the file into a table of text. `check` runs the source's expectations there and gives Django the
    report: a critical failure rejects the delivery. `load` asks for an accepted delivery to be loaded, which Celery does,
    and the day becomes a partition of the source's asset, which starts scoring. `unstage` drops the table, whatever
    happened.

    **When a task fails**

    - `check`, "was rejected": the file is bad; the reasons are in the log and on the delivery in Django's admin.
      Ask the data owner for a corrected file and land it under the same name: it is a new delivery.
    - `stage`, `check`, anything else: the last lines of the log name a setting, a contract or a declared check. Fix it
      and clear the task.
    - `load`, skipped: nothing of the file has a match yet. Django starts a new run by itself when a delivery has
      the rows; the delivery says for which it waits.
    - `load`, anything else: the reason is on the delivery in the admin. Django's sweep starts a new run by itself,
      up to five times; after that the delivery is `failed`: fix the reason and land the file again.
    - `unstage`: a leftover table `staging.delivery_…`; clear the task.

    Every task may run again at any time: the table is created again, and the load matches rows by the natural key.
    """
    source = contract.name
    dag = contract_dags.make_dag(
        names.ingest_dag_id(source),
        contract,
        ingest_dag,
        contract_dags.Owner.DATA,
        {contract_dags.Tag.INGEST, contract_dags.Tag.SOURCE},
        schedule=PartitionedAtRuntime(),
        max_active_runs=4,
        params=_PARAMS,
    )
    with dag:
        run = {"source": source, "delivery": _DELIVERY}
        limit = dt.timedelta(hours=1)
        stage = DeliveryStageOperator(task_id="stage", execution_timeout=limit, **run)
        check = DeliveryCheckOperator(task_id="check", execution_timeout=limit, **run)
        load = DeliveryLoadOperator(task_id="load", asset=contract_dags.asset(source), **run)
        unstage = DeliveryUnstageOperator(task_id="unstage", execution_timeout=limit, **run)
        stage >> check >> load >> unstage.as_teardown(setups=stage)
    return dag


for _contract in contract_dags.sources():
    _dag = ingest_dag(_contract)
    globals()[_dag.dag_id] = _dag
