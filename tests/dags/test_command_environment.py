"""What the commands of tasks are given of the worker's environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dags import command_environment
from data_checks.settings import Settings
from hotclub import names
from training.settings import TrainingSettings

ROOT = Path(__file__).parents[2]
#: What a worker has, secrets of others among it.
WORKER = {
    "PATH": "/bin",
    "LC_ALL": "C.UTF-8",
    "OMP_WAIT_POLICY": "passive",
    names.VARIABLE_STACK: "the-mark",
    names.VARIABLE_CONTRACTS: "/contracts",
    names.VARIABLE_READER_URL: "postgresql://reader:secret@/hotclub",
    names.VARIABLE_STAGER_URL: "postgresql://stager:secret@/hotclub",
    "HOTCLUB_MLFLOW_URL": "http://mlflow",
    "HOTCLUB_SNAPSHOTS": "/snapshots",
    "HOTCLUB_CACHE": "/cache",
    "HOTCLUB_TRAINING_THREADS": "2",
    "AIRFLOW_CONN_HOTCLUB_DJANGO": '{"password": "secret"}',
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://airflow:secret@/airflow",
    "AIRFLOW__CORE__FERNET_KEY": "secret",
    "AIRFLOW__API_AUTH__JWT_SECRET": "secret",
    "HOTCLUB_SERVICE_TOKEN": "secret",
    "PGPASSWORD": "secret",
    "AWS_SECRET_ACCESS_KEY": "secret",
}
PLAIN = {"PATH", "LC_ALL", "OMP_WAIT_POLICY", names.VARIABLE_STACK, names.VARIABLE_CONTRACTS}
TRAINING = {"HOTCLUB_MLFLOW_URL", "HOTCLUB_SNAPSHOTS", "HOTCLUB_CACHE", "HOTCLUB_TRAINING_THREADS"}
GIVEN = {
    ("data_checks", "stage"): {names.VARIABLE_STAGER_URL},
    ("data_checks", "check"): {names.VARIABLE_STAGER_URL},
    ("data_checks", "unstage"): {names.VARIABLE_STAGER_URL},
    ("data_checks", "snapshot"): set(),
    ("training", "snapshot"): {*TRAINING, names.VARIABLE_READER_URL},
    ("training", "fit"): TRAINING,
    ("training", "evaluate"): {*TRAINING, names.VARIABLE_READER_URL},
    ("training", "register"): TRAINING,
    ("anything", "else"): set(),
}


@pytest.mark.parametrize("command", GIVEN, ids=" ".join)
def test_a_command_gets_what_it_reads_and_nothing_else(command: tuple[str, str]) -> None:
    """No key of Airflow, no service token, no other part's login."""
    given = command_environment.of_command(*command, WORKER)
    assert set(given) == PLAIN | GIVEN[command]
    assert all(given[name] == WORKER[name] for name in given)


@pytest.mark.usefixtures("services")
def test_a_real_command_sees_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's own process, which gives its environment as its result."""
    from dags.operators import CommandOperator

    (tmp_path / "toy.py").write_text(
        "import os\nfrom hotclub.command_result import give\ngive(dict(os.environ))"
    )
    for name, value in {**WORKER, "PYTHONPATH": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    found = CommandOperator(task_id="toy", module="toy", command="go", options={}).execute({})
    assert "secret" not in json.dumps(found)
    assert found[names.VARIABLE_CONTRACTS] == "/contracts"
    assert not [name for name in found if name.startswith("AIRFLOW")]


def test_a_login_is_read_from_its_file(tmp_path: Path) -> None:
    """Where the worker has none in its environment; the environment's own comes first."""
    (tmp_path / names.VARIABLE_READER_URL).write_text("postgresql://from-the-file\n")
    (tmp_path / names.VARIABLE_STAGER_URL).write_text("postgresql://other\n")
    worker = {names.VARIABLE_COMMAND_SECRETS: str(tmp_path)}
    given = command_environment.of_command("training", "snapshot", worker)
    assert given == {names.VARIABLE_READER_URL: "postgresql://from-the-file"}
    own = command_environment.of_command("training", "snapshot", {**worker, names.VARIABLE_READER_URL: "own"})
    assert own == {names.VARIABLE_READER_URL: "own"}
    assert command_environment.of_command("data_checks", "snapshot", worker) == {}


def test_without_the_file_the_command_says_what_is_missing(tmp_path: Path) -> None:
    """A folder without it gives nothing, and data_checks then names the variable."""
    assert (
        command_environment.of_command(
            "data_checks", "stage", {names.VARIABLE_COMMAND_SECRETS: str(tmp_path)}
        )
        == {}
    )


@pytest.mark.parametrize(("module", "settings"), [("data_checks", Settings), ("training", TrainingSettings)])
def test_every_setting_of_a_part_can_reach_one_of_its_commands(module: str, settings: Any) -> None:
    """A variable that a part learns to read is given to it here, or would be its default for ever.

    HOTCLUB_CONTRACTS is no part's own setting: `hotclub.contract_files` reads it, and every command has it.
    """
    known: set[str] = set()
    for (part, _), variables in names.COMMAND_VARIABLES.items():
        known |= set(variables) if part == module else set()
    assert {f"HOTCLUB_{name.upper()}" for name in settings.model_fields} == known


def test_every_command_of_a_dag_is_known(contracts: Path) -> None:
    """A command that is new would be started without what it reads."""
    from airflow.dag_processing.dagbag import DagBag

    from dags.operators import CommandOperator

    del contracts
    tasks = [task for dag in DagBag(str(ROOT / "dags")).dags.values() for task in dag.tasks]
    used = {(task.module, task.command) for task in tasks if isinstance(task, CommandOperator)}
    assert used == set(names.COMMAND_VARIABLES)
