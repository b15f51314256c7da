"""Whole DAG runs by ``dag.test()``: real commands, a real PostgreSQL, a real HTTP server for Django's API."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hotclub import contract_files, names
from tests.dags.conftest import contract_without_time

ROOT = Path(__file__).parents[2]
DELIVERY = str(uuid.UUID(int=11))
OBJECT = f"deliveries/{DELIVERY}/"
FILE = f"{OBJECT}file/"


LOADED = {"id": DELIVERY, "source": "orders", "status": "loaded", "partition": "EWR.2013-11-01"}
LOADING = {**LOADED, "status": "loading"}


pytestmark = [pytest.mark.dag, pytest.mark.usefixtures("airflow_database", "contracts")]


@pytest.fixture(scope="module")
def stager_url(provision) -> str:
    """A private database as hotclub_stager."""
    return provision("dags").url(names.ROLE_STAGER)


@pytest.fixture
def run(stager_url: str, monkeypatch: pytest.MonkeyPatch):
    """A function that runs a DAG and returns task states and XComs by task."""
    monkeypatch.setenv("HOTCLUB_STAGER_DATABASE_URL", stager_url)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def go(dag_id: str, conf: dict[str, Any]) -> dict[str, str]:
        from airflow.dag_processing.dagbag import DagBag

        dag_run = DagBag(str(ROOT / "dags")).dags[dag_id].test(run_conf=conf)
        return {ti.task_id: str(ti.state) for ti in dag_run.get_task_instances()}

    return go


@pytest.fixture
def delivered(tmp_path: Path, django_server):
    """A function from CSV lines, and the statuses that Django tells one after the other, to the conf of the run."""

    def write(
        *lines: str, statuses: tuple[str, ...] = ("checking", "checking", "loaded"), **facts: str | None
    ) -> dict[str, str]:
        path = tmp_path / "delivered.csv"
        path.write_text("\n".join(["shop,number", *lines]) + "\n")
        about = {
            "id": DELIVERY,
            "source": "orders",
            "tenant": "EWR",
            "day": "2013-11-01",
            "path": str(path),
            "dag_run_id": "",
        }
        django_server.answer("GET", FILE, *((200, {**about, **facts, "status": s}) for s in statuses))
        return {"delivery": DELIVERY}

    return write


def asked(django_server) -> list[tuple[str, str]]:
    """Return what Django was asked, without what each command asks of the delivery."""
    return [(method, path) for method, path, _ in django_server.asked if path != FILE]


def partitions() -> list[str]:
    """Return the partition keys of the events of the asset `orders`, oldest first."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        query = (
            select(AssetEvent.partition_key)
            .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            .where(AssetModel.name == "orders")
            .order_by(AssetEvent.id)
        )
        return list(session.scalars(query))


def staged(stager_url: str) -> bool:
    """Return whether the delivery's staging table is there."""
    with psycopg.connect(stager_url) as connection:
        table = f"staging.{names.staging_table(DELIVERY)}"
        return connection.execute("SELECT to_regclass(%s)", [table]).fetchone() != (None,)


def test_good_delivery_is_loaded_and_becomes_a_partition(
    run, delivered, django_server, stager_url: str
) -> None:
    """Stage, check and load succeed in order; the asset gets tenant and day; nothing stays staged or on disk."""
    django_server.answer("GET", OBJECT, (200, LOADING), (200, LOADED))
    django_server.answer("POST", f"{OBJECT}check-runs/", (200, {"decision": "accepted", "reasons": []}))
    django_server.answer("POST", f"{OBJECT}load/", (202, LOADING))
    before = partitions()
    assert run("orders.ingest", delivered("EWR,1", "EWR,2")) == dict.fromkeys(
        ("stage", "check", "load", "unstage"), "success"
    )
    assert asked(django_server) == [
        ("POST", f"{OBJECT}check-runs/"),
        ("POST", f"{OBJECT}load/"),
        ("GET", OBJECT),
        ("GET", OBJECT),
    ]
    report = next(body for method, path, body in django_server.asked if path.endswith("check-runs/"))
    assert (report["source"], report["delivery"], report["rows"], report["success"]) == (
        "orders", DELIVERY, 2, True,
    )  # fmt: skip
    assert partitions() == [*before, "EWR.2013-11-01"]
    assert not staged(stager_url)


