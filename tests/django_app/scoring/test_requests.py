"""Prediction requests: refused with every field's error, or scored."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection

from django_app.registry import selectors as registry
from django_app.registry.selectors import ModelVersionRef
from django_app.scoring import tasks
from django_app.scoring.models import MAX_ATTEMPTS, PredictionRequest
from django_app.scoring.predictors import predictor_for
from django_app.scoring.services import chunks, requests, sweep
from django_app.tenants.models import Tenant
from hotclub import names
from hotclub.errors import InvalidInputError, RegistryUnavailableError

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2013, 11, 1, 12, tzinfo=dt.UTC)
FEATURES = {
    "carrier": "UA", "origin": "EWR", "destination": "IAH", "hour": 17, "minute_of_day": 1035, "weekday": 5,
    "distance": 1400, "scheduled_duration": 244,
}  # fmt: skip


def _clock() -> dt.datetime:
    return NOW


def _create(ref: ModelVersionRef, features: object = FEATURES) -> PredictionRequest:
    return requests.request_create(
        version=ref, tenant=Tenant.objects.get(pk="EWR"), features=features, user=None, now=NOW
    )


def test_a_request_is_scored_by_the_pinned_version(ref: ModelVersionRef) -> None:
    """The score is the predictor's own; the features that were left out are missing."""
    request = _create(ref)
    assert requests.request_score(request_id=request.pk, clock=_clock) is True
    request.refresh_from_db()
    assert (request.status, request.model_version) == ("done", "3")
    assert request.score == predictor_for(request).predict_rows([FEATURES]).scores[0]
    assert requests.request_score(request_id=request.pk, clock=_clock) is False


def test_unseen_categories_are_told_of(ref: ModelVersionRef) -> None:
    """A carrier that training never saw is scored as missing, and the answer says so."""
    request = _create(ref, {**FEATURES, "carrier": "ZZ"})
    requests.request_score(request_id=request.pk, clock=_clock)
    request.refresh_from_db()
    assert request.unseen == {"carrier": 1}


def test_every_wrong_field_is_named(ref: ModelVersionRef) -> None:
    """All errors come at once, each under its field."""
    with pytest.raises(InvalidInputError) as caught:
        _create(ref, {**FEATURES, "hour": 24, "carrier": None, "distanse": 3, "weekday": "Friday"})
    assert {error.field for error in caught.value.errors} == {
        "features.hour",
        "features.carrier",
        "features.distanse",
        "features.weekday",
    }


