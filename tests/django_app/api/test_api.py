"""What the API says: deliveries' states, contracts, health, problems."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from django_app.ingest.models import Delivery
from django_app.registry import selectors as registry
from hotclub.errors import RegistryError

Api = Callable[[str], Any]
pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(db: None) -> Delivery:
    """A delivery whose checks run."""
    return Delivery.objects.create(
        source="flight_schedule", tenant_id="EWR", day=dt.date(2013, 11, 1), sha256="0" * 64,
        size_bytes=1, archive_path="/nowhere", status="checking", attempts=1, dag_run_id="delivery-x-1",
    )  # fmt: skip


def _report(delivery: Delivery, *, success: bool) -> dict[str, Any]:
    return {
        "source": delivery.source,
        "delivery": str(delivery.pk),
        "rows": 310,
        "contract_version": 1,
        "started_at": "2013-11-01T12:00:00Z",
        "finished_at": "2013-11-01T12:00:05Z",
        "success": success,
        "results": [
            {
                "expectation": "ExpectColumnValuesToNotBeNull",
                "arguments": {"column": "carrier"},
                "severity": "critical",
                "success": success,
                "unexpected_count": 0 if success else 2,
                "unexpected_examples": [],
                "message": "carrier must not be empty: 2 rows",
            }
        ],
    }


def test_a_delivery_through_the_dags_calls(delivery: Delivery, api: Api, sent: list[Any]) -> None:
    """Report, decision, load, and what the poll then reads."""
    service, path = api("service"), f"/api/v1/deliveries/{delivery.pk}/"
    decided = service.post(f"{path}check-runs/", _report(delivery, success=True))
    assert (decided.status_code, decided.json()) == (
        200, {"decision": "accepted", "severity": "", "reasons": [], "warnings": []},
    )  # fmt: skip
    assert service.post(f"{path}load/", {"dag_run_id": ""}).status_code == 202
    read = service.get(path).json()
    assert (read["status"], read["rows_staged"], read["day"]) == ("loading", 310, "2013-11-01")
    assert read["partition"] == "EWR.2013-11-01"


def test_a_load_that_is_done_is_answered_with_the_delivery(
    delivery: Delivery, api: Api, sent: list[Any]
) -> None:
    """A task that asks again after the load gets what it needs for its partition; nothing is loaded again."""
    Delivery.objects.filter(pk=delivery.pk).update(status="loaded")
    answer = api("service").post(f"/api/v1/deliveries/{delivery.pk}/load/", {"dag_run_id": ""})
    assert (answer.status_code, answer.json()["status"], answer.json()["partition"]) == (
        200, "loaded", "EWR.2013-11-01",
    )  # fmt: skip
    assert sent == []


@pytest.mark.parametrize(
    ("run", "status"),
    [("delivery-{}-1", 409), ("delivery-{}-2", 200), ("manual__2013-11-01", 200), ("", 200)],
)
def test_an_attempt_that_another_followed_has_no_say(
    delivery: Delivery, api: Api, sent: list[Any], run: str, status: int
) -> None:
    """Its report is of an older check and its rows are staged no more; a run by hand may go on."""
    Delivery.objects.filter(pk=delivery.pk).update(
        status="checking", attempts=2, dag_run_id=f"delivery-{delivery.pk}-2"
    )
    service, path = api("service"), f"/api/v1/deliveries/{delivery.pk}/"
    own = {"dag_run_id": run.format(delivery.pk)}
    checked = service.post(f"{path}check-runs/", {**_report(delivery, success=True), **own})
    assert checked.status_code == status
    Delivery.objects.filter(pk=delivery.pk).update(status="accepted")
    loaded = service.post(f"{path}load/", own)
    assert loaded.status_code == (202 if status == 200 else 409)
    delivery.refresh_from_db()
    assert delivery.status == ("loading" if status == 200 else "accepted")


def test_a_run_asks_whose_a_delivery_is(delivery: Delivery, api: Api) -> None:
    """Source, tenant, day and the archived file: what no person may enter for a run."""
    answer = api("service").get(f"/api/v1/deliveries/{delivery.pk}/file/").json()
    assert answer == {
        "id": str(delivery.pk), "source": "flight_schedule", "tenant": "EWR", "day": "2013-11-01",
        "path": delivery.archive_path, "status": delivery.status, "reasons": [], "dag_run_id": delivery.dag_run_id,
    }  # fmt: skip


@pytest.mark.parametrize("status", ["rejected", "failed", "loaded", "waiting"])
def test_a_delivery_that_nobody_checks_takes_no_report_and_no_load(
    delivery: Delivery, api: Api, status: str
) -> None:
    """409 with the state, and nothing changes: a run by hand cannot undo a decision."""
    Delivery.objects.filter(pk=delivery.pk).update(status=status)
    service, path = api("service"), f"/api/v1/deliveries/{delivery.pk}/"
    answers = [service.post(f"{path}check-runs/", _report(delivery, success=True))]
    if status != "loaded":
        answers.append(service.post(f"{path}load/", {"dag_run_id": ""}))
    for answer in answers:
        assert (answer.status_code, status in answer.json()["detail"]) == (409, True)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.check_runs.count()) == (status, 0)


def test_the_checked_values_of_a_report_decide(delivery: Delivery, api: Api) -> None:
    """``"false"`` is a failed expectation, as the field reads it, and not a text that is true."""
    report = _report(delivery, success=True)
    report["results"][0] |= {"success": "false", "extra": 1}
    decided = api("service").post(f"/api/v1/deliveries/{delivery.pk}/check-runs/", report).json()
    assert decided["decision"] == "rejected"
    kept = delivery.check_runs.get().results[0]
    assert (kept["success"], kept["extra"]) == (False, 1)


def test_a_rejected_delivery_has_reasons(delivery: Delivery, api: Api) -> None:
    """A critical failure is the reason, and a load is refused with the state."""
    service, path = api("service"), f"/api/v1/deliveries/{delivery.pk}/"
    decided = service.post(f"{path}check-runs/", _report(delivery, success=False)).json()
    assert (decided["decision"], decided["reasons"]) == ("rejected", ["carrier must not be empty: 2 rows"])
    refused = service.post(f"{path}load/", {"dag_run_id": ""})
    assert (refused.status_code, "rejected" in refused.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"rows": -1, "started_at": "noon"}, {"rows", "started_at"}),
        ({"results": [{"expectation": "E", "severity": "bad", "success": True, "message": ""}]}, {"results.0.severity"}),
        ({"delivery": "00000000-0000-0000-0000-000000000000"}, {"delivery"}),
    ],
)  # fmt: skip
def test_a_wrong_report_names_its_fields(
    delivery: Delivery, api: Api, change: dict[str, Any], fields: set[str]
) -> None:
    """All of them at once, as dotted paths."""
    body = _report(delivery, success=True) | change
    answer = api("service").post(f"/api/v1/deliveries/{delivery.pk}/check-runs/", body)
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == fields


@pytest.mark.parametrize(
    ("query", "count"),
    [("day=2013-11-01&source=flight_schedule&status=checking&tenant=EWR", 1), ("day=2013-11-02", 0)],
)
def test_deliveries_are_filtered(delivery: Delivery, api: Api, query: str, count: int) -> None:
    """By day, source, status and tenant."""
    assert api("service").get(f"/api/v1/deliveries/?{query}").json()["count"] == count


def test_a_filter_that_is_none_is_told_of(api: Api) -> None:
    """A day that is not a day is 422, not an empty list."""
    answer = api("service").get("/api/v1/deliveries/?day=tomorrow")
    assert [error["field"] for error in answer.json()["errors"]] == ["day"]


def test_contracts_are_listed_and_read(api: Api) -> None:
    """By name, with both parts; an unknown one is 404 with those that there are."""
    client = api("viewer")
    listed = client.get("/api/v1/contracts/").json()
    assert {row["name"]: row["kind"] for row in listed} == {
        "arrival_delay": "model", "arrival_minutes": "model", "flight_outcome": "source", "flight_schedule": "source",
    }  # fmt: skip
    read = client.get("/api/v1/contracts/arrival_delay/").json()
    assert read["schema"]["task"] == "binary"
    assert read["policy"]["metric"] == "roc_auc"
    missing = client.get("/api/v1/contracts/nothing/")
    assert (missing.status_code, "arrival_delay" in missing.json()["detail"]) == (404, True)


def test_a_token_logs_in(users: dict[str, Any]) -> None:
    """The service account's token is its way in; another one is 401."""
    good = APIClient(headers={"Authorization": f"Token {'k' * 40}"})
    assert good.get("/api/v1/deliveries/").status_code == 200
    bad = APIClient(headers={"Authorization": "Token nonsense"}).get("/api/v1/deliveries/")
    assert (bad.status_code, bad["WWW-Authenticate"]) == (401, "Token")


