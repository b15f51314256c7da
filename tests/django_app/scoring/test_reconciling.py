"""Days that were loaded and never scored."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import psycopg
import pytest

from django_app.ingest.models import Delivery
from django_app.registry import selectors as registry
from django_app.registry.selectors import ModelVersionRef
from django_app.scoring import selectors, tasks
from django_app.scoring.models import Batch
from django_app.scoring.row_selection import RowSelection
from django_app.scoring.services import batches, reconcile
from django_app.tenants.models import Tenant
from hotclub import names
from hotclub.errors import RegistryError
from tests.conftest import Database
from tests.django_app.scoring.conftest import CONTRACTS

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2013, 11, 1, 12, tzinfo=dt.UTC)
DAY = dt.date(2013, 10, 20)


def _clock() -> dt.datetime:
    return NOW


@pytest.fixture(autouse=True)
def _champion(ref: ModelVersionRef, monkeypatch: pytest.MonkeyPatch, sent: list[Any]) -> None:
    """arrival_delay has a champion, and no other model that follows the source has one."""

    def champion(model: str) -> ModelVersionRef:
        if model != ref.registered.model_name:
            raise registry.NoChampionError(f"{model} has no champion")
        return ref

    monkeypatch.setattr(registry, "champion", champion)


def _delivery(minutes: float = 11, tenant: str = "EWR", **changes: Any) -> Delivery:
    """A delivery that was loaded this long ago."""
    values = {
        "source": "flight_schedule", "tenant_id": tenant, "day": DAY, "sha256": f"{minutes}",
        "size_bytes": 1, "archive_path": "/nowhere", "status": "loaded",
        "finished_at": NOW - dt.timedelta(minutes=minutes),
    }  # fmt: skip
    return Delivery.objects.create(**{**values, **changes})


def _key(tenant: str = "EWR") -> str | None:
    return batches.load_key(
        source="flight_schedule",
        day=DAY,
        tenant=Tenant.objects.get(pk=tenant),
        rows=RowSelection.all_rows(),
    )


def _batch(ref: ModelVersionRef, minutes_ago: float, tenant: str | None = "EWR") -> None:
    batches.batch_create(
        version=ref,
        rows=RowSelection.of_day(DAY, ref.contract),
        tenant=Tenant.objects.get(pk=tenant) if tenant else None,
        key=f"{minutes_ago}",
        user=None,
        clock=lambda: NOW - dt.timedelta(minutes=minutes_ago),
    )


def test_a_loaded_day_without_a_batch_gets_one(ref: ModelVersionRef) -> None:
    """Its key is that of what is loaded, so that it is made once; it covers the day of the tenant."""
    _delivery()
    assert reconcile.loaded_days_score(clock=_clock) == 1
    assert reconcile.loaded_days_score(clock=_clock) == 0
    batch = Batch.objects.get()
    assert (batch.key, batch.model_name, batch.tenant_id) == (_key(), "arrival_delay", "EWR")
    assert (batch.day, batch.status) == (DAY, "pending")
    assert batch.rows_total > 200


@pytest.mark.parametrize(
    "changes",
    [
        {"minutes": 9},
        {"minutes": 2 * 24 * 60 + 1},
        {"status": "loading"},
        {"status": "rejected"},
        {"source": "another"},
    ],
)
def test_other_deliveries_are_left_alone(changes: dict[str, Any]) -> None:
    """Too new, too old, not loaded, or of a source that no model follows."""
    _delivery(**changes)
    assert reconcile.loaded_days_score(clock=_clock) == 0


@pytest.mark.parametrize(
    ("minutes_ago", "tenant", "made"), [(10, "EWR", 0), (10, None, 0), (10, "JFK", 1), (12, "EWR", 1)]
)
def test_only_a_batch_since_the_load_counts(
    ref: ModelVersionRef, minutes_ago: float, tenant: str | None, made: int
) -> None:
    """A batch of the tenant or of every tenant does; another tenant's, or one of the rows before, does not."""
    _delivery()
    _batch(ref, minutes_ago, tenant)
    assert reconcile.loaded_days_score(clock=_clock) == made


def test_two_deliveries_of_a_day_are_one_batch() -> None:
    """The rows are as the newest of them left them: one batch, under the key of both."""
    _delivery(20)
    _delivery(11)
    assert reconcile.loaded_days_score(clock=_clock) == 1
    assert Batch.objects.get().key == _key()


def test_a_day_with_a_fresh_load_waits_for_its_run() -> None:
    """The score DAG is about to ask for the newer load's batch, which has these rows too: no second batch of them."""
    _delivery(20)
    _delivery(5)
    assert reconcile.loaded_days_score(clock=_clock) == 0
    _delivery(5, "JFK")
    _delivery(20, "LGA")
    assert reconcile.loaded_days_score(clock=_clock) == 1


