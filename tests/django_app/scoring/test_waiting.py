"""What a batch waits for is on the batch."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from django_app.scoring.models import Batch
from tests.django_app.scoring.flight_length import (
    BATCHES,
    NOW,
    Make,
    keys_of,
    made,
    post_batch,
    scored,
)

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


class TestWaiting:
    """What a batch waits for is on the batch."""

    def test_mlflow_is_away(
        self, timeless: Make, api: Any, settings: Any, tmp_path: Any, users: dict[str, Any], client: Any
    ) -> None:
        """Its package cannot be downloaded: the reason is in the list, on the page and in the API, until it goes on."""
        from django_app.scoring import tasks

        timeless()
        batch = made(post_batch(api, entities=sorted(keys_of())[:3]))
        cache = settings.HOTCLUB_CACHE
        settings.HOTCLUB_MLFLOW_URL = "http://127.0.0.1:9"
        settings.HOTCLUB_CACHE = tmp_path / "empty"
        tasks.chunk_score(batch.chunks.get().pk)
        client.force_login(users["root"])
        waiting = "does not answer"
        for answer in (
            api("service").get(f"{BATCHES}{batch.pk}/").json(),
            api("service").get(BATCHES).json()["results"][0],
        ):
            assert (answer["status"], waiting in answer["waits_for"]) == ("running", True)
        for path in ("", f"{batch.pk}/change/"):
            assert waiting in client.get(f"/admin/scoring/batch/{path}").content.decode()
        settings.HOTCLUB_CACHE = cache
        scored(batch)
        assert api("service").get(f"{BATCHES}{batch.pk}/").json()["waits_for"] == ""
        assert waiting not in client.get("/admin/scoring/batch/").content.decode()

    def test_the_newest_error_of_those_that_are_open(self, timeless: Make, api: Any) -> None:
        """Not that of a chunk that is done, and none of a batch that is over."""
        timeless()
        batch = made(post_batch(api, entities=sorted(keys_of())[:3]))
        assert batch.waits_for == ""
        batch.chunks.update(error="older", enqueued_at=NOW)
        for number, status, error, minute in (
            (1, "pending", "newer", 1),
            (2, "done", "done", 2),
            (3, "pending", "", 3),
        ):
            batch.chunks.create(
                number=number, status=status, error=error, first_entity="1", rows=1,
                enqueued_at=NOW + dt.timedelta(minutes=minute),
            )  # fmt: skip
        assert batch.waits_for == "newer"
        assert api("service").get(BATCHES).json()["results"][0]["waits_for"] == "newer"
        Batch.objects.update(status="failed", error="given up")
        batch.refresh_from_db()
        assert batch.waits_for == ""
        assert api("service").get(BATCHES).json()["results"][0]["waits_for"] == ""

    def test_a_list_asks_once(self, timeless: Make, api: Any, django_assert_max_num_queries: Any) -> None:
        """More batches are no more queries."""
        timeless()
        keys = sorted(keys_of())
        for number in range(8):
            made(post_batch(api, entities=keys[number : number + 2]))
        client = api("service")
        with django_assert_max_num_queries(6):
            assert client.get(BATCHES).json()["count"] == 8
