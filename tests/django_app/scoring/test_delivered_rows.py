"""A model whose rows have no time: a partition scores the rows that were delivered in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from django_app.flights.models import Flight
from django_app.ingest.models import Delivery, LoadedKeys
from django_app.scoring.models import Batch
from django_app.scoring.services import reconcile
from tests.django_app.scoring.conftest import DELIVERED, LAST_NUMBER
from tests.django_app.scoring.flight_length import (
    NOW,
    Load,
    Make,
    clock,
    entities_of,
    keys_of,
    made,
    post_batch,
    scored,
)

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


class TestDelivered:
    """A partition scores the rows that were delivered in it."""

    def _ask(self, api: Any, partition: str = "EWR.2013-11-01", **changes: Any) -> Any:
        return post_batch(api, partition=partition, key="run", **changes)

    def test_those_rows_and_no_others(self, timeless: Make, api: Any, load: Load) -> None:
        """New rows and rows that were there; not those of the day of another delivery, or of another day's."""
        timeless()
        load(9, day=DELIVERED - dt.timedelta(days=1))
        load(1, 2, 3)
        batch = scored(made(self._ask(api)))
        wanted = keys_of(scheduled_departure__date=DELIVERED, number__in=(1, 2, 3), carrier="UA")
        assert len(wanted) == 3
        assert entities_of(batch) == wanted
        assert (batch.rows_of, batch.day, batch.tenant_id, batch.rows_total) == (
            "entities",
            DELIVERED,
            "EWR",
            3,
        )
        assert batch.summary == "3 rows delivered, 3 scored, 0 not found among the model's rows of EWR"
        assert str(batch) == "flight_length EWR delivered for 2013-11-01"

    def test_rows_that_are_none_of_the_models_are_counted(self, timeless: Make, api: Any, load: Load) -> None:
        """Left out by the model's queryset, or gone since the load: never silently fewer."""
        timeless()
        load(1, 2, LAST_NUMBER + 1)
        Flight.objects.filter(number=2, scheduled_departure__date=DELIVERED).delete()
        batch = scored(made(self._ask(api)))
        assert (batch.rows_total, batch.rows_done, batch.rows_vanished) == (3, 1, 2)
        assert batch.summary == "3 rows delivered, 1 scored, 2 not found among the model's rows of EWR"

    def test_none_of_them_is_one_of_the_models(self, timeless: Make, api: Any, load: Load) -> None:
        """Done at once, with the number."""
        timeless()
        load(LAST_NUMBER + 1)
        batch = made(self._ask(api))
        assert (batch.status, batch.rows_total, batch.rows_vanished) == ("done", 1, 1)

    def test_of_a_correction_its_own_rows(self, timeless: Make, api: Any, load: Load) -> None:
        """The newest file of the day decides which rows were delivered."""
        timeless()
        load(1, 2)
        first = made(self._ask(api))
        load(2, 3, minutes=1)
        second = scored(made(self._ask(api)))
        assert second.pk != first.pk
        assert {Flight.objects.get(pk=key).number for key in entities_of(second)} == {2, 3}

    def test_one_batch_for_each_load(self, timeless: Make, api: Any, load: Load) -> None:
        """Whoever asks, with any key, and although a row went meanwhile; it is the run's and the sweep's."""
        timeless()
        load(1, 2)
        first = self._ask(api)
        Flight.objects.filter(number=1, scheduled_departure__date=DELIVERED).delete()
        again = post_batch(api, partition="EWR.2013-11-01", key="another")
        assert (first.status_code, again.status_code, again.json()["id"]) == (202, 200, first.json()["id"])

    def test_the_sweep_asks_for_the_same_batch(self, timeless: Make, api: Any, load: Load) -> None:
        """The event was lost: ten minutes later the batch is made, once, and a late run gets it."""
        timeless()
        load(1, 2, minutes=-11)
        assert reconcile.loaded_days_score(clock=clock) == 1
        assert reconcile.loaded_days_score(clock=clock) == 0
        batch = Batch.objects.get()
        assert (batch.rows_of, batch.rows_total, batch.day) == ("entities", 2, DELIVERED)
        assert made(self._ask(api)).pk == batch.pk
        assert len(entities_of(scored(batch))) == 2

    def test_after_the_run_the_sweep_makes_none(self, timeless: Make, api: Any, load: Load) -> None:
        """The day has been scored since."""
        timeless()
        load(1, minutes=-11)
        batch = made(self._ask(api))
        Batch.objects.filter(pk=batch.pk).update(created_at=NOW)
        assert reconcile.loaded_days_score(clock=clock) == 0

    def test_keys_that_are_gone_are_told(
        self, timeless: Make, api: Any, load: Load, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Which rows were delivered is not guessed: 409 with what to do, and the sweep says so, too."""
        timeless()
        delivery = load(1, 2, minutes=-11)
        LoadedKeys.objects.all().delete()
        answer = self._ask(api)
        assert answer.status_code == 409
        assert f"which rows delivery {delivery.pk} loaded is not known any more" in answer.json()["detail"]
        assert reconcile.loaded_days_score(clock=clock) == 0
        assert "loaded day not scored" in caplog.text
        assert not Batch.objects.exists()

    def test_nothing_is_loaded(self, timeless: Make, api: Any, load: Load) -> None:
        """Of that day, or of that tenant."""
        timeless()
        load(1)
        for partition, words in (
            ("JFK.2013-11-01", "nothing of flight_schedule of JFK is loaded for 2013-11-01"),
            ("EWR.2013-11-02", "nothing of flight_schedule of EWR is loaded for 2013-11-02"),
        ):
            answer = self._ask(api, partition)
            assert answer.status_code == 409
            assert words in answer.json()["detail"]

    def test_a_model_without_tenants_takes_what_every_tenant_delivered(
        self, timeless: Make, api: Any, load: Load
    ) -> None:
        """One batch for the day; each tenant's newest file counts."""
        timeless(tenant_path=None)
        load(1, 2)
        load(2, 3, minutes=1)
        load(4, origin="JFK", minutes=2)
        batch = made(self._ask(api))
        assert made(self._ask(api, "JFK.2013-11-01")).pk == batch.pk
        scored(batch)
        assert {Flight.objects.get(pk=key).number for key in entities_of(batch)} == {2, 3, 4}
        assert batch.tenant is None

    def test_a_source_of_other_rows(self, timeless: Make, api: Any, load: Load) -> None:
        """Makecontracts refuses it; a contract that says so all the same scores nothing."""
        timeless(django_model="flights.Airport")
        load(1)
        answer = self._ask(api)
        assert answer.status_code == 409
        assert (
            "flight_schedule loads flights.Flight, and rows of flight_length are flights.Airport"
            in (answer.json()["detail"])
        )

    def test_a_model_that_follows_no_source(self, timeless: Make, api: Any) -> None:
        """No partition has rows of it."""
        timeless(score_on=None)
        answer = self._ask(api)
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["field"]) == (422, "partition")
        assert "follows no source" in error["message"]


