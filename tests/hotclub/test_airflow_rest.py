"""What the client makes of Airflow's answers: those that an api-server of Airflow 3.3 gave, and some that are no answers.

airflow_answers.json was recorded with pages of two; the import error in it is made by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hotclub import airflow_rest
from hotclub.airflow_rest import Airflow, AirflowDownError, AirflowRefusedError

DAG = "arrival_delay.train"
RECORDED = json.loads(Path(__file__).with_name("airflow_answers.json").read_text())
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Handler], Airflow]]:
    """A function from a handler of requests to a client."""
    monkeypatch.setattr(airflow_rest, "_PAGE_ROWS", 2)
    made: list[Airflow] = []

    def make(handler: Handler) -> Airflow:
        client = httpx.Client(base_url="http://airflow", transport=httpx.MockTransport(handler))
        made.append(Airflow("http://airflow", "django", "secret", client=client))
        return made[-1]

    yield make
    for each in made:
        each.close()


def recorded(request: httpx.Request) -> httpx.Response:
    """Answer as Airflow did; a request that was not recorded fails the test."""
    path = request.url.raw_path.decode()
    (found,) = [r for r in RECORDED if (r["method"], r["path"]) == (request.method, path)]
    if path == "/auth/token":
        assert json.loads(request.content) == {"username": "django", "password": "secret"}
    else:
        assert request.headers["Authorization"] == "Bearer token"
    return httpx.Response(found["status"], json=found["answer"])


def test_recorded_answers(airflow: Callable[[Handler], Airflow]) -> None:
    """Every call, across the pages of its list."""
    client = airflow(recorded)
    client.run_start(dag_id=DAG, run_id="first-1")
    assert (client.has_dag(DAG), client.has_dag("none.train")) == (True, False)
    assert client.run_state(dag_id=DAG, run_id="first-1") == "queued"
    assert client.run_state(dag_id=DAG, run_id="none") is None
    assert [run["dag_run_id"] for run in client.runs(DAG)] == ["first-3", "first-2", "first-1"]
    names = ["snapshot", "fit", "evaluate", "register", "check"]
    assert client.task_states(dag_id=DAG, run_id="first-1") == dict.fromkeys(names)
    (error,) = client.import_errors()
    assert error.startswith("train_dags.py: Traceback")
    assert error.endswith("NameError: name 'x' is not defined")
    assert (client.is_paused(dag_id=DAG), client.scheduler_runs()) == (False, False)


CALLS: dict[str, Callable[[Airflow], Any]] = {
    "run_start": lambda a: a.run_start(dag_id="d", run_id="r"),
    "run_state": lambda a: a.run_state(dag_id="d", run_id="r"),
    "is_paused": lambda a: a.is_paused(dag_id="d"),
    "scheduler_runs": Airflow.scheduler_runs,
    "has_dag": lambda a: a.has_dag("d"),
    "import_errors": Airflow.import_errors,
    "runs": lambda a: list(a.runs("d")),
    "task_states": lambda a: a.task_states(dag_id="d", run_id="r"),
}


def _after_login(answer: httpx.Response) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "token"})
        return answer

    return handler


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("status", "kind"), [(400, AirflowRefusedError), (401, AirflowDownError), (503, AirflowDownError)]
)
def test_answers_that_are_none(
    airflow: Callable[[Handler], Airflow], call: Callable[[Airflow], Any], status: int, kind: type[Exception]
) -> None:
    """A refused call is distinguished from an Airflow that refuses every call."""
    with pytest.raises(kind, match=str(status)):
        call(airflow(_after_login(httpx.Response(status, text="no"))))


@pytest.mark.parametrize("call", [c for n, c in CALLS.items() if n not in ("run_start", "has_dag")])
@pytest.mark.parametrize("text", ["", "[]", "{}", "null"])
def test_answers_of_another_shape(
    airflow: Callable[[Handler], Airflow], call: Callable[[Airflow], Any], text: str
) -> None:
    """An answer without what was asked for is refused, and its beginning is in the message."""
    with pytest.raises(AirflowRefusedError, match="Airflow answered without"):
        call(airflow(_after_login(httpx.Response(200, text=text))))


@pytest.mark.parametrize(
    "answer", [httpx.Response(401), httpx.Response(201, json=[]), httpx.Response(201, json={})]
)
def test_without_a_token_nothing_answers(
    airflow: Callable[[Handler], Airflow], answer: httpx.Response
) -> None:
    """Every call would fail."""
    with pytest.raises(AirflowDownError):
        airflow(lambda request: answer).has_dag("d")


def test_one_that_is_there_already_counts_as_started(airflow: Callable[[Handler], Airflow]) -> None:
    """The same id never starts two runs."""
    airflow(_after_login(httpx.Response(409, json={}))).run_start(dag_id="d", run_id="r")


def test_ids_are_one_part_of_the_path(airflow: Callable[[Handler], Airflow]) -> None:
    """Whatever is in an id, another address is not asked."""
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return _after_login(httpx.Response(404))(request)

    assert airflow(handler).run_state(dag_id="a/b", run_id="x+00:00?y") is None
    assert asked[-1] == "/api/v2/dags/a%2Fb/dagRuns/x%2B00%3A00%3Fy"
