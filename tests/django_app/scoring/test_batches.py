"""Batches: every row once, whatever happens in between."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_app.contracts.usage import contract_usage
from django_app.registry.selectors import ModelVersionRef
from django_app.scoring import chunk_rows, tasks
from django_app.scoring.models import MAX_ATTEMPTS, Batch, BatchChunk, Prediction
from django_app.scoring.predictors import predictor_for
from django_app.scoring.row_selection import RowSelection
from django_app.scoring.services import batches, chunks, sweep
from django_app.tenants.models import Tenant
from hotclub.errors import RegistryNotFoundError, RegistryRefusedError

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2013, 11, 1, 12, tzinfo=dt.UTC)
DAY = dt.date(2013, 10, 20)


def _clock() -> dt.datetime:
    return NOW


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 100 rows, so that a day has several."""
    chunks = chunk_rows.chunks
    monkeypatch.setattr(chunk_rows, "chunks", lambda entities: chunks(entities, 100))


def _create(
    ref: ModelVersionRef, key: str | None = "k", tenant: str | None = "EWR", day: dt.date = DAY
) -> Batch:
    batch, _ = batches.batch_create(
        version=ref,
        rows=RowSelection.of_day(day, ref.contract),
        tenant=Tenant.objects.get(pk=tenant) if tenant else None,
        key=key,
        user=None,
        clock=_clock,
    )
    return batch


def _score(batch: Batch) -> None:
    for chunk in batch.chunks.all():
        chunks.chunk_score(chunk_id=chunk.pk, clock=_clock)
    batch.refresh_from_db()


