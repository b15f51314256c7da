"""``<model>.train``: from the feature view to a registered challenger."""

from __future__ import annotations

from airflow.sdk import DAG, CronTriggerTimetable, Param

from dags import contract_dags
from dags.operators import CommandOperator
from hotclub import names
from hotclub.contract import ModelContract

_DAY = {
    "until": "Leave out rows from this UTC day on.",
    "stopping_from": "First UTC day of the early-stopping split.",
    "evaluation_from": "First UTC day of the held-out split.",
}
_PARAMS = {
    name: Param(
        None, type=["null", "string"], format="date", description=f"{text} Empty: as the contract says."
    )
    for name, text in _DAY.items()
}


def train_dag(contract: ModelContract) -> DAG:
    """Train, judge and register a version; a person promotes it.

    `snapshot` copies the view to Parquet, `check` compares it with the contract, `fit` fits with early
    stopping, `evaluate` scores the newest split, compared with the baselines and the champion, `register` registers
    the package in MLflow, as `challenger` when its gates passed. Nothing goes live by itself: an ML engineer
    moves the alias `champion` in MLflow.

    **When a task fails**

    - `snapshot`: PostgreSQL, or the view of this contract version is missing (run `migrate`).
    - `check`: the log names the features that break the contract. Correct the data, or declare what is true in
      `ml.py` and run `makecontracts`. Clear from `snapshot` on.
    - `fit`: mostly a split with too few rows, or with only one label value. The log says what was found in each
      split, and which setting of `ml.py` to change in which direction.
    - `evaluate`, `register`: MLflow did not answer: clear the task. The results of the earlier tasks are in the run's
      folder.

    The exit code in the log says whether trying again can help. 1: PostgreSQL or MLflow did not answer; Airflow has tried
    again by itself. 2: a setting, the contract, a permission or the free disk space has to change. 3: the rows are refused.
    4: an unexpected error, with its traceback. After 2, 3 and 4 the task ends at once.

    Every task may run again: its folder is named after this run and its files are replaced.
    """
    model = contract.name
    schedule = contract.policy.schedule
    # Rows without a time are split by a hash: there is no day to choose.
    timed = contract.schema.event_time is not None
    dag = contract_dags.make_dag(
        names.train_dag_id(model),
        contract,
        train_dag,
        contract_dags.Owner.ML,
        {contract_dags.Tag.TRAIN, contract_dags.Tag.MODEL},
        schedule=CronTriggerTimetable(schedule, timezone=contract.schema.timezone) if schedule else None,
        max_active_runs=1,
        params=_PARAMS if timed else None,
    )
    run = {"model": model, "run-key": "{{ run_key(dag_run.run_id) }}"}
    days = {name.replace("_", "-"): f"{{{{ params.{name} or '' }}}}" for name in _DAY if timed}
    folder = f"{{{{ snapshots() }}}}/{model}/{{{{ run_key(dag_run.run_id) }}}}"
    with dag:
        steps = {
            name: CommandOperator(task_id=name, module="training", command=name, options={**run, **days})
            for name in ("snapshot", "fit", "evaluate", "register")
        }
        check = CommandOperator(
            task_id="check",
            module="data_checks",
            command="snapshot",
            options={
                "model": model,
                "parquet": f"{folder}/snapshot.parquet",
                "report": f"{folder}/checks.json",
            },
        )
        steps["snapshot"] >> check >> steps["fit"] >> steps["evaluate"] >> steps["register"]
    return dag


for _contract in contract_dags.models():
    _dag = train_dag(_contract)
    globals()[_dag.dag_id] = _dag
