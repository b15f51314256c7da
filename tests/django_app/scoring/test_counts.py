"""What a batch says of its rows: planned, scored, vanished, new; and when it was over."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from django_app.flights.models import Flight
from django_app.registry.selectors import ModelVersionRef
from django_app.scoring import chunk_rows, tasks
from django_app.scoring.models import Batch, Prediction, PredictionRequest
from django_app.scoring.row_selection import RowSelection
from django_app.scoring.services import batches, chunks, requests
from django_app.tenants.models import Tenant
from hotclub import objectives
from tests.django_app.scoring.test_requests import FEATURES

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

NOW = dt.datetime(2013, 11, 1, 12, tzinfo=dt.UTC)
DAY = dt.date(2013, 10, 20)


class Ticking:
    """A clock that is a second later each time somebody looks."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> dt.datetime:
        self.at += dt.timedelta(seconds=1)
        return self.at


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch, sent: list[Any]) -> None:
    """Chunks of 100 rows, so that a day has several."""
    chunks = chunk_rows.chunks
    monkeypatch.setattr(chunk_rows, "chunks", lambda entities: chunks(entities, 100))


@pytest.fixture
def batch(ref: ModelVersionRef) -> Batch:
    """A planned batch of a day of Newark, in three chunks or more."""
    made, _ = batches.batch_create(
        version=ref,
        rows=RowSelection.of_day(DAY, ref.contract),
        tenant=Tenant.objects.get(pk="EWR"),
        key="k",
        user=None,
        clock=lambda: NOW,
    )
    assert made.chunks.count() >= 3
    return made


def _flights(batch: Batch) -> Any:
    inside = Flight.objects.filter(scheduled_departure__gte=batch.start, scheduled_departure__lt=batch.end)
    return inside.filter(origin__tenant="EWR").order_by("pk")


def _add(batch: Batch, count: int = 1) -> list[int]:
    """Add flights to the interval, with new and so with the highest keys."""
    made = []
    for number in range(count):
        flight = _flights(batch).first()
        flight.pk, flight.number = None, 9000 + number
        flight.save(force_insert=True)
        made.append(flight.pk)
    return made


def _score(batch: Batch) -> tuple[int, int, int, int]:
    for chunk in batch.chunks.all():
        assert chunks.chunk_score(chunk_id=chunk.pk, clock=lambda: NOW)
    batch.refresh_from_db()
    counts = (batch.rows_total, batch.rows_done, batch.rows_vanished, batch.rows_new)
    assert batch.status == "done"
    assert counts[0] - counts[2] + counts[3] == counts[1] == Prediction.objects.filter(batch=batch).count()
    return counts


def test_nothing_moved(batch: Batch) -> None:
    """Every planned row is scored, none vanished, none is new."""
    total = _flights(batch).count()
    assert _score(batch) == (total, total, 0, 0)


def test_rows_deleted_meanwhile_are_counted(batch: Batch) -> None:
    """Gone before their chunk was read: vanished, in the count and in words."""
    total = _flights(batch).count()
    gone = [*_flights(batch).values_list("pk", flat=True)[95:105]]
    Flight.objects.filter(pk__in=gone).delete()
    assert _score(batch) == (total, total - 10, 10, 0)
    assert batch.summary == f"{total} rows planned, {total - 10} scored, 10 vanished, 0 new"


def test_all_rows_deleted_meanwhile(batch: Batch) -> None:
    """Nothing is left to score: done, and it says that every row vanished."""
    total = _flights(batch).count()
    _flights(batch).delete()
    assert _score(batch) == (total, 0, total, 0)


def test_a_row_that_moved_out_of_the_slice_vanished(batch: Batch) -> None:
    """Its event time is another day's now: it is scored there, not here."""
    total = _flights(batch).count()
    moved = _flights(batch).first()
    Flight.objects.filter(pk=moved.pk).update(scheduled_departure=batch.end)
    assert _score(batch) == (total, total - 1, 1, 0)
    assert not Prediction.objects.filter(batch=batch, entity=str(moved.pk)).exists()


def test_rows_that_came_meanwhile_are_scored_and_counted_as_new(batch: Batch) -> None:
    """Also those with a key past the last planned one: a late row of the interval is not left out in silence."""
    total = _flights(batch).count()
    made = _add(batch, 3)
    assert _score(batch) == (total, total + 3, 0, 3)
    assert Prediction.objects.filter(batch=batch, entity__in=map(str, made)).count() == 3


