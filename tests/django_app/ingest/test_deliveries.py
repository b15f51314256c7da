"""From a landed file to a checked delivery."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.utils import timezone

from django_app.ingest import airflow as airflow_wiring
from django_app.ingest import landing_folder, tasks
from django_app.ingest.models import MAX_ATTEMPTS, Delivery
from django_app.ingest.services import deliveries, landed_files, sweep
from hotclub.airflow_rest import Airflow, AirflowDownError, AirflowError, AirflowRefusedError
from hotclub.errors import InvalidInputError

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2013, 11, 1, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(minutes=5)


class FakeAirflow:
    """Airflow's answers as its REST API gives them, and the runs that were asked for."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        self.conf: dict[str, Any] = {}
        self.down = False
        self.paused: set[str] = set()
        self.scheduler = "healthy"
        self.refused: dict[str, int] = {}  # DAG → the status that it is answered with

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("refused")
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "token"})
        assert request.headers["Authorization"] == "Bearer token"
        refused = self.refused.get(request.url.path.split("/")[4])
        if refused is not None:
            return httpx.Response(refused, json={"detail": "no"})
        if request.method == "POST":
            body = json.loads(request.content)
            assert body["logical_date"] is None
            if body["dag_run_id"] in self.runs:
                return httpx.Response(409, json={"detail": "exists"})
            self.runs[body["dag_run_id"]] = "queued"
            self.conf = body["conf"]
            return httpx.Response(200, json=body)
        return self._read(request.url.path.split("/"))

    def _read(self, path: list[str]) -> httpx.Response:
        """Answer a GET of a DAG, of a run, or of Airflow's health."""
        if path[-1] == "health":
            return httpx.Response(200, json={"scheduler": {"status": self.scheduler}})
        dag, run = path[4], path[-1]
        if run == dag:
            return httpx.Response(200, json={"dag_id": dag, "is_paused": dag in self.paused})
        if run not in self.runs:
            return httpx.Response(404, json={"detail": "no such run"})
        return httpx.Response(200, json={"state": self.runs[run]})

    def client(self) -> Airflow:
        """Return a client that talks to this one."""
        client = httpx.Client(base_url="http://airflow", transport=httpx.MockTransport(self))
        return Airflow("http://airflow", "u", "p", client=client)


@pytest.fixture
def airflow() -> FakeAirflow:
    """An Airflow without runs."""
    return FakeAirflow()


def _land(settings: Any, text: str = "a,b\n1,2\n", name: str = "flight_schedule/EWR/2013-11-01.csv") -> Path:
    path = Path(settings.HOTCLUB_LANDING) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _find(settings: Any, now: dt.datetime = NOW) -> list[Delivery]:
    return landed_files.landed_files_register(
        landing_root=settings.HOTCLUB_LANDING, archive_root=settings.HOTCLUB_ARCHIVE, now=now
    )


def _delivery(**changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "source": "flight_schedule",
        "tenant_id": "EWR",
        "day": dt.date(2013, 11, 1),
        "sha256": "0" * 64,
        "size_bytes": 1,
        "archive_path": "/nowhere",
        "landed_at": NOW,
    }
    return Delivery.objects.create(**values | changes)


def _report(delivery: Delivery, **severities: bool) -> dict[str, Any]:
    results = [
        {"expectation": "E", "severity": severity, "success": success, "message": f"{severity} one"}
        for severity, success in severities.items()
    ]
    return {
        "source": delivery.source,
        "delivery": str(delivery.pk),
        "rows": 3,
        "contract_version": 1,
        "started_at": NOW,
        "finished_at": NOW,
        "success": all(severities.values()),
        "results": results,
    }


def test_a_landed_file_becomes_a_delivery(settings: Any) -> None:
    """It is hashed, archived under its hash, registered, and gone from the landing folder."""
    path = _land(settings)
    (found,) = _find(settings)
    assert (found.source, found.tenant_id, str(found.day)) == ("flight_schedule", "EWR", "2013-11-01")
    assert Path(found.archive_path).read_text() == "a,b\n1,2\n"
    assert Path(found.archive_path).name == f"{found.sha256}.csv"
    assert not path.exists()
    assert _find(settings) == []