def test_a_delivery_without_a_tenant_becomes_a_partition_of_its_day(run, delivered, django_server) -> None:
    """Nothing is compared with a tenant, and Django's name of the partition is taken as it is."""
    of_the_day = {**LOADED, "partition": "2013-11-01"}
    django_server.answer("POST", f"{OBJECT}check-runs/", (200, {"decision": "accepted", "reasons": []}))
    django_server.answer("POST", f"{OBJECT}load/", (200, of_the_day))
    before = partitions()
    assert set(run("orders.ingest", delivered("EWR,1", "JFK,2", tenant=None)).values()) == {"success"}
    report = next(body for _, path, body in django_server.asked if path.endswith("check-runs/"))
    assert report["success"]
    assert not any("the tenant that delivers" in result["message"] for result in report["results"])
    assert partitions() == [*before, "2013-11-01"]


def test_rejected_delivery_fails_with_its_reasons(run, delivered, django_server, stager_url: str) -> None:
    """A critical failure reaches Django in the report; its decision stops the load; table and report go all the same."""
    django_server.answer(
        "POST",
        f"{OBJECT}check-runs/",
        (200, {"decision": "rejected", "reasons": ["number must be at least 1"]}),
    )
    before = partitions()
    states = run("orders.ingest", delivered("EWR,0", statuses=("checking",) * 2 + ("rejected",)))
    assert states == {"stage": "success", "check": "failed", "load": "upstream_failed", "unstage": "success"}
    report = next(body for method, path, body in django_server.asked if path.endswith("check-runs/"))
    assert [r["severity"] for r in report["results"] if not r["success"]] == ["critical"]
    assert ("POST", f"{OBJECT}load/") not in asked(django_server)
    assert partitions() == before
    assert not staged(stager_url)


@pytest.mark.parametrize(
    "forged",
    [
        {"tenant": "JFK"},
        {"day": "2013-12-24"},
        {"file": "/etc/passwd"},
        {"source": "late", "tenant": "JFK", "day": "2013-12-24", "file": "/etc/passwd"},
    ],
)
def test_what_a_person_types_into_a_run_counts_for_nothing(
    run, delivered, django_server, forged: dict[str, str]
) -> None:
    """Whose the delivery is, its day and its file are Django's word; only the key is the run's."""
    django_server.answer("GET", OBJECT, (200, LOADED))
    django_server.answer("POST", f"{OBJECT}check-runs/", (200, {"decision": "accepted", "reasons": []}))
    django_server.answer("POST", f"{OBJECT}load/", (202, LOADING))
    before = partitions()
    assert run("orders.ingest", {**delivered("EWR,1"), **forged})["load"] == "success"
    report = next(body for method, path, body in django_server.asked if path.endswith("check-runs/"))
    tenant = next(r["arguments"] for r in report["results"] if r["arguments"].get("value_set"))
    assert (tenant["value_set"], report["success"]) == (["EWR"], True)
    assert partitions() == [*before, "EWR.2013-11-01"]


@pytest.mark.parametrize("key", [None, "", "1", "../../etc/passwd", "' OR 1=1"])
def test_a_run_without_a_deliverys_key_fails_at_once(run, django_server, key: str | None) -> None:
    """With words that say what to type; nothing is asked, nothing is run."""
    assert run("orders.ingest", {"delivery": key})["stage"] == "failed"
    assert django_server.asked == []


@pytest.mark.parametrize("facts", [{"source": "others"}, {"status": "rejected"}, {"status": "failed"}])
def test_a_delivery_of_another_dag_or_one_that_is_over_is_not_run(
    run, delivered, django_server, stager_url: str, facts: dict[str, str]
) -> None:
    """Its file is not read; it is checked again only when it lands again."""
    status = facts.pop("status", "checking")
    assert run("orders.ingest", delivered("EWR,1", statuses=(status,), **facts))["stage"] == "failed"
    assert asked(django_server) == []
    assert not staged(stager_url)


