"""Labels and probabilities by class, in the API and the admin."""

from __future__ import annotations

from typing import Any

import pytest

from django_app.registry.selectors import ModelVersionRef
from tests.django_app.scoring.conftest import CLASSES
from tests.django_app.scoring.flight_length import (
    BATCHES,
    Make,
    clock,
    keys_of,
    made,
    post_batch,
    scored,
)

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


class TestAnswers:
    """Labels and probabilities by class, in the API and the admin."""

    def test_results(self, timeless: Make, api: Any, users: dict[str, Any], client: Any) -> None:
        """Each row has the label, every probability by name, and the numbers as they are stored."""
        ref = timeless()
        _record(ref)
        batch = scored(made(post_batch(api, entities=sorted(keys_of())[:30])))
        page = api("service").get(f"{BATCHES}{batch.pk}/results/?page_size=5").json()
        assert (page["count"], len(page["results"])) == (30, 5)
        for row in page["results"]:
            assert row["probabilities"] == dict(zip(CLASSES, row["scores"], strict=True))
            assert row["label"] == max(row["probabilities"], key=row["probabilities"].__getitem__)
            assert (row["event_time"], row["score"], row["classes_problem"]) == (None, None, "")
        client.force_login(users["root"])
        shown = client.get(f"/admin/scoring/batch/{batch.pk}/change/").content.decode()
        first = page["results"][0]
        assert f"{first['entity']}: {first['label']} (short {first['scores'][0]:.4f}" in shown
        assert f"and 10 more: /api/v1/batches/{batch.pk}/results/" in shown

    def test_of_a_request(self, timeless: Make, api: Any, users: dict[str, Any], client: Any) -> None:
        """Nothing before it is scored; then label and probabilities."""
        from django_app.scoring.services import requests

        ref = timeless(tenant_path=None)
        _record(ref)
        body = {"model": "flight_length", "features": {"carrier": "UA", "hour": 9}}
        made = api("root").post("/api/v1/prediction-requests/", body, format="json").json()
        assert (made["label"], made["probabilities"], made["classes_problem"]) == (None, None, "")
        requests.request_score(request_id=made["id"], clock=clock)
        found = api("root").get(f"/api/v1/prediction-requests/{made['id']}/").json()
        assert found["probabilities"] == dict(zip(CLASSES, found["scores"], strict=True))
        assert found["label"] in CLASSES
        assert abs(sum(found["probabilities"].values()) - 1) < 1e-6
        client.force_login(users["root"])
        for path in ("", f"{made['id']}/change/"):
            assert (
                f"{found['label']} (short "
                in client.get(f"/admin/scoring/predictionrequest/{path}").content.decode()
            )

    def test_an_older_version_keeps_its_own_names(self, timeless: Make, api: Any) -> None:
        """The contract has a new version with other classes: what was scored before is shown with the old ones."""
        ref = timeless()
        _record(ref)
        batch = scored(made(post_batch(api, entities=sorted(keys_of())[:3])))
        _record(ref, version=2, fingerprint="f" * 64, classes=["a", "b", "c"])
        (row, *_) = api("service").get(f"{BATCHES}{batch.pk}/results/").json()["results"]
        assert set(row["probabilities"]) == set(CLASSES)

    def test_a_contract_that_only_the_package_has(self, timeless: Make, api: Any) -> None:
        """Its file went, and migrate no longer knows it: the package that scored has the names."""
        timeless()
        batch = scored(made(post_batch(api, entities=sorted(keys_of())[:3])))
        (row, *_) = api("service").get(f"{BATCHES}{batch.pk}/results/").json()["results"]
        assert (set(row["probabilities"]), row["classes_problem"]) == (set(CLASSES), "")

    def test_a_contract_that_nobody_has(
        self, timeless: Make, api: Any, settings: Any, tmp_path: Any, users: dict[str, Any], client: Any
    ) -> None:
        """Plain scores, and it is said why: another version's names would be a wrong answer."""
        ref = timeless()
        batch = scored(made(post_batch(api, entities=sorted(keys_of())[:3])))
        settings.HOTCLUB_CACHE = tmp_path / "empty"
        _record(ref, version=2, fingerprint="f" * 64)
        (row, *_) = api("service").get(f"{BATCHES}{batch.pk}/results/").json()["results"]
        assert (row["label"], row["probabilities"], len(row["scores"])) == (None, None, 3)
        words = "the class names of contract version 1 are not known"
        assert words in row["classes_problem"]
        client.force_login(users["root"])
        assert words in client.get(f"/admin/scoring/batch/{batch.pk}/change/").content.decode()

    def test_classes_that_are_not_as_many_as_the_scores(self, timeless: Make, api: Any) -> None:
        """No probability goes under a name that may be another's."""
        ref = timeless()
        _record(ref, classes=["short", "long"])
        batch = scored(made(post_batch(api, entities=sorted(keys_of())[:3])))
        (row, *_) = api("service").get(f"{BATCHES}{batch.pk}/results/").json()["results"]
        assert (row["label"], row["probabilities"]) == (None, None)
        assert "3 scores for 2 classes (short, long)" in row["classes_problem"]


def _record(ref: ModelVersionRef, version: int = 1, fingerprint: str = "", **schema: Any) -> None:
    """Record a contract version as migrate does; `schema` replaces parts of it."""
    from django_app.contracts.models import ContractVersion

    content = ref.contract.to_json()
    content["schema"] = content["schema"] | schema
    ContractVersion.objects.create(
        name=ref.contract.name, version=version, kind="model", app="flights", content=content,
        fingerprint=fingerprint or ref.contract.fingerprint,
    )  # fmt: skip
