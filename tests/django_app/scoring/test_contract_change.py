"""A model whose rows have a time in one contract version and none in another: whichever is champion decides."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_app.ingest.models import Delivery
from django_app.registry.selectors import ModelVersionRef
from django_app.scoring.models import Batch
from django_app.scoring.services import reconcile
from tests.django_app.scoring.flight_length import NOW, clock, made, post_batch, scored

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

DAY = dt.date(2013, 11, 1)
TIME = {"event_time": "scheduled_departure", "evaluate_days": 3, "stopping_days": 3}
Make = Callable[..., ModelVersionRef]
Load = Callable[..., Delivery]


@pytest.mark.parametrize(("before", "after"), [(TIME, {}), ({}, TIME)])
def test_a_load_keeps_its_batch(
    timeless: Make, api: Any, load: Load, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """A run that is cleared after the promotion gets the batch that is there, and no conflict of kinds of rows."""
    timeless(**before)
    load(1, 2, minutes=-11)
    first = made(post_batch(api, partition="EWR.2013-11-01", key="run"))
    assert first.rows_of == ("interval" if before else "entities")
    timeless(**after)
    again = post_batch(api, partition="EWR.2013-11-01", key="run", retry_failed=True)
    assert (again.status_code, again.json()["id"]) == (200, str(first.pk))
    Batch.objects.filter(pk=first.pk).update(created_at=NOW)
    assert reconcile.loaded_days_score(clock=clock) == 0


@pytest.mark.parametrize(("before", "after"), [(TIME, {}), ({}, TIME)])
def test_a_failed_batch_s_successor_has_the_champion_s_rows(
    timeless: Make, api: Any, load: Load, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """It is made anew, under the contract of the version that scores now."""
    timeless(**before)
    load(1, 2)
    first = made(post_batch(api, partition="EWR.2013-11-01", key="run"))
    Batch.objects.filter(pk=first.pk).update(status="failed")
    timeless(**after)
    second = made(post_batch(api, partition="EWR.2013-11-01", key="run", retry_failed=True))
    assert (second.pk != first.pk, second.rows_of) == (True, "interval" if after else "entities")
    assert made(post_batch(api, partition="EWR.2013-11-01", key="run", retry_failed=True)).pk == second.pk


def test_a_key_of_the_caller_s_own_is_never_another_kind_of_rows(timeless: Make, api: Any) -> None:
    """Only a load's batch is found whatever its rows; this caller would get other rows than were asked for."""
    timeless(**TIME)
    assert post_batch(api, day="2013-11-01", key="k").status_code == 202
    timeless()
    assert post_batch(api, all=True, key="k").status_code == 409


def test_a_load_that_ends_meanwhile_is_another_batch_s(
    timeless: Make, api: Any, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the read of what is loaded and the batch: it gets the rows and the key of the same loads."""
    timeless()
    load(1, 2)
    from django_app.scoring.api import views

    read, came = views.loaded_rows, []

    def slowly(**given: Any) -> Any:
        rows = read(**given)
        if not came:
            came.append(load(2, 3, 4, minutes=1))
        return rows

    monkeypatch.setattr(views, "loaded_rows", slowly)
    first = made(post_batch(api, partition="EWR.2013-11-01", key="run"))
    second = made(post_batch(api, partition="EWR.2013-11-01", key="run"))
    assert (first.rows_total, second.rows_total) == (2, 3)
    assert scored(second).rows_done == 3


def test_what_is_loaded_is_read_at_one_moment(timeless: Make, api: Any, load: Load) -> None:
    """Loads and their keys by one statement: between two, a correction would take the keys away."""
    timeless()
    load(1, 2)
    with CaptureQueriesContext(connection) as queries:
        made(post_batch(api, partition="EWR.2013-11-01", key="run"))
    reads = [q["sql"] for q in queries if q["sql"].startswith("SELECT") and "ingest_delivery" in q["sql"]]
    assert len(reads) == 1
    assert "ingest_loadedkeys" in reads[0]