def test_an_accepted_request_is_sent_with_who_asked(
    ref: ModelVersionRef, users: dict[str, Any], sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    """Once it is committed: the task by its name, and the request's key."""
    with django_capture_on_commit_callbacks(execute=True):
        request = requests.request_create(
            version=ref, tenant=Tenant.objects.get(pk="EWR"), features=FEATURES, user=users["owner"], now=NOW
        )
    assert sent == [("scoring.tasks.request_score", (str(request.pk),))]
    request.refresh_from_db()
    assert (request.requested_by, request.created_at, request.enqueued_at) == (users["owner"], NOW, NOW)


def test_the_sweep_finds_a_lost_request(
    ref: ModelVersionRef, sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    """A request whose task was lost is enqueued again within a minute."""
    request = _create(ref)
    with django_capture_on_commit_callbacks(execute=True):
        sweep.scoring_sweep(now=NOW + dt.timedelta(seconds=40))
        # What was sent again waits for its turn: the next sweep does not send it once more.
        sweep.scoring_sweep(now=NOW + dt.timedelta(seconds=50))
    assert sent == [("scoring.tasks.request_score", (str(request.pk),))]


def test_an_unforeseen_error_is_told_and_counted(
    ref: ModelVersionRef, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that cannot be scored says why after each attempt, and at the limit it fails."""
    request = _create(ref)

    def fail(_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(requests, "predictor_for", fail)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        tasks.request_score(str(request.pk))
        request.refresh_from_db()
        assert (request.attempts, request.error) == (attempt, "OSError: no space left on device")
        assert request.status == ("failed" if attempt == MAX_ATTEMPTS else "pending")
    assert "Traceback" in caplog.text


def test_an_outage_elsewhere_uses_no_attempts_up(
    ref: ModelVersionRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was accepted waits for the model registry, for as long as it takes, and says so."""
    request = _create(ref)

    def away(_: object) -> None:
        raise RegistryUnavailableError("MLflow does not answer")

    with monkeypatch.context() as outage:
        outage.setattr(requests, "predictor_for", away)
        for _ in range(2 * MAX_ATTEMPTS):
            tasks.request_score(str(request.pk))
    request.refresh_from_db()
    assert (request.status, request.attempts, request.error) == ("pending", 0, "MLflow does not answer")
    tasks.request_score(str(request.pk))
    request.refresh_from_db()
    assert (request.status, request.error) == ("done", "")


def test_a_request_that_kills_its_worker_is_given_up(
    ref: ModelVersionRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt is counted before it begins: nobody is left to count it afterwards."""
    request = _create(ref)

    def killed(_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(requests, "predictor_for", killed)
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(SystemExit):
            tasks.request_score(str(request.pk))
    tasks.request_score(str(request.pk))
    request.refresh_from_db()
    assert (request.status, request.attempts) == ("failed", MAX_ATTEMPTS)
    assert request.error.startswith(f"begun {MAX_ATTEMPTS} times and never finished: its worker ended")


class TestApi:
    """The same over HTTP."""

    @pytest.fixture(autouse=True)
    def _champion(self, ref: ModelVersionRef, monkeypatch: pytest.MonkeyPatch, sent: list[Any]) -> None:
        monkeypatch.setattr(registry, "champion", lambda model: ref)

    def test_created_and_read(self, api: Any) -> None:
        """202 with the request, which its tenant's people can read."""
        body = {"tenant": "EWR", "model": "arrival_delay", "features": FEATURES}
        made = api("owner").post("/api/v1/prediction-requests/", body)
        assert (made.status_code, made.json()["status"]) == (202, "pending")
        read = api("viewer").get(f"/api/v1/prediction-requests/{made.json()['id']}/")
        assert read.json()["features"] == FEATURES

    @pytest.mark.parametrize("features", [[], "x", 3, None, [FEATURES]])
    def test_features_must_be_an_object(self, api: Any, features: object) -> None:
        """Anything else is 422 as problem+json under the field."""
        body = {"tenant": "EWR", "model": "arrival_delay", "features": features}
        answer = api("owner").post("/api/v1/prediction-requests/", body)
        assert answer.status_code == 422
        assert answer["Content-Type"] == "application/problem+json"
        assert [error["field"] for error in answer.json()["errors"]] == ["features"]

    def test_unknown_models_are_named(self, api: Any) -> None:
        """A model without a contract is an error of the field model, with those that there are."""
        body = {"tenant": "EWR", "model": "nonsense", "features": FEATURES}
        (error,) = api("owner").post("/api/v1/prediction-requests/", body).json()["errors"]
        assert error["field"] == "model"
        assert "arrival_delay" in error["message"]

    @pytest.mark.parametrize(("who", "tenant"), [("owner", "JFK"), ("viewer", "EWR"), ("owner", "nowhere")])
    def test_only_for_tenants_one_may_work_for(self, api: Any, who: str, tenant: str) -> None:
        """Another tenant, one's own as a viewer, and none at all read the same."""
        body = {"tenant": tenant, "model": "arrival_delay", "features": FEATURES}
        (error,) = api(who).post("/api/v1/prediction-requests/", body).json()["errors"]
        assert error == {
            "field": "tenant",
            "message": f"'{tenant}' is not a tenant that test-{who} may start work for; a membership as data owner or "
            "ML engineer gives the right",
        }

    def test_a_batch_with_results(self, api: Any) -> None:
        """A batch is accepted once per key, scored, and its results are paged."""
        body = {"model": "arrival_delay", "tenant": "EWR", "day": "2013-10-20", "key": "run-1"}
        made = api("owner").post("/api/v1/batches/", body)
        again = api("owner").post("/api/v1/batches/", body)
        assert (made.status_code, again.status_code, again.json()["id"]) == (202, 200, made.json()["id"])
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM scoring_batchchunk")
            for (chunk,) in cursor.fetchall():
                chunks.chunk_score(chunk_id=chunk, clock=_clock)
        results = api("viewer").get(f"/api/v1/batches/{made.json()['id']}/results/?page_size=7").json()
        assert results["count"] == made.json()["rows_total"] > 200
        assert len(results["results"]) == 7
        assert all(0 < row["score"] < 1 for row in results["results"])

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"day": None}, "day"),
            ({"day": "2013-10-20", "start": "2013-10-20T00:00:00Z"}, "day"),
            ({"start": "2013-10-20T00:00:00Z"}, "end"),
            ({"start": "2013-10-21T00:00:00Z", "end": "2013-10-20T00:00:00Z"}, "end"),
            ({}, "day"),
            ({"day": "yesterday"}, "day"),
            ({"day": "9999-12-31"}, "day"),
        ],
    )
    def test_slices_that_are_none(self, api: Any, change: dict[str, Any], field: str) -> None:
        """An interval needs a day, or both ends in their order; the error names the field."""
        answer = api("owner").post("/api/v1/batches/", {"model": "arrival_delay", "tenant": "EWR", **change})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]

    def test_without_a_champion(self, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """409 with what to do."""

        def none(model: str) -> ModelVersionRef:
            raise registry.NoChampionError(f"{model} has no champion")

        monkeypatch.setattr(registry, "champion", none)
        answer = api("owner").post(
            "/api/v1/batches/", {"model": "arrival_delay", "tenant": "EWR", "day": "2013-10-20"}
        )
        assert (answer.status_code, answer.json()["detail"]) == (409, "arrival_delay has no champion")
        assert answer.json()["type"] == names.PROBLEM_NO_CHAMPION
        assert answer.json()["instance"] == answer.wsgi_request.path