def test_the_same_file_again_is_the_same_delivery(settings: Any) -> None:
    """Landing the same bytes twice makes one delivery, and other bytes another."""
    _land(settings)
    (first,) = _find(settings)
    _land(settings)
    (second,) = _find(settings)
    _land(settings, "a,b\n1,3\n")
    (third,) = _find(settings)
    assert first.pk == second.pk != third.pk


def test_a_crash_after_archiving_loses_nothing(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When registering fails, the file still lies in its folder, and the next scan takes it."""
    path = _land(settings)
    with monkeypatch.context() as broken:
        broken.setattr(Delivery.objects, "select_for_update", lambda **_: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            _find(settings)
    (taken,) = path.parent.iterdir()
    assert taken.read_text() == "a,b\n1,2\n"
    (found,) = _find(settings, LATER)
    assert Path(found.archive_path).read_text() == "a,b\n1,2\n"
    assert (found.source, found.tenant_id, str(found.day)) == ("flight_schedule", "EWR", "2013-11-01")
    assert found.landed_at == NOW
    assert not list(path.parent.iterdir())


def test_a_crash_before_the_file_is_removed_is_no_new_landing(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was registered and not removed is removed by the next scan; its loaded delivery stays so."""
    path = _land(settings)
    with monkeypatch.context() as broken:
        broken.setattr(landed_files, "_unlink", lambda path: None)
        (found,) = _find(settings)
    Delivery.objects.filter(pk=found.pk).update(status="loaded")
    assert list(path.parent.iterdir())
    assert _find(settings, LATER) == []
    assert not list(path.parent.iterdir())
    found.refresh_from_db()
    assert found.status == "loaded"


def test_a_correction_that_lands_meanwhile_is_not_lost(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that lands under the name of one that is being registered is the next scan's."""
    _land(settings)
    archive = landing_folder.archive

    def slow(*arguments: Any) -> Path:
        done = archive(*arguments)
        _land(settings, "a,b\n1,3\n")
        return done

    with monkeypatch.context() as busy:
        busy.setattr(landing_folder, "archive", slow)
        (first,) = _find(settings)
    assert Path(first.archive_path).read_text() == "a,b\n1,2\n"
    (second,) = _find(settings, LATER)
    assert Path(second.archive_path).read_text() == "a,b\n1,3\n"
    assert first.landed_at < second.landed_at


def test_half_written_files_are_left_alone(settings: Any) -> None:
    """A .part file is not looked at."""
    path = _land(settings, name="flight_schedule/EWR/2013-11-01.part")
    assert _find(settings) == []
    assert path.exists()


def test_starting_a_delivery_is_idempotent(airflow: FakeAirflow) -> None:
    """Starting twice asks for the same run, whose conf is the delivery's key and nothing that a person could forge."""
    delivery = _delivery()
    for _ in range(2):
        deliveries.delivery_start(delivery_id=delivery.pk, airflow=airflow.client(), now=NOW)
    delivery.refresh_from_db()
    assert airflow.runs == {f"delivery-{delivery.pk}-1": "queued"}
    assert airflow.conf == {"delivery": str(delivery.pk)}
    assert (delivery.status, delivery.attempts) == ("checking", 1)


def test_the_sweep_starts_what_airflow_missed(airflow: FakeAirflow) -> None:
    """With Airflow down a delivery waits; the sweep asks for the same run once it is back."""
    delivery = _delivery()
    airflow.down = True
    with pytest.raises(AirflowError):
        deliveries.delivery_start(delivery_id=delivery.pk, airflow=airflow.client(), now=NOW)
    sweep.deliveries_sweep(airflow=airflow.client(), now=LATER)
    assert airflow.runs == {}
    airflow.down = False
    sweep.deliveries_sweep(airflow=airflow.client(), now=LATER)
    assert list(airflow.runs) == [f"delivery-{delivery.pk}-1"]


def test_the_sweep_leaves_a_running_run_alone(airflow: FakeAirflow) -> None:
    """A run that is going is not doubled."""
    delivery = _delivery()
    deliveries.delivery_start(delivery_id=delivery.pk, airflow=airflow.client(), now=NOW)
    airflow.runs[f"delivery-{delivery.pk}-1"] = "running"
    sweep.deliveries_sweep(airflow=airflow.client(), now=LATER)
    assert len(airflow.runs) == 1


def test_failed_runs_are_tried_again_and_then_given_up(airflow: FakeAirflow) -> None:
    """Each failed run is followed by another, up to the limit; then the delivery says why it failed."""
    delivery = _delivery()
    deliveries.delivery_start(delivery_id=delivery.pk, airflow=airflow.client(), now=NOW)
    now = NOW
    for _ in range(MAX_ATTEMPTS + 2):
        airflow.runs = dict.fromkeys(airflow.runs, "failed")
        now += dt.timedelta(minutes=1)
        sweep.deliveries_sweep(airflow=airflow.client(), now=now)
    delivery.refresh_from_db()
    assert len(airflow.runs) == MAX_ATTEMPTS
    assert delivery.status == "failed"
    assert "see their logs in Airflow" in delivery.reasons[0]


def test_a_question_that_is_refused_costs_no_attempt(airflow: FakeAirflow) -> None:
    """Airflow may not say how a run is, to an account whose right was taken: the run may be well all the same."""
    delivery = _delivery(status="checking", attempts=1)
    Delivery.objects.filter(pk=delivery.pk).update(dag_run_id=f"delivery-{delivery.pk}-1")
    airflow.refused["flight_schedule.ingest"] = 400
    for minute in range(2 * MAX_ATTEMPTS):
        sweep.deliveries_sweep(airflow=airflow.client(), now=LATER + dt.timedelta(minutes=minute))
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("checking", 1)
    assert "does not say how its run is" in delivery.waits_for


def test_a_file_that_lands_again_is_read_from_the_archive_of_now(settings: Any, tmp_path: Path) -> None:
    """The archive has moved: the old path is gone, and whoever lands the file again is helped by that."""
    _land(settings)
    _find(settings)
    settings.HOTCLUB_ARCHIVE = tmp_path / "elsewhere"
    _land(settings)
    _find(settings)
    assert Path(Delivery.objects.get().archive_path).parent == tmp_path / "elsewhere"


def test_a_delivery_that_is_refused_does_not_stop_the_others(airflow: FakeAirflow) -> None:
    """A DAG that Airflow does not have costs its own delivery attempts, and in the end names the reason."""
    bad = _delivery(source="flight_outcome")
    good = _delivery(landed_at=NOW + dt.timedelta(seconds=1))
    airflow.refused["flight_outcome.ingest"] = 404
    now = NOW
    for attempt in range(MAX_ATTEMPTS + 1):
        now += dt.timedelta(minutes=1)
        sweep.deliveries_sweep(airflow=airflow.client(), now=now)
        assert list(airflow.runs) == [f"delivery-{good.pk}-1"], attempt
    bad.refresh_from_db()
    assert (bad.status, bad.attempts) == ("failed", MAX_ATTEMPTS)
    assert "flight_outcome.ingest" in bad.reasons[0]
    assert "404" in bad.reasons[0]


def test_finding_goes_on_after_a_refusal(
    settings: Any, airflow: FakeAirflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two files found at once, the second one's run is started although the first one's is refused."""
    _land(settings, name="flight_outcome/EWR/2013-11-01.csv")
    _land(settings)
    airflow.refused["flight_outcome.ingest"] = 400
    monkeypatch.setattr(airflow_wiring, "from_settings", airflow.client)
    tasks.landed_files_register()
    started = Delivery.objects.get(source="flight_schedule")
    assert list(airflow.runs) == [f"delivery-{started.pk}-1"]
    assert Delivery.objects.get(source="flight_outcome").status == "landed"


@pytest.mark.parametrize(
    ("status", "kind"), [(404, AirflowRefusedError), (500, AirflowRefusedError), (503, AirflowDownError)]
)
def test_answers_are_told_apart(airflow: FakeAirflow, status: int, kind: type[AirflowError]) -> None:
    """A refused call is not the same as an Airflow that refuses every call, which ends the sweep's run."""
    airflow.refused["x.ingest"] = status
    with pytest.raises(kind, match=str(status)):
        airflow.client().run_start(dag_id="x.ingest", run_id="r", conf={})


@pytest.mark.parametrize("status", ["loaded", "rejected", "failed"])
def test_a_final_delivery_that_lands_again_gets_another_round(
    settings: Any, airflow: FakeAirflow, status: str
) -> None:
    """Delivering the same bytes again starts a run with a number of its own."""
    _land(settings)
    (found,) = _find(settings)
    Delivery.objects.filter(pk=found.pk).update(status=status, attempts=5, reasons=["x"], dag_run_id="old")
    _land(settings)
    (again,) = _find(settings, LATER)
    deliveries.delivery_start(delivery_id=again.pk, airflow=airflow.client(), now=NOW)
    again.refresh_from_db()
    assert again.pk == found.pk
    assert (again.attempts, again.attempt_limit, again.reasons) == (6, 10, [])
    assert list(airflow.runs) == [f"delivery-{again.pk}-6"]


def _sweep_and_read(airflow: FakeAirflow, delivery: Delivery) -> str:
    sweep.deliveries_sweep(airflow=airflow.client(), now=LATER)
    delivery.refresh_from_db()
    return delivery.waits_for


def test_a_delivery_says_what_it_waits_for_in_airflow(airflow: FakeAirflow) -> None:
    """A paused DAG, a queue, an Airflow that does not answer; nothing any more once the run goes on."""
    delivery = _delivery(status="checking", dag_run_id="r", attempts=1, started_at=NOW)
    airflow.runs["r"] = "queued"
    airflow.paused.add("flight_schedule.ingest")
    assert _sweep_and_read(airflow, delivery) == (
        "waits for its DAG flight_schedule.ingest, which is paused in Airflow: unpause it there"
    )
    airflow.paused.clear()
    assert "in Airflow's queue" in _sweep_and_read(airflow, delivery)
    airflow.scheduler = "unhealthy"
    assert "scheduler, which gives no sign of life" in _sweep_and_read(airflow, delivery)
    airflow.scheduler = "healthy"
    airflow.down = True
    assert "Airflow, which does not answer" in _sweep_and_read(airflow, delivery)
    airflow.down = False
    airflow.runs["r"] = "running"
    assert _sweep_and_read(airflow, delivery) == ""


def test_a_refusal_of_airflow_is_shown_on_the_delivery(airflow: FakeAirflow) -> None:
    """While its attempts last; a person may put it right before they are over."""
    delivery = _delivery(status="landed", attempts=1, dag_run_id="r", started_at=NOW)
    airflow.refused["flight_schedule.ingest"] = 404
    assert "Airflow refused a run of flight_schedule.ingest, which is tried again" in _sweep_and_read(
        airflow, delivery
    )


@pytest.mark.parametrize("trouble", ["none", "paused", "down"])
def test_a_load_says_itself_what_it_waits_for(airflow: FakeAirflow, sent: list[Any], trouble: str) -> None:
    """It is Celery's, whatever Airflow does meanwhile: the sweep neither wipes its word out nor blames Airflow."""
    delivery = _delivery(status="loading", dag_run_id="r", started_at=NOW, waits_for="a deadlock")
    airflow.runs["r"] = "running"
    airflow.down = trouble == "down"
    airflow.paused = {"flight_schedule.ingest"} if trouble == "paused" else set()
    assert _sweep_and_read(airflow, delivery) == "a deadlock"


def test_what_waits_for_rows_is_not_overwritten(airflow: FakeAirflow) -> None:
    """The sweep may have listed it a while ago, when it still was on its way."""
    delivery = _delivery(status="waiting", attempts=1, attempt_limit=1, dag_run_id="r", waits_for="rows")
    deliveries.delivery_note(delivery_id=delivery.pk, waits_for="")
    sweep._attempt_count(delivery=delivery, error=AirflowRefusedError("no"), now=LATER)
    assert sweep._attempt_renew(delivery=delivery, state="failed", now=LATER) is False
    delivery.refresh_from_db()
    assert (delivery.status, delivery.waits_for, delivery.attempts) == ("waiting", "rows", 1)


@pytest.mark.parametrize("status", [500, 502])
def test_a_servers_own_fault_costs_no_attempt(airflow: FakeAirflow, status: int) -> None:
    """It says nothing of the run that was asked about, which may be fine."""
    delivery = _delivery(status="checking", attempts=5, dag_run_id="r", started_at=NOW)
    airflow.runs["r"] = "running"
    airflow.refused["flight_schedule.ingest"] = status
    assert "does not answer" in _sweep_and_read(airflow, delivery)
    assert (delivery.status, delivery.attempts) == ("checking", 5)


def test_the_sweep_enqueues_a_lost_load(airflow: FakeAirflow, sent: list[Any],
                                        django_capture_on_commit_callbacks: Any) -> None:  # fmt: skip
    """A load that the broker lost is enqueued again."""
    delivery = _delivery(status="loading", dag_run_id="r", started_at=NOW)
    airflow.runs["r"] = "running"
    with django_capture_on_commit_callbacks(execute=True):
        sweep.deliveries_sweep(airflow=airflow.client(), now=LATER)
    assert sent == [("ingest.tasks.delivery_load", (str(delivery.pk),))]


@pytest.mark.parametrize(
    ("severities", "decision", "status"),
    [
        ({"critical": True, "warning": True}, "accepted", "accepted"),
        ({"critical": True, "warning": False}, "accepted", "accepted"),
        ({"critical": False, "warning": False}, "rejected", "rejected"),
    ],
)
def test_the_highest_failed_severity_decides(severities: dict[str, bool], decision: str, status: str) -> None:
    """Critical rejects, with its reasons; warnings are kept and let it through."""
    delivery = _delivery(status="checking", attempts=1)
    run = deliveries.check_run_record(
        delivery_id=delivery.pk, report=_report(delivery, **severities), now=timezone.now()
    )
    delivery.refresh_from_db()
    assert (run.decision, delivery.status) == (decision, status)
    assert delivery.reasons == ([] if severities["critical"] else ["critical one"])
    assert delivery.warnings == ([] if severities["warning"] else ["warning one"])


def test_a_repeated_report_changes_nothing(sent: list[Any]) -> None:
    """A task that posts its report twice leaves one check run, and a loading delivery stays loading."""
    delivery = _delivery(status="checking", attempts=1)
    for _ in range(2):
        deliveries.check_run_record(delivery_id=delivery.pk, report=_report(delivery, critical=True), now=NOW)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.check_runs.count()) == ("accepted", 1)


@pytest.mark.parametrize("status", ["loading", "loaded", "rejected", "failed", "waiting"])
def test_a_report_is_taken_while_the_delivery_is_checked(status: str) -> None:
    """Later nobody checks it: a report of a run by hand changes neither the delivery nor its check runs."""
    delivery = _delivery(status=status, attempts=1)
    with pytest.raises(deliveries.DeliveryStateError, match=status):
        deliveries.check_run_record(
            delivery_id=delivery.pk, report=_report(delivery, critical=False), now=NOW
        )
    delivery.refresh_from_db()
    assert (delivery.status, delivery.reasons, delivery.check_runs.count()) == (status, [], 0)


def test_a_report_of_another_source_is_refused() -> None:
    """The check ran another suite than the delivery's own."""
    delivery = _delivery(status="checking", attempts=1)
    report = _report(delivery, critical=True) | {"source": "flight_outcome"}
    with pytest.raises(InvalidInputError, match="flight_outcome"):
        deliveries.check_run_record(delivery_id=delivery.pk, report=report, now=NOW)


def test_a_report_that_says_failure_without_a_failed_result_is_no_acceptance() -> None:
    """What contradicts itself is rejected, in words."""
    delivery = _delivery(status="checking", attempts=1)
    report = _report(delivery, critical=True) | {"success": False}
    deliveries.check_run_record(delivery_id=delivery.pk, report=report, now=NOW)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.reasons) == ("rejected", ["the check report says failure"])


@pytest.mark.parametrize("status", ["landed", "checking", "waiting", "rejected", "failed"])
def test_only_accepted_deliveries_can_be_loaded(status: str) -> None:
    """A load of anything else is refused with the state it is in."""
    delivery = _delivery(status=status)
    with pytest.raises(deliveries.DeliveryStateError, match=status):
        deliveries.delivery_load_request(delivery_id=delivery.pk)
