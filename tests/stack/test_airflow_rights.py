"""What the demo's people and Django itself may do in Airflow, asked of a real api-server with our configuration."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hotclub import airflow_rest
from stack import clients, lifecycle, secrets
from stack.ports import shift_problem
from stack.service_environments import Stack
from stack.settings import ROOT, Settings
from tests.services import free_port, process, tool, wait_for_http

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

DAG, RUN = "arrival_delay.score", "by-django"
TASK = f"/dags/{DAG}/dagRuns/{RUN}/taskInstances/batch"
#: What changes something, with a body that is fine: method, path, body.
WRITES: dict[str, tuple[str, str, Any]] = {
    "start a run": (
        "POST", f"/dags/{DAG}/dagRuns", {"logical_date": None, "conf": {"tenant": "JFK", "day": "2013-11-01"}},
    ),
    "clear tasks": ("POST", f"/dags/{DAG}/clearTaskInstances", {"dag_run_id": RUN, "dry_run": False}),
    "clear a run": ("POST", f"/dags/{DAG}/dagRuns/{RUN}/clear", {"dry_run": False}),
    "pause": ("PATCH", f"/dags/{DAG}", {"is_paused": True}),
    "pause all": ("PATCH", "/dags?dag_id_pattern=%25", {"is_paused": True}),
    "delete a DAG": ("DELETE", f"/dags/{DAG}", None),
    "set a run's state": ("PATCH", f"/dags/{DAG}/dagRuns/{RUN}", {"state": "success"}),
    "delete a run": ("DELETE", f"/dags/{DAG}/dagRuns/{RUN}", None),
    "set a task's state": ("PATCH", TASK, {"new_state": "success"}),
    "write an XCom": ("POST", f"{TASK}/xcomEntries", {"key": "return_value", "value": {"id": "x"}, "map_index": -1}),
    "approve": ("PATCH", f"{TASK}/-1/hitlDetails", {"chosen_options": ["Approve"], "params_input": {}}),
    "backfill": (
        "POST", "/backfills",
        {"dag_id": "arrival_delay.replay", "from_date": "2013-11-01T00:00:00Z", "to_date": "2013-11-02T00:00:00Z"},
    ),
    "tell of an asset": ("POST", "/assets/events", {"asset_id": 1, "partition_key": "JFK.2013-11-01"}),
    "materialize": ("POST", "/assets/1/materialize", {}),
    "set a variable": ("POST", "/variables", {"key": "k", "value": "v"}),
    "make a connection": ("POST", "/connections", {"connection_id": "hotclub_django", "conn_type": "http"}),
    "make a pool": ("POST", "/pools", {"name": "p", "slots": 1}),
}  # fmt: skip
READS = (
    "/dags",
    f"/dags/{DAG}",
    f"/dags/{DAG}/dagRuns",
    f"/dags/{DAG}/dagRuns/{RUN}",
    f"{TASK}",
    "/importErrors",
)
SECRETS = ("/connections", "/variables")


def free_shift() -> int:
    """Return a shift of every port, within the launcher's limits, at which Airflow's own is free."""
    while True:
        shift = free_port() - 8080
        if 0 <= shift <= 50_000 and shift_problem(shift) is None:
            return shift


@pytest.fixture(scope="module")
def stack(services: None) -> Iterator[Stack]:
    """A stack of which nothing runs but Airflow's api-server, on a database of its own, with the example's DAGs."""
    with tempfile.TemporaryDirectory(prefix="hotclub-test-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setitem(Settings.model_config, "env_file", None)
        made = lifecycle.open_stack(Settings(home=Path(folder) / "var", port_shift=free_shift()))
        database = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{made.home.airflow}/airflow.db"}
        for component, command in (
            ("airflow-migrate", ("db", "migrate")),
            # With the keys of the DAG processor, whose work it is.
            ("airflow-dag-processor", ("dags", "reserialize")),
        ):
            done = subprocess.run(
                [tool("airflow"), *command], env={**made.airflow(component), **database}, capture_output=True,
                text=True, check=False, cwd=ROOT,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr[-3000:]
        log = made.home.logs / "airflow-api.log"
        environment = {**made.airflow("airflow-api"), **database}
        with process([tool("airflow"), "api-server"], log=log, environment=environment, cwd=ROOT) as started:
            wait_for_http(f"{made.ports.url('airflow')}/api/v2/version", started, log)
            yield made


@pytest.fixture(scope="module")
def passwords(stack: Stack) -> dict[str, str]:
    """Passwords by username."""
    values = stack.secrets
    return {
        secrets.OWNER_USERNAME: values.owner_password,
        secrets.ENGINEER_USERNAME: values.engineer_password,
        secrets.ADMIN_USERNAME: values.admin_password,
        secrets.AIRFLOW_SERVICE_USERNAME: values.airflow_service_password,
    }


@pytest.fixture(scope="module")
def ask(stack: Stack, passwords: dict[str, str]) -> Iterator[Callable[..., httpx.Response]]:
    """Call Airflow's API as a user: ``ask("owner", "GET", "/dags")``."""
    url = stack.ports.url("airflow")
    with httpx.Client(base_url=f"{url}/api/v2", trust_env=False, timeout=60) as client:
        tokens: dict[str, str] = {}

        def call(username: str, method: str, path: str, body: Any = None) -> httpx.Response:
            if username not in tokens:
                login = {"username": username, "password": passwords[username]}
                answer = client.post(f"{url}/auth/token", json=login)
                assert answer.status_code == 201, answer.text
                tokens[username] = answer.json()["access_token"]
            headers = {"Authorization": f"Bearer {tokens[username]}"}
            return client.request(method, path, json=body, headers=headers)

        made = call(
            secrets.AIRFLOW_SERVICE_USERNAME, "POST", f"/dags/{DAG}/dagRuns",
            {"dag_run_id": RUN, "logical_date": None, "conf": {}},
        )  # fmt: skip
        assert made.status_code == 200, made.text
        yield call