def _rows(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def test_a_batch_scores_every_row_of_its_slice(ref: ModelVersionRef) -> None:
    """Each row of the tenant's day has one prediction, and it is the predictor's own answer."""
    batch = _create(ref)
    _score(batch)
    slice_rows = _rows(
        f"SELECT entity::text, event_time FROM {ref.contract.view}"
        " WHERE tenant = 'EWR' AND event_time >= %s AND event_time < %s ORDER BY entity::text",
        batch.start,
        batch.end,
    )
    predictions = Prediction.objects.filter(batch=batch).order_by("entity")
    assert len(slice_rows) > 200
    assert list(predictions.values_list("entity", "event_time")) == slice_rows
    assert (batch.status, batch.rows_done, batch.rows_total) == ("done", len(slice_rows), len(slice_rows))
    assert set(predictions.values_list("tenant", flat=True)) == {"EWR"}

    entity = predictions[0].entity
    columns = ", ".join(f'"{name}"' for name in ref.contract.feature_names)
    (values,) = _rows(f"SELECT {columns} FROM {ref.contract.view} WHERE entity = %s", int(entity))
    row = dict(zip(ref.contract.feature_names, values, strict=True))
    assert predictions[0].score == predictor_for(batch).predict_rows([row]).scores[0]


def test_cancelled_flights_are_scored_too(ref: ModelVersionRef) -> None:
    """A batch over every tenant has as many rows as there are flights, cancelled ones among them."""
    batch = _create(ref, tenant=None)
    assert (
        batch.rows_total
        == _rows(
            "SELECT count(*) FROM flights_flight WHERE scheduled_departure >= %s AND scheduled_departure < %s",
            batch.start,
            batch.end,
        )[0][0]
    )


def test_the_same_key_is_the_same_batch(ref: ModelVersionRef) -> None:
    """A retry finds what the first attempt made; the key for another day is refused."""
    first = _create(ref)
    assert _create(ref).pk == first.pk
    assert Batch.objects.count() == 1
    with pytest.raises(batches.KeyConflictError, match=str(first.pk)):
        _create(ref, day=dt.date(2013, 10, 21))


def test_a_batch_over_all_tenants_has_keys_too(ref: ModelVersionRef) -> None:
    """A null tenant does not make keys distinct."""
    assert _create(ref, tenant=None).pk == _create(ref, tenant=None).pk


def test_an_empty_slice_is_done_at_once(ref: ModelVersionRef) -> None:
    """A day without flights is a batch of no rows, and it is done."""
    batch = _create(ref, day=dt.date(2014, 6, 1))
    assert (batch.status, batch.rows_total, batch.chunks.count()) == ("done", 0, 0)


def test_a_chunk_delivered_twice_is_scored_once(ref: ModelVersionRef) -> None:
    """The second task finds the chunk done, and the count of rows does not move."""
    batch = _create(ref)
    _score(batch)
    before = batch.rows_done
    assert chunks.chunk_score(chunk_id=batch.chunks.first().pk, clock=_clock) is False
    batch.refresh_from_db()
    assert batch.rows_done == before


def test_chunks_skip_locked_chunks_and_nothing_else(ref: ModelVersionRef) -> None:
    """No statement that skips what is locked locks the batch too: a chunk that begins while another ends is scored."""
    batch = _create(ref)
    with CaptureQueriesContext(connection) as statements:
        assert chunks.chunk_score(chunk_id=batch.chunks.first().pk, clock=_clock)
    skipping = [text for s in statements if (text := str(s["sql"])).endswith("SKIP LOCKED")]
    assert len(skipping) == 2
    assert all(s.endswith('FOR UPDATE OF "scoring_batchchunk" SKIP LOCKED') for s in skipping)


def test_a_crash_between_writing_and_commit_resumes(
    ref: ModelVersionRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies after the predictions are written and before the commit leaves nothing half done."""
    batch = _create(ref)
    first, *rest = batch.chunks.all()
    with monkeypatch.context() as dying:
        dying.setattr(chunks, "_batch_progress", lambda **_: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            chunks.chunk_score(chunk_id=first.pk, clock=_clock)
    first.refresh_from_db()
    assert (first.status, first.attempts) == ("pending", 1)
    assert not Prediction.objects.filter(batch=batch).exists()
    assert rest
    _score(batch)
    assert (batch.status, batch.rows_done) == ("done", batch.rows_total)
    assert Prediction.objects.filter(batch=batch).count() == batch.rows_total


def test_the_sweep_finds_lost_chunks_within_a_minute(
    ref: ModelVersionRef, sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    """Chunks whose tasks a dead broker dropped are enqueued again, each once per sweep's patience."""
    batch = _create(ref)
    for seconds, expected in ((20, 0), (40, batch.chunks.count()), (50, 0)):
        sent.clear()
        with django_capture_on_commit_callbacks(execute=True):
            sweep.scoring_sweep(now=NOW + dt.timedelta(seconds=seconds))
        assert len(sent) == expected


def test_new_chunks_are_sent_after_commit(
    ref: ModelVersionRef, sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    """Nothing is sent before the batch is committed; then every chunk is."""
    with django_capture_on_commit_callbacks(execute=True):
        batch = _create(ref)
        assert sent == []
    assert sorted(sent) == sorted(("scoring.tasks.chunk_score", (c.pk,)) for c in batch.chunks.all())


def test_a_dead_broker_loses_nothing(
    ref: ModelVersionRef, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    """The batch is accepted although nothing could be sent."""
    from celery import Celery
    from kombu.exceptions import OperationalError

    monkeypatch.setattr(Celery, "send_task", lambda *_, **__: (_ for _ in ()).throw(OperationalError("down")))
    with django_capture_on_commit_callbacks(execute=True):
        batch = _create(ref)
    assert Batch.objects.filter(pk=batch.pk, status="pending").exists()


def test_an_altered_package_fails_the_batch_with_the_reason(ref: ModelVersionRef, settings: Any) -> None:
    """The package of the batch's version is not there and cannot be downloaded: the batch fails, or waits, but never scores."""
    batch = _create(ref)
    Batch.objects.filter(pk=batch.pk).update(package_digest="not a digest")
    tasks.chunk_score(batch.chunks.first().pk)
    batch.refresh_from_db()
    assert batch.status == "failed"
    assert "not a sha256" in batch.error
    assert not batch.chunks.exclude(status=BatchChunk.Status.FAILED).exists()


def test_a_registry_that_is_down_is_waited_for(ref: ModelVersionRef, settings: Any) -> None:
    """Without its package and without MLflow a chunk stays pending with the reason, however long that takes."""
    batch = _create(ref)
    settings.HOTCLUB_MLFLOW_URL = "http://127.0.0.1:9"
    settings.HOTCLUB_CACHE = Path(settings.HOTCLUB_CACHE) / "empty"
    chunk = batch.chunks.first()
    for _ in range(MAX_ATTEMPTS + 1):
        tasks.chunk_score(chunk.pk)
        chunk.refresh_from_db()
        assert (chunk.status, chunk.attempts) == ("pending", 0)
    assert "does not answer" in chunk.error


@pytest.mark.parametrize(
    "error",
    [
        OSError("no space left on device"),
        RegistryNotFoundError("no such version"),
        RegistryRefusedError("MLflow answered 403"),
    ],
)
def test_an_unforeseen_error_is_told_and_counted(
    ref: ModelVersionRef, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """Each attempt leaves its reason, and the batch that fails at the limit has it too."""
    batch = _create(ref)
    chunk = batch.chunks.first()

    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(chunks, "predictor_for", fail)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        tasks.chunk_score(chunk.pk)
        chunk.refresh_from_db()
        assert (chunk.status, chunk.attempts) == ("pending", attempt)
        assert str(error) in chunk.error
    assert "chunk not scored" in caplog.text
    tasks.chunk_score(chunk.pk)
    batch.refresh_from_db()
    assert batch.status == "failed"
    assert batch.error.startswith(f"begun {MAX_ATTEMPTS} times and never finished: ")
    assert str(error) in batch.error


def test_a_chunk_whose_workers_were_killed_says_so(ref: ModelVersionRef) -> None:
    """Attempts that ended without a word give a reason that is not empty."""
    batch = _create(ref)
    chunk = batch.chunks.first()
    batch.chunks.filter(pk=chunk.pk).update(attempts=MAX_ATTEMPTS)
    tasks.chunk_score(chunk.pk)
    batch.refresh_from_db()
    assert "killed" in batch.error


def test_unfinished_batches_keep_their_view(ref: ModelVersionRef) -> None:
    """Migrate asks which contract versions are in use: those of unfinished batches are, without any alias."""
    batch = _create(ref)
    assert "unfinished batch" in contract_usage(fresh=False).reasons[ref.contract.fingerprint]
    _score(batch)
    assert ref.contract.fingerprint not in contract_usage(fresh=False).reasons