def test_a_delivery_that_is_not_there_fails_at_once(run, django_server) -> None:
    """Django knows no such key; retries would not help."""
    assert run("orders.ingest", {"delivery": DELIVERY})["stage"] == "failed"
    assert [path for _, path, _ in django_server.asked] == [FILE]


def test_delivery_that_waits_skips_the_load(run, delivered, django_server) -> None:
    """Nothing of the file matched: no partition, no failure; Django starts a new run when the rows are there."""
    django_server.answer(
        "GET", OBJECT, (200, {**LOADED, "status": "waiting", "waits_for": "waits for rows of shop_order"})
    )
    django_server.answer("POST", f"{OBJECT}check-runs/", (200, {"decision": "accepted", "reasons": []}))
    django_server.answer("POST", f"{OBJECT}load/", (202, LOADING))
    before = partitions()
    states = run("orders.ingest", delivered("EWR,1", statuses=("checking",) * 2 + ("waiting",)))
    assert (states["load"], states["unstage"]) == ("skipped", "success")
    assert partitions() == before


def test_delivery_that_is_loaded_already_only_adds_its_partition(run, delivered, django_server) -> None:
    """A run that was killed after the load does not load again, and its partition is not lost."""
    django_server.answer("POST", f"{OBJECT}load/", (200, LOADED))
    before = partitions()
    assert run("orders.ingest", delivered("EWR,1", statuses=("loaded",)))["load"] == "success"
    assert asked(django_server) == [("POST", f"{OBJECT}load/")]
    assert partitions() == [*before, "EWR.2013-11-01"]


def test_a_check_that_is_repeated_while_the_rows_load_does_nothing(
    run, delivered, django_server, stager_url: str
) -> None:
    """Cleared after its report was taken: the load goes on, and staging anew would take its table away."""
    django_server.answer("GET", OBJECT, (200, LOADED))
    django_server.answer("POST", f"{OBJECT}load/", (202, LOADING))
    states = run("orders.ingest", delivered("EWR,1", statuses=("loading", "loading", "loaded")))
    assert (states["stage"], states["check"], states["load"]) == ("success",) * 3
    assert asked(django_server) == [("POST", f"{OBJECT}load/"), ("GET", OBJECT)]


def test_an_accepted_delivery_is_checked_anew(run, delivered, django_server) -> None:
    """A new run of a delivery whose load lost its table stages and checks again: rows and report belong together."""
    django_server.answer("GET", OBJECT, (200, LOADED))
    django_server.answer("POST", f"{OBJECT}check-runs/", (200, {"decision": "accepted"}))
    django_server.answer("POST", f"{OBJECT}load/", (202, LOADING))
    statuses = ("accepted", "accepted", "loaded")
    assert run("orders.ingest", delivered("EWR,1", statuses=statuses))["load"] == "success"
    assert asked(django_server)[0] == ("POST", f"{OBJECT}check-runs/")


def test_both_posts_name_their_run(run, delivered, django_server) -> None:
    """So that Django, under its row lock, can refuse an attempt that another has followed."""
    django_server.answer("GET", OBJECT, (200, LOADED))
    django_server.answer("POST", f"{OBJECT}check-runs/", (200, {"decision": "accepted"}))
    django_server.answer("POST", f"{OBJECT}load/", (202, LOADING))
    run("orders.ingest", delivered("EWR,1"))
    named = {body["dag_run_id"] for method, _, body in django_server.asked if method == "POST"}
    assert len(named) == 1
    assert named.pop().startswith("manual__")


@pytest.mark.parametrize("posted", ["check-runs", "load"])
def test_what_django_refuses_fails_the_task_for_good(run, delivered, django_server, posted: str) -> None:
    """A run that another has followed, say: its partition is not added."""
    django_server.answer("POST", f"{OBJECT}check-runs/", (200, {"decision": "accepted"}))
    django_server.answer("POST", f"{OBJECT}{posted}/", (409, {"detail": "another run has taken over"}))
    before = partitions()
    states = run("orders.ingest", delivered("EWR,1"))
    assert states["check" if posted == "check-runs" else "load"] == "failed"
    assert partitions() == before


