"""``<source>.ingest``: a delivered file through its checks into Django's table, and a partition of its asset."""

from __future__ import annotations

from airflow.sdk import DAG, Param, PartitionedAtRuntime

from dags import factory
from dags.operators import CommandOperator, DeliveryLoadOperator
from hotclub import names
from hotclub.contract import SourceContract

_PARAMS = {
    name: Param(None, type=["null", "string"], description=description)
    for name, description in {
        "delivery": "The delivery's UUID, in Django.",
        "source": "The source's contract name.",
        "tenant": "The tenant that delivers.",
        "day": "The day that is delivered, YYYY-MM-DD.",
        "file": "The delivered CSV.",
    }.items()
}
_REPORT = "{{ check_reports() }}/{{ params.delivery }}.json"


def ingest_dag(contract: SourceContract) -> DAG:
    """Run for one delivery; Django starts it when a file lands.

    `stage` copies the file into a table of text, `check` runs the source's expectations there, `load` gives
    Django the report: a critical failure rejects the delivery, else Celery loads it and the day becomes a
    partition of the source's asset, which starts scoring. `unstage` drops the table, whatever happened.

    **When a task fails**

    - `stage`, `check`: the last lines of the log name a setting, a contract or a declared check. Mend it and
      clear the task. Faults of the *file* never fail these two: they are in the report.
    - `load`, "was rejected": the file is bad; the reasons are in the log and on the delivery in Django's admin.
      Ask who delivers for a corrected file and land it under the same name: it is a new delivery.
    - `load`, anything else: the reason is on the delivery in the admin. Django's sweep starts a new run by itself,
      up to five times; after that the delivery is `failed`: mend the reason and land the file again.
    - `unstage`: a leftover table `staging.delivery_…`; clear the task.

    Every task may run again at any time: the table is made anew, and the load goes by the natural key.
    """
    source = contract.name
    dag = factory.make_dag(
        names.ingest_dag_id(source),
        contract,
        ingest_dag,
        factory.Owner.DATA,
        {factory.Tag.INGEST, factory.Tag.SOURCE},
        schedule=PartitionedAtRuntime(),
        max_active_runs=4,
        params=_PARAMS,
    )
    delivery = {"delivery": "{{ params.delivery }}"}
    about = {"source": source, **delivery}
    with dag:
        stage = CommandOperator(
            task_id="stage",
            module="data_checks",
            command="stage",
            options={**about, "file": "{{ params.file }}"},
        )
        check = CommandOperator(
            task_id="check",
            module="data_checks",
            command="check",
            options={
                **about,
                "tenant": "{{ params.tenant }}",
                "day": "{{ params.day }}",
                "report": _REPORT,
            },
        )
        load = DeliveryLoadOperator(
            task_id="load",
            delivery="{{ params.delivery }}",
            report="{{ ti.xcom_pull(task_ids='check')['report'] }}",
            tenant="{{ params.tenant }}",
            day="{{ params.day }}",
            asset=factory.asset(source),
        )
        unstage = CommandOperator(
            task_id="unstage", module="data_checks", command="unstage", options=delivery
        )
        stage >> check >> load >> unstage.as_teardown(setups=stage)
    return dag


for _contract in factory.sources():
    _dag = ingest_dag(_contract)
    globals()[_dag.dag_id] = _dag
