"""Every DAG parses, and is what the house asks of a DAG."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hotclub import contract_files
from tests.dags.conftest import contract_without_time

pytestmark = pytest.mark.usefixtures("services")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def bag(contracts: Path):
    """The DAGs of the folder `dags` over a good source and two good models."""
    return parse()


def parse():
    """Return what Airflow's DAG processor makes of the folder."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(ROOT / "dags"))


def test_one_dag_per_contract_and_kind(bag) -> None:
    """A source has an ingest DAG; a model has a train, a score and a replay DAG; nothing fails to import."""
    assert bag.import_errors == {}
    assert set(bag.dags) == {
        "orders.ingest", "late.train", "late.score", "late.replay", "nightly.train", "nightly.score",
        "nightly.replay",
    }  # fmt: skip


@pytest.mark.parametrize("tenant_path", [None, "shop"])
def test_a_model_without_time_has_no_past_days(contracts: Path, tenant_path: str | None) -> None:
    """Its score DAG asks for all rows or entities by hand, and for a tenant where it has them; there is no replay DAG."""
    contract_files.write(contract_without_time(tenant_path=tenant_path), contracts)
    bag = parse()
    assert bag.import_errors == {}
    assert {dag_id for dag_id in bag.dags if dag_id.startswith("undated.")} == {
        "undated.train",
        "undated.score",
    }
    score = bag.dags["undated.score"]
    assert set(score.params) == {"all", "entities"} | ({"tenant"} if tenant_path else set())
    assert score.timetable.asset_condition == bag.dags["late.score"].timetable.asset_condition
    assert '{"entities": ["17", "18"]}' in score.doc_md
    assert "replay DAG, or by" not in score.doc_md
    assert set(bag.dags["late.score"].params) == {"tenant", "day"}
    assert not bag.dags["undated.train"].params, "rows that are split by a hash have no day to choose"
    assert set(bag.dags["late.train"].params) == {"until", "stopping_from", "evaluation_from"}
    test_every_dag_keeps_the_policy(bag)


def test_contracts_of_the_repository_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's own contracts give their DAGs without an import error."""
    folders = [str(path) for path in (ROOT / "django_app").glob("*/contracts")]
    monkeypatch.setenv("HOTCLUB_CONTRACTS", os.pathsep.join(folders))
    bag = parse()
    assert bag.import_errors == {}
    assert {"flight_schedule.ingest", "arrival_delay.train", "arrival_delay.score"} <= set(bag.dags)


def test_every_dag_keeps_the_policy(bag) -> None:
    """Each DAG has a runbook, tags of the closed set, an owner of the closed set, no catch-up, and each task retries."""
    from dags.contract_dags import Owner, Tag

    assert bag.dags
    for dag in bag.dags.values():
        assert "fails" in dag.doc_md, dag.dag_id
        assert dag.description, dag.dag_id
        assert set(dag.tags) <= set(Tag), dag.dag_id
        assert dag.tags, dag.dag_id
        assert dag.catchup is False
        for task in dag.tasks:
            assert task.owner in set(Owner), (dag.dag_id, task.task_id)
            assert task.retries >= 2, (dag.dag_id, task.task_id)
            assert task.retry_delay.total_seconds() <= 30, (dag.dag_id, task.task_id)


def test_schedules(bag) -> None:
    """Ingest is partitioned at run time, score waits for the source's partitions, replay has days, train its cron."""
    from airflow.sdk import PartitionedAssetTimetable, PartitionedAtRuntime

    from dags.contract_dags import asset

    assert isinstance(bag.dags["orders.ingest"].timetable, PartitionedAtRuntime)
    score = bag.dags["late.score"].timetable
    assert isinstance(score, PartitionedAssetTimetable)
    assert score.asset_condition == asset("orders")
    replay = bag.dags["late.replay"].timetable
    assert (type(replay).__name__, str(replay.timezone)) == (
        "CronDataIntervalTimetable", "America/New_York",
    )  # fmt: skip
    assert bag.dags["nightly.train"].timetable.expression == "0 3 * * *"
    assert type(bag.dags["late.train"].timetable).__name__ == "NullTimetable"


def test_order_and_teardown_of_an_ingest(bag) -> None:
    """The staging table is dropped by a teardown of `stage`, so it goes even when the check or the load fails."""
    dag = bag.dags["orders.ingest"]
    assert dag.get_task("unstage").is_teardown
    assert dag.get_task("stage").is_setup
    assert dag.get_task("check").upstream_task_ids == {"stage"}
    assert dag.get_task("load").upstream_task_ids == {"check"}
    assert dag.get_task("unstage").upstream_task_ids == {"stage", "load"}


@pytest.mark.parametrize("content", ["{", '{"format": 1}', '{"format": 99, "kind": "model", "name": "late"}'])
def test_broken_contract_breaks_its_own_dags_only(contracts: Path, content: str) -> None:
    """The others' DAGs stay, and the file is named in an import error of a file that holds no DAG."""
    (contracts / "late" / "0001.json").write_text(content)
    bag = parse()
    assert set(bag.dags) == {"orders.ingest", "nightly.train", "nightly.score", "nightly.replay"}
    assert set(bag.import_errors) == {str(ROOT / "dags" / "broken_contracts.py")}
    (error,) = bag.import_errors.values()
    assert str(contracts / "late" / "0001.json") in error


def test_two_folders_with_one_name_are_told(
    contracts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A contract whose name is taken is reported; the first one keeps its DAGs."""
    other = tmp_path / "other"
    contract_files.write(contract_files.find("late", [contracts]), other)
    monkeypatch.setenv("HOTCLUB_CONTRACTS", f"{contracts}{os.pathsep}{other}")
    bag = parse()
    assert "late.train" in bag.dags
    assert "another folder has a contract named late too" in "".join(bag.import_errors.values())


def test_parsing_imports_nothing_heavy(contracts: Path) -> None:
    """Parsing loads neither numpy nor pandas, mlflow, xgboost, django or Great Expectations."""
    code = (
        "import sys, json, importlib.util as u\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        "before = set(sys.modules)\n"
        "bag = DagBag(sys.argv[1] + '/dags')\n"
        "assert bag.dags and not bag.import_errors, bag.import_errors\n"
        "import dags.triggers\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in set(sys.modules) - before})))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(ROOT)], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pandas", "pyarrow", "mlflow", "xgboost", "django", "great_expectations", "sqlalchemy"}
    assert set(json.loads(done.stdout.splitlines()[-1])) & heavy == set()