def test_a_delivery_of_another_source_adds_no_partition(run, delivered, django_server) -> None:
    """`load` cleared by itself with another key: the asset does not get another source's day."""
    django_server.answer("POST", f"{OBJECT}load/", (200, {**LOADED, "source": "others"}))
    before = partitions()
    assert run("orders.ingest", delivered("EWR,1", statuses=("loaded",)))["load"] == "failed"
    assert partitions() == before


def test_a_load_that_was_taken_back_ends_the_run(run, delivered, django_server) -> None:
    """Its staged rows had gone: waiting on would never end, and Django starts the next attempt when this one is over."""
    django_server.answer("GET", OBJECT, (200, LOADING), (200, {**LOADED, "status": "landed"}))
    django_server.answer("POST", f"{OBJECT}check-runs/", (200, {"decision": "accepted"}))
    django_server.answer("POST", f"{OBJECT}load/", (202, LOADING))
    assert run("orders.ingest", delivered("EWR,1"))["load"] == "failed"


def test_a_run_leaves_what_another_run_of_the_delivery_uses(
    run, delivered, django_server, stager_url: str
) -> None:
    """A run by hand, or an older attempt, drops neither table nor report while the delivery is on its way."""
    django_server.answer("GET", OBJECT, (200, LOADED))
    django_server.answer("POST", f"{OBJECT}check-runs/", (200, {"decision": "accepted"}))
    django_server.answer("POST", f"{OBJECT}load/", (202, LOADING))
    other = f"delivery-{DELIVERY}-2"
    conf = delivered("EWR,1", statuses=("checking",), dag_run_id=other)
    assert run("orders.ingest", conf)["unstage"] == "skipped"
    assert staged(stager_url)
    delivered("EWR,1", statuses=("loaded",), dag_run_id=other)
    assert run("orders.ingest", conf)["unstage"] == "success"
    assert not staged(stager_url)


@pytest.mark.parametrize(
    ("run_id", "own"),
    [(f"delivery-{DELIVERY}-1", False), (f"delivery-{DELIVERY}-2", True), ("manual__2013-11-01", True)],
)
def test_an_attempt_that_another_followed_goes_no_further(run_id: str, own: bool) -> None:
    """Django started the next one: two attempts would stage into one table."""
    from types import SimpleNamespace

    from airflow.sdk.exceptions import AirflowFailException

    from dags.delivery_operators import require_own

    context: Any = {"dag_run": SimpleNamespace(run_id=run_id)}
    facts = {"dag_run_id": f"delivery-{DELIVERY}-2"}
    if own:
        require_own(context, DELIVERY, facts)
    else:
        with pytest.raises(AirflowFailException, match="taken over"):
            require_own(context, DELIVERY, facts)


def test_delivery_that_fails_in_its_load_fails_the_task(run, delivered, django_server) -> None:
    """What Celery could not load is a failed task, and no partition."""
    django_server.answer("GET", OBJECT, (200, {"status": "rejected", "reasons": ["no such shop"]}))
    django_server.answer("POST", f"{OBJECT}check-runs/", (200, {"decision": "accepted"}))
    django_server.answer("POST", f"{OBJECT}load/", (202, LOADING))
    before = partitions()
    assert run("orders.ingest", delivered("EWR,1"))["load"] == "failed"
    assert partitions() == before


def test_score_waits_for_its_batch(run, django_server) -> None:
    """The batch has the run's id as its key and the rows it was asked for."""
    django_server.answer("POST", "batches/", (202, {"id": "b1", "status": "pending"}))
    django_server.answer(
        "GET", "batches/b1/", (200, {"status": "running"}), (200, {"status": "done", "rows_done": 9})
    )
    assert run("late.score", {"tenant": "EWR", "day": "2013-11-01"}) == {"batch": "success"}
    body = django_server.asked[0][2]
    assert {k: body[k] for k in ("model", "tenant", "day")} == {
        "model": "late", "tenant": "EWR", "day": "2013-11-01",
    }  # fmt: skip
    assert body["key"].startswith("manual__")


