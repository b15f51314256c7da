"""A model without tenants: no tenant is wanted of a request, and a day is scored once for what was loaded."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from django_app.ingest.models import Delivery
from django_app.registry import selectors as registry
from django_app.registry.selectors import ModelVersionRef
from django_app.scoring.models import Batch, PredictionRequest
from django_app.scoring.services import reconcile, requests
from hotclub import names, package
from tests.django_app.scoring.test_requests import FEATURES

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

NOW = dt.datetime(2013, 11, 1, 12, tzinfo=dt.UTC)
DAY = dt.date(2013, 10, 20)
REQUESTS, BATCHES = "/api/v1/prediction-requests/", "/api/v1/batches/"


@pytest.fixture
def tenantless(
    ref: ModelVersionRef, settings: Any, monkeypatch: pytest.MonkeyPatch, sent: list[Any]
) -> ModelVersionRef:
    """The champion of arrival_delay, as if it had been declared without a tenant."""
    schema = dataclasses.replace(ref.contract.schema, tenant_path=None)
    contract = dataclasses.replace(ref.contract, schema=schema)
    folder = Path(settings.HOTCLUB_CACHE) / (ref.registered.digest or "")
    (folder / package.CONTRACT).write_text(json.dumps(contract.to_json()))
    digest = package.seal(folder)
    folder.rename(folder.with_name(digest))
    tags = {**ref.registered.tags, names.TAG_DIGEST: digest, names.TAG_FINGERPRINT: contract.fingerprint}
    made = ModelVersionRef(dataclasses.replace(ref.registered, tags=tags), contract)

    def champion(model: str) -> ModelVersionRef:
        if model != "arrival_delay":
            raise registry.NoChampionError(f"{model} has no champion")
        return made

    monkeypatch.setattr(registry, "champion", champion)
    # The view that is there has the same rows; only its fingerprint is that of the contract with tenants.
    monkeypatch.setattr(registry, "missing_view", lambda _contract: "")
    monkeypatch.setattr(reconcile.contract_files, "read_all", lambda _: {"arrival_delay": made.contract})
    return made


class TestRequests:
    """One row of features."""

    def test_none_is_wanted(self, tenantless: ModelVersionRef, api: Any) -> None:
        """Accepted without one, scored, and read back with an empty tenant."""
        answer = api("root").post(REQUESTS, {"model": "arrival_delay", "features": FEATURES}, format="json")
        assert answer.status_code == 202, answer.json()
        assert answer.json()["tenant"] is None
        requests.request_score(request_id=answer.json()["id"], clock=lambda: NOW)
        found = api("root").get(f"{REQUESTS}{answer.json()['id']}/").json()
        assert (found["status"], found["tenant"]) == ("done", None)
        assert str(PredictionRequest.objects.get()) == "arrival_delay for no tenant"
        assert api("owner").get(f"{REQUESTS}{answer.json()['id']}/").status_code == 404

    def test_one_that_is_given_is_refused(self, tenantless: ModelVersionRef, api: Any) -> None:
        """With words, under its field."""
        body = {"tenant": "EWR", "model": "arrival_delay", "features": FEATURES}
        answer = api("root").post(REQUESTS, body, format="json")
        assert (answer.status_code, answer.json()["errors"]) == (
            422, [{"field": "tenant", "message": "arrival_delay has no tenants; leave it out"}],
        )  # fmt: skip

    def test_it_is_for_those_who_may_act_for_every_tenant(
        self, tenantless: ModelVersionRef, api: Any
    ) -> None:
        """A data owner of one tenant reads the reason of the refusal."""
        answer = api("owner").post(REQUESTS, {"model": "arrival_delay", "features": FEATURES}, format="json")
        assert answer.status_code == 403
        assert "arrival_delay has no tenants" in answer.json()["detail"]

    @pytest.mark.parametrize("tenant", [{}, {"tenant": None}])
    def test_a_model_with_tenants_wants_one(
        self, ref: ModelVersionRef, api: Any, monkeypatch: pytest.MonkeyPatch, tenant: dict[str, None]
    ) -> None:
        """Not left out, and not null, by anybody."""
        monkeypatch.setattr(registry, "champion", lambda model: ref)
        answer = api("root").post(
            REQUESTS, {"model": "arrival_delay", "features": FEATURES, **tenant}, format="json"
        )
        assert answer.status_code == 422
        assert answer.json()["errors"] == [
            {"field": "tenant", "message": "is required: arrival_delay has tenants"}
        ]


def _loaded(tenant: str, minute: int, status: str = "loaded", day: dt.date = DAY) -> Delivery:
    return Delivery.objects.create(
        source="flight_schedule", tenant_id=tenant, day=day, sha256=f"{tenant}{minute}", size_bytes=1,
        archive_path="/nowhere", status=status, finished_at=NOW + dt.timedelta(minutes=minute),
    )  # fmt: skip


class TestOncePerLoad:
    """The batches that `<model>.score` asks for, a run for each tenant's delivery."""

    def _ask(self, api: Any, run: str, tenant: str = "EWR", **changes: Any) -> tuple[int, str]:
        partition = f"{tenant}.{DAY.isoformat()}"
        body = {"model": "arrival_delay", "partition": partition, "key": run, **changes}
        answer = api("service").post(BATCHES, body, format="json")
        assert answer.status_code in (200, 202), answer.json()
        return answer.status_code, answer.json()["id"]

    def test_two_tenants_of_a_day_are_one_batch(self, tenantless: ModelVersionRef, api: Any) -> None:
        """Both were loaded before the first run asks: the second gets its batch."""
        _loaded("EWR", 0)
        _loaded("JFK", 1)
        assert self._ask(api, "run-of-EWR")[0] == 202
        assert self._ask(api, "run-of-JFK") == (200, str(Batch.objects.get().pk))

    def test_a_late_delivery_is_scored(self, tenantless: ModelVersionRef, api: Any) -> None:
        """Loaded after the first batch was asked for: its rows may not be in it, so it gets a second."""
        _loaded("EWR", 0)
        first = self._ask(api, "run-of-EWR")
        _loaded("JFK", 1)
        second = self._ask(api, "run-of-JFK")
        assert (first[0], second[0]) == (202, 202)
        assert first[1] != second[1]
        assert self._ask(api, "again-of-EWR") == (200, second[1])

    def test_other_days_and_unloaded_deliveries_do_not_count(
        self, tenantless: ModelVersionRef, api: Any
    ) -> None:
        """Only what is loaded of that day makes a batch of its own."""
        _loaded("EWR", 0)
        first = self._ask(api, "a")
        _loaded("JFK", 1, status="rejected")
        _loaded("LGA", 2, day=DAY + dt.timedelta(days=1))
        assert self._ask(api, "b") == (200, first[1])

    def test_of_a_tenant(
        self, ref: ModelVersionRef, api: Any, monkeypatch: pytest.MonkeyPatch, sent: list[Any]
    ) -> None:
        """With a tenant, its own deliveries count."""
        monkeypatch.setattr(registry, "champion", lambda model: ref)
        _loaded("EWR", 0)
        first = self._ask(api, "a", tenant="EWR")
        _loaded("JFK", 1)
        assert self._ask(api, "b", tenant="EWR") == (200, first[1])

    def test_the_run_and_the_sweep_have_one_key(
        self, ref: ModelVersionRef, api: Any, monkeypatch: pytest.MonkeyPatch, sent: list[Any]
    ) -> None:
        """A model with tenants: what the sweep made is what a late event's run gets, and the other way round."""
        monkeypatch.setattr(registry, "champion", lambda model: ref)
        _loaded("EWR", -20)
        assert reconcile.loaded_days_score(clock=lambda: NOW) == 1
        assert self._ask(api, "late-run", tenant="EWR") == (200, str(Batch.objects.get().pk))
        Batch.objects.update(created_at=NOW - dt.timedelta(hours=1))
        assert reconcile.loaded_days_score(clock=lambda: NOW) == 0

    def test_a_failed_batch_has_one_successor(self, tenantless: ModelVersionRef, api: Any) -> None:
        """However many runs find it failed: the first that asks to try again makes the next, the others get it."""
        _loaded("EWR", 0)
        first = self._ask(api, "a")[1]
        Batch.objects.update(status="failed")
        assert self._ask(api, "a") == (200, first)
        second = self._ask(api, "a", retry_failed=True)
        assert second[0] == 202
        assert self._ask(api, "b", retry_failed=True) == (200, second[1])
        Batch.objects.filter(pk=second[1]).update(status="failed")
        assert self._ask(api, "b", retry_failed=True)[0] == 202
        assert len(set(Batch.objects.values_list("key", flat=True))) == 3

    def test_a_replay_after_a_promotion_is_another_batch(
        self, ref: ModelVersionRef, api: Any, monkeypatch: pytest.MonkeyPatch, sent: list[Any]
    ) -> None:
        """A backfill clears the day's run, whose id stays: with another champion it is to score anew."""
        body = {"model": "arrival_delay", "key": "run", "key_per_version": True,
                "start": "2013-10-20T00:00:00Z", "end": "2013-10-21T00:00:00Z"}  # fmt: skip
        champion = ref
        monkeypatch.setattr(registry, "champion", lambda model: champion)
        answers = [api("service").post(BATCHES, body, format="json") for _ in range(2)]
        champion = dataclasses.replace(ref, registered=dataclasses.replace(ref.registered, version="4"))
        answers.append(api("service").post(BATCHES, body, format="json"))
        assert [a.status_code for a in answers] == [202, 200, 202]
        assert answers[2].json()["model_version"] == "4"

    def test_a_key_of_djangos_own_kind_is_refused(self, tenantless: ModelVersionRef, api: Any) -> None:
        """Under it, somebody's batch would stand for that of what was loaded."""
        body = {"model": "arrival_delay", "day": DAY.isoformat(), "key": "loads-1"}
        answer = api("service").post(BATCHES, body, format="json")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "key")

    def test_a_day_that_nobody_delivered_goes_by_the_key(self, tenantless: ModelVersionRef, api: Any) -> None:
        """By hand, for a day without a delivery: the run's own key counts, as ever."""
        assert self._ask(api, "a")[0] == 202
        assert self._ask(api, "a")[0] == 200
        assert self._ask(api, "b")[0] == 202

    def test_the_sweep_makes_one_too(self, tenantless: ModelVersionRef, api: Any) -> None:
        """Where the runs were lost, one batch for the day; a run that comes all the same gets it."""
        for tenant, minute in (("EWR", -30), ("JFK", -20), ("LGA", -15)):
            _loaded(tenant, minute)
        assert reconcile.loaded_days_score(clock=lambda: NOW) == 1
        assert reconcile.loaded_days_score(clock=lambda: NOW) == 0
        batch = Batch.objects.get()
        assert batch.tenant is None
        assert self._ask(api, "late-run") == (200, str(batch.pk))
