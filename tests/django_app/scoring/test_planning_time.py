"""Finding a batch's rows has a time limit: a clear error and no batch, never a caller who gave up and a part of one."""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from psycopg import sql

from django_app.registry.selectors import ModelVersionRef
from django_app.scoring import chunk_rows
from django_app.scoring.models import Batch
from django_app.scoring.services import batches
from django_app.statement_time import is_statement_timeout, statement_time_limit
from hotclub import names
from tests.conftest import ROOT, Database
from tests.django_app.scoring.flight_length import made, post_batch

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

Make = Callable[..., ModelVersionRef]
SHORT = dt.timedelta(milliseconds=50)


def _timeout() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        return str(cursor.fetchone()[0])


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding rows takes 20 s."""
    monkeypatch.setattr(chunk_rows, "_where", lambda _: sql.SQL("(SELECT true FROM pg_sleep(20))"))


@pytest.mark.usefixtures("slow")
def test_too_long_is_an_error_and_no_batch(timeless: Make, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, which Airflow tries again, with what was asked for and what helps; the key is free."""
    timeless()
    monkeypatch.setattr(
        batches.batch_create, "__kwdefaults__", {**batches.batch_create.__kwdefaults__, "time_limit": SHORT}
    )
    answer = post_batch(api, all=True, key="k")
    assert answer.status_code == 503
    detail = answer.json()["detail"]
    assert detail.startswith(
        "finding the rows of flight_length (all) took more than 0.05 s, so no batch was made"
    )
    assert "gets its batch by itself" in detail
    assert not Batch.objects.exists()
    assert _timeout() == "0"
    monkeypatch.undo()


def test_the_limit_ends_with_the_planning(timeless: Make, api: Any) -> None:
    """What the request does afterwards has the limit from before."""
    timeless()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '77s'")
        assert made(post_batch(api, all=True)).rows_total
        assert _timeout() == "77s"


def test_it_is_less_than_a_caller_waits() -> None:
    """Airflow gives a request up after its own limit, and would not hear the reason."""
    source = (ROOT / "dags" / "django_api.py").read_text()
    found = re.search(r"^_TIMEOUT_SECONDS: Final = ([0-9.]+)$", source, re.MULTILINE)
    assert found is not None
    assert dt.timedelta(seconds=float(found[1]) - 5) > batches.TIME_LIMIT


def _sleep(limit: dt.timedelta, before: Callable[[], None] = lambda: None) -> None:
    with transaction.atomic(), statement_time_limit(limit), connection.cursor() as cursor:
        before()
        cursor.execute("SELECT pg_sleep(20)")


def test_a_statement_that_a_person_cancels_is_another_error(database: Database) -> None:
    """Its reason is not the time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()

    def cancel() -> None:
        with psycopg.connect(database.url(names.ROLE_APP), autocommit=True) as other:
            other.execute("SELECT pg_cancel_backend(%s)", [pid])

    with pytest.raises(OperationalError) as found:
        _sleep(dt.timedelta(seconds=30), threading.Timer(0.3, cancel).start)
    assert not is_statement_timeout(found.value)
    with pytest.raises(OperationalError) as found:
        _sleep(SHORT)
    assert is_statement_timeout(found.value)