def test_score_without_a_champion_is_skipped(run, django_server) -> None:
    """That is no failure: there is nothing to score with yet."""
    refused = {"type": names.PROBLEM_NO_CHAMPION, "detail": "late has no champion"}
    django_server.answer("POST", "batches/", (409, refused))
    assert run("late.score", {"tenant": "EWR", "day": "2013-11-01"}) == {"batch": "skipped"}


def test_failed_batch_fails_the_task(run, django_server) -> None:
    """A batch that failed is a failed task."""
    django_server.answer("POST", "batches/", (202, {"id": "b1", "status": "pending"}))
    django_server.answer("GET", "batches/b1/", (200, {"status": "failed", "error": "no view"}))
    assert run("late.score", {"tenant": "EWR", "day": "2013-11-01"}) == {"batch": "failed"}


def test_score_of_rows_without_time(run, contracts: Path, django_server) -> None:
    """By hand, the keys that were typed are the batch's."""
    contract_files.write(contract_without_time(), contracts)
    django_server.answer("POST", "batches/", (202, {"id": "b1", "status": "pending"}))
    django_server.answer("GET", "batches/b1/", (200, {"status": "done", "rows_done": 2}))
    assert run("undated.score", {"entities": ["17", "18"]}) == {"batch": "success"}
    body = django_server.asked[0][2]
    assert {k: v for k, v in body.items() if k not in ("key", "on_behalf_of")} == {
        "model": "undated", "retry_failed": True, "entities": ["17", "18"],
    }  # fmt: skip


def test_replay_scores_its_data_interval(run, django_server) -> None:
    """Replay asks for every tenant's rows of the local day that its run stands for."""
    django_server.answer("POST", "batches/", (202, {"id": "b1", "status": "pending"}))
    django_server.answer("GET", "batches/b1/", (200, {"status": "done"}))
    assert run("late.replay", {}) == {"batch": "success"}
    body = json.loads(json.dumps(django_server.asked[0][2]))
    assert set(body) == {"model", "key", "retry_failed", "start", "end", "key_per_version", "on_behalf_of"}
    assert body["start"] < body["end"]


@pytest.mark.parametrize(
    ("run_type", "user", "sent"),
    [
        ("manual", "engineer", {"on_behalf_of": "engineer"}),
        ("backfill", "engineer", {"on_behalf_of": "engineer"}),
        ("operator_triggered", "engineer", {"on_behalf_of": "engineer"}),
        ("manual", None, {"on_behalf_of": ""}),
        ("backfill", None, {"on_behalf_of": ""}),
        ("asset_triggered", None, {}),
        ("scheduled", None, {}),
        ("operator_triggered", None, {}),
    ],
)
def test_who_started_a_run_is_told(
    django_server, run_type: str, user: str | None, sent: dict[str, str]
) -> None:
    """A person who did is named to Django, which knows for which tenants they may; nobody is named as nobody."""
    from types import SimpleNamespace

    from airflow.sdk.exceptions import AirflowFailException

    from dags.operators import BatchOperator

    refusal = {"field": "on_behalf_of", "message": "who is that?"}
    django_server.answer("POST", "batches/", (422, {"detail": "fields", "errors": [refusal]}))
    run = SimpleNamespace(
        run_id="r", partition_key="EWR.2013-11-01", run_type=run_type, triggering_user_name=user
    )
    operator = BatchOperator(task_id="batch", model_name="late", rows_of="partition")
    with pytest.raises(AirflowFailException, match="on_behalf_of: who is that"):
        operator.execute({"dag_run": run, "params": {}})
    ((_, _, body),) = django_server.asked
    assert body == {"model": "late", "key": "r", "retry_failed": True, "partition": "EWR.2013-11-01", **sent}