def test_another_load_of_the_same_delivery_is_another_batch(ref: ModelVersionRef) -> None:
    """Its rows came anew, so they are scored anew: the key counts loads, not deliveries."""
    delivery = _delivery(30)
    before = _key()
    assert reconcile.loaded_days_score(clock=_clock) == 1
    Batch.objects.update(created_at=NOW - dt.timedelta(minutes=29))
    Delivery.objects.filter(pk=delivery.pk).update(loads=2, finished_at=NOW - dt.timedelta(minutes=11))
    assert _key() != before
    assert reconcile.loaded_days_score(clock=_clock) == 1


def test_a_contract_that_cannot_be_read_stops_no_other_model(
    ref: ModelVersionRef, settings: Any, tmp_path: Path
) -> None:
    """Its own days wait for the fix; those of the others are scored."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "0001.json").write_text("{")
    settings.HOTCLUB_CONTRACTS = [tmp_path, CONTRACTS]
    _delivery()
    assert reconcile.loaded_days_score(clock=_clock) == 1


def test_a_day_that_cannot_be_cut_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error for one tenant is logged, and the next tenant's day is scored."""
    _delivery(11, "JFK")
    _delivery(12, "EWR")
    create = batches.batch_create

    def fails_for_jfk(**options: Any) -> Any:
        if options["tenant"].pk == "JFK":
            raise RuntimeError("no such view")
        return create(**options)

    monkeypatch.setattr(reconcile, "batch_create", fails_for_jfk)
    assert reconcile.loaded_days_score(clock=_clock) == 1


def test_without_the_registry_the_sweep_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow away: nothing is made and nothing raised; the next sweep asks again."""

    def away(_: str) -> ModelVersionRef:
        raise RegistryError("MLflow does not answer")

    _delivery()
    with monkeypatch.context() as outage:
        outage.setattr(registry, "champion", away)
        assert reconcile.loaded_days_score(clock=_clock) == 0
    assert reconcile.loaded_days_score(clock=_clock) == 1


def test_the_sweep_reconciles(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task that beat sends looks for such days too."""
    from django.utils import timezone

    monkeypatch.setattr(timezone, "now", lambda: NOW)
    _delivery()
    tasks.sweep()
    assert Batch.objects.count() == 1


def test_reach_and_patience_to_the_second(ref: ModelVersionRef) -> None:
    """Loaded exactly ten minutes ago: it is time. Exactly two days ago: no longer the sweep's."""
    _delivery(10, "EWR")
    _delivery(2 * 24 * 60, "JFK")
    _delivery(2 * 24 * 60 - 1 / 60, "LGA")
    found = selectors.deliveries_without_batch(
        model_name=ref.registered.model_name,
        by_tenant=True,
        source="flight_schedule",
        after=NOW - reconcile.MAX_AGE,
        before=NOW - reconcile.MIN_AGE,
    )
    assert [d.tenant_id for d in found] == ["EWR", "LGA"]


def test_a_batch_of_the_moment_of_the_load_counts(ref: ModelVersionRef) -> None:
    """Asked for in the instant in which the load committed, it read what was loaded."""
    _delivery(11)
    _batch(ref, 11)
    assert reconcile.loaded_days_score(clock=_clock) == 0


def test_one_sweep_makes_a_limited_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest come first; the rest is for the next sweep, and nothing is left at the end."""
    monkeypatch.setattr(reconcile, "MAX_BATCHES", 2)
    deliveries = [_delivery(11 + n, day=DAY + dt.timedelta(days=n)) for n in range(3)]
    assert reconcile.loaded_days_score(clock=_clock) == 2
    assert set(Batch.objects.values_list("day", flat=True)) == {d.day for d in deliveries[:2]}
    assert reconcile.loaded_days_score(clock=_clock) == 1
    assert reconcile.loaded_days_score(clock=_clock) == 0


def test_one_process_at_a_time(database: Database) -> None:
    """The rows of a large table take minutes to find, and sweeps come every 20 s: the others leave it to the first."""
    _delivery()
    lock = "hashtext('scoring.loaded_days_score')"
    with psycopg.connect(database.url(names.ROLE_APP), autocommit=True) as other:
        assert other.execute(f"SELECT pg_try_advisory_lock({lock})").fetchone() == (True,)
        assert reconcile.loaded_days_score(clock=_clock) == 0
        other.execute(f"SELECT pg_advisory_unlock({lock})")
        assert reconcile.loaded_days_score(clock=_clock) == 1
        # It is free again.
        assert other.execute(f"SELECT pg_try_advisory_lock({lock})").fetchone() == (True,)
        assert reconcile.loaded_days_score(clock=_clock) == 0


def test_finding_the_rows_may_take_longer_than_a_caller_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request waits for the sweep."""
    limits = []
    create = batches.batch_create
    monkeypatch.setattr(
        reconcile, "batch_create", lambda **given: limits.append(given["time_limit"]) or create(**given)
    )
    _delivery()
    assert reconcile.loaded_days_score(clock=_clock) == 1
    assert limits == [reconcile.TIME_LIMIT]
    assert limits[0] > batches.TIME_LIMIT