@pytest.mark.parametrize("what", WRITES)
def test_the_data_owner_changes_nothing(ask: Callable[..., httpx.Response], what: str) -> None:
    """Every write is 403."""
    answer = ask(secrets.OWNER_USERNAME, *WRITES[what])
    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("path", READS)
def test_the_data_owner_reads_runs(ask: Callable[..., httpx.Response], path: str) -> None:
    """DAGs, runs and tasks, of every tenant: Airflow knows none."""
    assert ask(secrets.OWNER_USERNAME, "GET", path).status_code == 200


@pytest.mark.parametrize("username", [secrets.OWNER_USERNAME, secrets.AIRFLOW_SERVICE_USERNAME])
@pytest.mark.parametrize("path", SECRETS)
def test_no_secret_is_read(ask: Callable[..., httpx.Response], username: str, path: str) -> None:
    """Connections and variables are for engineers."""
    assert ask(username, "GET", path).status_code == 403


@pytest.mark.parametrize("what", ["set a variable", "make a connection", "make a pool", "tell of an asset"])
def test_django_configures_nothing(ask: Callable[..., httpx.Response], what: str) -> None:
    """It starts runs and reads their states, which the fixture and this have done."""
    assert ask(secrets.AIRFLOW_SERVICE_USERNAME, *WRITES[what]).status_code == 403
    assert ask(secrets.AIRFLOW_SERVICE_USERNAME, "GET", f"/dags/{DAG}/dagRuns/{RUN}").status_code == 200


def test_airflow_knows_who_started_a_run(ask: Callable[..., httpx.Response]) -> None:
    """Django asks whether that person may; the name is what Airflow says."""
    assert (
        ask(secrets.ENGINEER_USERNAME, "GET", f"/dags/{DAG}/dagRuns/{RUN}").json()["triggering_user_name"]
        == "django"
    )
    mine = ask(secrets.ENGINEER_USERNAME, *WRITES["start a run"])
    assert mine.status_code == 200, mine.text
    assert (mine.json()["triggering_user_name"], mine.json()["run_type"]) == ("engineer", "manual")


@pytest.mark.parametrize("what", ["clear tasks", "pause", "set a variable"])
def test_the_engineer_works(ask: Callable[..., httpx.Response], what: str) -> None:
    """The same requests are fine for somebody who may: the owner's 403 is not about their form."""
    method, path, body = WRITES[what]
    assert ask(secrets.ENGINEER_USERNAME, method, path, body).is_success
    if what == "pause":
        assert ask(secrets.ENGINEER_USERNAME, method, path, {"is_paused": False}).is_success


def test_a_password_that_was_changed_in_the_file_logs_in(stack: Stack) -> None:
    """Without a restart; a start leaves it, and the generated one is out."""
    import json

    path = secrets.airflow_users_file(stack.home)
    users = json.loads(path.read_text())
    path.write_text(json.dumps({**users, "owner": "a person's own"}))
    secrets.ensure(stack.home)
    url = f"{stack.ports.url('airflow')}/auth/token"
    new, old = (
        httpx.post(url, json={"username": "owner", "password": word}, trust_env=False)
        for word in ("a person's own", stack.secrets.owner_password)
    )
    assert (new.status_code, old.status_code) == (201, 401)


def test_the_launcher_s_client_understands_this_airflow(
    stack: Stack, ask: Callable[..., httpx.Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call of the client, one row a page, as the account that Django and the launcher have."""
    monkeypatch.setattr(airflow_rest, "_PAGE_ROWS", 1)
    with clients.airflow(stack) as airflow:
        dag_id = "arrival_delay.train"
        for run_id in ("a", "b", "a"):
            airflow.run_start(dag_id=dag_id, run_id=run_id)
        assert [run["dag_run_id"] for run in airflow.runs(dag_id)] == ["b", "a"]
        assert airflow.run_state(dag_id=dag_id, run_id="a") == "queued"
        assert airflow.run_state(dag_id=dag_id, run_id="none") is None
        assert set(airflow.task_states(dag_id=dag_id, run_id="a")) >= {"snapshot", "fit", "register"}
        assert (airflow.has_dag(dag_id), airflow.has_dag("none")) == (True, False)
        assert (airflow.import_errors(), airflow.is_paused(dag_id=dag_id)) == ([], False)
        assert not airflow.scheduler_runs()