def test_as_many_came_as_went(batch: Batch) -> None:
    """Equal numbers do not hide each other: rows are compared by their keys."""
    total = _flights(batch).count()
    # Of one chunk, the last: that is where the new keys belong.
    Flight.objects.filter(pk__in=[*_flights(batch).order_by("-pk").values_list("pk", flat=True)[:5]]).delete()
    _add(batch, 5)
    assert _score(batch) == (total, total, 5, 5)


@pytest.mark.parametrize("place", [0, 99, 100, 101])
def test_keys_before_and_between_the_chunks(batch: Batch, place: int) -> None:
    """A row that comes back under a key below, inside or between the planned ranges is scored once."""
    every = list(_flights(batch))
    returned = every[place]
    returned_pk = returned.pk
    _flights(batch).filter(pk=returned_pk).delete()
    for chunk in batch.chunks.all():
        chunk.planned = [entity for entity in chunk.planned if entity != str(returned_pk)]
        chunk.first_entity = chunk.planned[0]
        chunk.save()
    Batch.objects.filter(pk=batch.pk).update(rows_total=len(every) - 1)
    returned.pk = returned_pk
    returned.save(force_insert=True)
    assert _score(batch) == (len(every) - 1, len(every), 0, 1)


def test_a_chunk_from_before_entities_were_kept(batch: Batch) -> None:
    """Where only the number of planned rows is known, the difference is reported."""
    total = _flights(batch).count()
    batch.chunks.update(planned=None)
    _flights(batch).filter(pk__in=_flights(batch).values("pk")[:4]).delete()
    assert _score(batch) == (total, total - 4, 4, 0)


def test_planned_entities_go_once_they_are_counted(batch: Batch) -> None:
    """They are working memory, of chunks that failed as well."""
    first, second, *_ = batch.chunks.all()
    chunks.chunk_score(chunk_id=first.pk, clock=lambda: NOW)
    chunks.batch_fail(chunk_id=second.pk, reason="r", now=NOW)
    assert set(batch.chunks.values_list("planned", flat=True)) == {None}


def test_an_empty_batch_says_so(ref: ModelVersionRef) -> None:
    """Done, without rows, in words."""
    batch, _ = batches.batch_create(
        version=ref, rows=RowSelection.of_day(dt.date(2014, 6, 1), ref.contract), tenant=None, key=None, user=None,
        clock=Ticking(),
    )  # fmt: skip
    assert batch.summary == "no rows: the interval was empty when the batch was planned"
    assert batch.finished_at > batch.created_at


def test_api_and_admin_tell(batch: Batch, api: Any, users: dict[str, Any], client: Any) -> None:
    """Both have the counts and the sentence."""
    _flights(batch).filter(pk__in=_flights(batch).values("pk")[:5]).delete()
    total, done, vanished, new = _score(batch)
    found = api("owner").get(f"/api/v1/batches/{batch.pk}/").json()
    names = ("rows_total", "rows_done", "rows_vanished", "rows_new", "summary")
    assert [found[name] for name in names] == [total, done, vanished, new, batch.summary]
    client.force_login(users["root"])
    page = client.get(f"/admin/scoring/batch/{batch.pk}/change/").content.decode()
    assert batch.summary in page
    assert f"{done} of {total}, 5 vanished" in client.get("/admin/scoring/batch/").content.decode()