class TestSourceWithoutTenants:
    """Files of a source without tenants are nobody's own; their partition is the day alone."""

    @pytest.fixture
    def shared(self, load: Load) -> Callable[..., None]:
        """A function that loads flights as a delivery of no tenant."""

        def go(*numbers: int, **how: Any) -> None:
            Delivery.objects.filter(pk=load(*numbers, **how).pk).update(tenant=None)

        return go

    def test_a_model_without_tenants(self, timeless: Make, api: Any, shared: Callable[..., None]) -> None:
        """The day alone names what was delivered; the run and the sweep have one batch."""
        timeless(tenant_path=None)
        shared(1, 2, minutes=-11)
        batch = made(post_batch(api, partition="2013-11-01", key="run"))
        assert (batch.tenant, batch.day, batch.rows_total) == (None, DELIVERED, 2)
        Batch.objects.all().delete()
        assert reconcile.loaded_days_score(clock=clock) == 1
        assert Batch.objects.get().key == batch.key

    def test_a_model_with_tenants(self, timeless: Make, api: Any, shared: Callable[..., None]) -> None:
        """Such a file may have rows of each: one batch over every tenant."""
        timeless()
        shared(1, minutes=-11)
        shared(2, origin="JFK", day=DELIVERED + dt.timedelta(days=1), minutes=-11)
        batch = scored(made(post_batch(api, partition="2013-11-01", key="run")))
        assert (batch.tenant, batch.rows_done) == (None, 1)
        # The first day has its batch.
        assert reconcile.loaded_days_score(clock=clock) == 1
        assert set(Batch.objects.values_list("tenant", "day")) == {
            (None, DELIVERED),
            (None, DELIVERED + dt.timedelta(days=1)),
        }

    def test_only_for_those_who_may_act_for_every_tenant(
        self, timeless: Make, api: Any, shared: Callable[..., None]
    ) -> None:
        """A data owner of one tenant may not ask for everybody's rows by a day."""
        timeless()
        shared(1)
        answer = post_batch(api, "owner", partition="2013-11-01")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "tenant")

    def test_a_later_file_of_no_tenant_is_waited_for(
        self, timeless: Make, shared: Callable[..., None], load: Load
    ) -> None:
        """It was just loaded, and may have rows of this tenant: its run is about to ask."""
        timeless()
        load(1, minutes=-20)
        shared(2, origin="JFK", minutes=-5)
        assert reconcile.loaded_days_score(clock=clock) == 0