def test_a_registry_that_is_down_is_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the registry no request is accepted, and the answer says to try again."""

    def down(model: str) -> Any:
        raise RegistryError("MLflow does not answer")

    monkeypatch.setattr(registry, "champion", down)
    body = {"model": "arrival_delay", "tenant": "EWR", "day": "2013-10-20"}
    answer = api("owner").post("/api/v1/batches/", body)
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")


@pytest.mark.parametrize("body", ["{", "[1]", '"x"', '{"tenant": NaN}'])
def test_bodies_that_are_no_object(users: dict[str, Any], body: str) -> None:
    """400 where it is not JSON, 422 where it is something else than an object; problem+json either way."""
    client = Client(headers={"Authorization": f"Token {'k' * 40}"})
    answer = client.post("/api/v1/batches/", body, content_type="application/json")
    assert answer.status_code in (400, 422)
    assert answer["Content-Type"] == "application/problem+json"


def test_addresses_that_are_not_there(client: Client) -> None:
    """Below /api/ even a 404 is problem+json."""
    answer = client.get("/api/v1/nothing/%C3%A9")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["instance"] == "/api/v1/nothing/%C3%A9"


def test_health(client: Client) -> None:
    """Both answer without a login."""
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready"}


def test_the_openapi_file_has_no_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """drf-spectacular understands every view."""
    from django.core.management import call_command

    call_command("spectacular", "--validate", "--fail-on-warn")
    assert "openapi: 3" in capsys.readouterr().out


def test_a_broken_contract_file_is_the_servers_own_fault(
    api: Api, settings: Any, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Not a 404, and no path of the server for the caller; the log has it."""
    folder = tmp_path / "contracts" / "broken"
    folder.mkdir(parents=True)
    (folder / "0001.json").write_text("{")
    settings.HOTCLUB_CONTRACTS = [tmp_path / "contracts"]
    answer = api("root").get("/api/v1/contracts/broken/")
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert str(tmp_path) not in answer.content.decode()
    assert str(folder) in " ".join(str(getattr(record, "error", "")) for record in caplog.records)
    assert api("root").get("/api/v1/contracts/nobody/").status_code == 404