class TestTimes:
    """A clock that ticks: the end is read at the end."""

    @pytest.fixture
    def clock(self) -> Ticking:
        """The clock."""
        return Ticking()

    def test_a_batch_ends_after_it_began(
        self, batch: Batch, clock: Ticking, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It starts with its first chunk and ends after the predictions of its last are written."""
        written: list[dt.datetime] = []
        write = chunks._predictions_in
        monkeypatch.setattr(chunks, "_predictions_in", lambda *a: (write(*a), written.append(clock())))
        for chunk in batch.chunks.all():
            chunks.chunk_score(chunk_id=chunk.pk, clock=clock)
        batch.refresh_from_db()
        assert batch.created_at < batch.started_at < written[0]
        assert batch.finished_at > written[-1]

    def test_a_request_ends_after_it_was_scored(
        self, ref: ModelVersionRef, clock: Ticking, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Not when the worker took it up."""
        request = requests.request_create(
            version=ref, tenant=Tenant.objects.get(pk="EWR"), features=FEATURES, user=None, now=NOW
        )
        load = requests.predictor_for
        scored: list[dt.datetime] = []
        monkeypatch.setattr(requests, "predictor_for", lambda work: (scored.append(clock()), load(work))[1])
        requests.request_score(request_id=request.pk, clock=clock)
        assert PredictionRequest.objects.get().finished_at > scored[0]

    def test_the_tasks_read_the_clock_themselves(
        self, batch: Batch, clock: Ticking, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Celery's task gives the clock on, and not the time at which it began."""
        from django.utils import timezone

        monkeypatch.setattr(timezone, "now", clock)
        for chunk in batch.chunks.all():
            tasks.chunk_score(chunk.pk)
        batch.refresh_from_db()
        assert batch.finished_at - batch.started_at >= dt.timedelta(seconds=batch.chunks.count())


def test_the_end_of_an_interval_is_left_out(ref: ModelVersionRef) -> None:
    """[start, end): a row at the start is in the batch, one at the end is in the next one."""
    times = list(
        Flight.objects.filter(scheduled_departure__gte=dt.datetime(2013, 10, 20, 12, tzinfo=dt.UTC))
        .order_by("scheduled_departure").values_list("scheduled_departure", flat=True).distinct()[:3]
    )  # fmt: skip
    found = [
        batches.batch_create(
            version=ref, rows=RowSelection.between(start, end, ref.contract), tenant=None, key=None, user=None, clock=lambda: NOW
        )[0]
        for start, end in ((times[0], times[1]), (times[1], times[2]), (times[0], times[2]))
    ]  # fmt: skip
    first, second, both = (b.rows_total for b in found)
    assert first == Flight.objects.filter(scheduled_departure=times[0]).count() > 0
    assert second > 0
    assert first + second == both


def test_keys_are_cut_in_the_order_of_their_type(ref: ModelVersionRef) -> None:
    """Keys of one to four digits: in the order of texts 1000 would come before 9, and rows be scored twice or never."""
    keys = sorted(Flight.objects.values_list("pk", flat=True))
    few, many = Flight.objects.get(pk=keys[0]), Flight.objects.get(pk=keys[1500])
    assert (len(str(few.pk)), len(str(many.pk))) == (1, 4)
    ends = sorted((few.scheduled_departure, many.scheduled_departure))
    rows = RowSelection.between(ends[0] - dt.timedelta(days=1), ends[1] + dt.timedelta(days=1), ref.contract)
    made, _ = batches.batch_create(
        version=ref, rows=rows, tenant=None, key="wide", user=None, clock=lambda: NOW
    )
    firsts = [int(chunk.first_entity) for chunk in made.chunks.order_by("number")]
    assert firsts == sorted(firsts)
    counts = _score(made)
    assert counts[0] > 1500
    assert counts[2:] == (0, 0)


def test_an_empty_text_is_a_key_like_any_other(batch: Batch) -> None:
    """Unquoted in a CSV it would be a null, which no primary key holds."""
    keys = {"entity": ["", "a"], "tenant": ["EWR", "EWR"], "event_time": [batch.start, batch.start]}
    chunks._predictions_in(batch, pa.table(keys), np.array([0.25, 0.5]))
    assert dict(Prediction.objects.values_list("entity", "score")) == {"": 0.25, "a": 0.5}


def test_what_a_chunk_waits_for_is_written_on_it_alone(batch: Batch) -> None:
    """Its attempt is given back; the others' are their own."""
    first, second = batch.chunks.order_by("number")[:2]
    batch.chunks.update(attempts=2, error="")
    chunks.chunk_wait(chunk_id=first.pk, reason="MLflow does not answer")
    for chunk, expected in ((first, (1, "MLflow does not answer")), (second, (2, ""))):
        chunk.refresh_from_db()
        assert (chunk.attempts, chunk.error) == expected


def test_a_batch_that_is_given_up_says_when_and_why(batch: Batch) -> None:
    """With its pending chunks; those that are done stay."""
    done, failing = batch.chunks.order_by("number")[:2]
    assert chunks.chunk_score(chunk_id=done.pk, clock=lambda: NOW)
    later = NOW + dt.timedelta(minutes=1)
    chunks.batch_fail(chunk_id=failing.pk, reason="no such version", now=later)
    batch.refresh_from_db()
    assert (batch.status, batch.error, batch.finished_at) == ("failed", "no such version", later)
    statuses = list(batch.chunks.order_by("number").values_list("status", flat=True))
    assert statuses == ["done", *["failed"] * (len(statuses) - 1)]


def test_a_score_that_is_no_finite_number_fails_the_batch(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once and with the reason: trying again gives the same number, and nothing of the chunk is stored."""
    chunks.predictor_for(batch)  # its golden rows are good
    link = objectives.scores
    monkeypatch.setattr(objectives, "scores", lambda *given: link(*given) * np.nan)
    tasks.chunk_score(batch.chunks.order_by("number")[0].pk)
    batch.refresh_from_db()
    assert batch.status == "failed"
    assert "arrival_delay gives no finite score for 100 of 100 rows" in batch.error
    assert not Prediction.objects.filter(batch=batch).exists()
