"""What stands after the first `up`."""

from __future__ import annotations

import datetime as dt

import psycopg
import pytest

from hotclub import days, names
from tests.live import OWN_BATCH, LiveStack

pytestmark = pytest.mark.e2e
MODELS = ("arrival_delay", "arrival_minutes")


def test_up_prints_results_and_the_way_on(live: LiveStack) -> None:
    """The first `up` ends with metrics beside baselines, scores beside outcomes, an answer, URLs and what to try next."""
    for words in (
        "arrival_delay version 1", "roc_auc", "mean_by_carrier_hour", "arrival_minutes version 1", "rmse",
        "Batch scores for 2013-11-01", live.url("mlflow"), live.url("serving"), "passwords.txt", "make deliver DAY=2013-11-02",
    ):  # fmt: skip
        assert words in live.output, words


def test_second_up_finds_it_running(live: LiveStack) -> None:
    """`up` on a running stack starts nothing and repeats none of the first day's steps."""
    output = live.must("up")
    assert "Already running" in output
    for step in ("history", "training", "schedule"):
        assert f"  {step} " not in output


def test_deliveries_of_every_airport_were_loaded(live: LiveStack) -> None:
    """Both files of each of the three airports went through checks and load, with unknown references as warnings."""
    deliveries = list(live.pages("/deliveries/"))
    assert {(d["source"], d["tenant"], d["status"]) for d in deliveries} == {
        (source, tenant, "loaded")
        for source in ("flight_schedule", "flight_outcome")
        for tenant in ("EWR", "JFK", "LGA")
    }
    assert all(d["rows_loaded"] > 100 for d in deliveries)


def test_every_scheduled_flight_has_one_score_per_model(live: LiveStack) -> None:
    """As many scores as flights on that day, each flight once, all by version 1."""
    start, end = days.day_interval(dt.date(2013, 11, 1), "America/New_York")
    with psycopg.connect(live.stack.role_url(names.ROLE_APP)) as connection:
        (flights,) = connection.execute(
            "SELECT count(*) FROM flights_flight WHERE scheduled_departure >= %s AND scheduled_departure < %s",
            [start, end],
        ).fetchone() or (0,)
    assert flights > 900
    for model in MODELS:
        every = [b for b in live.pages("/batches/") if b["model"] == model]
        batches = [b for b in every if not b["key"].startswith(OWN_BATCH)]
        assert {b["model_version"] for b in batches} == {"1"}
        entities = [
            r["entity"] for b in batches for r in live.pages(f"/batches/{b['id']}/results/", page_size=1000)
        ]
        assert len(entities) == len(set(entities)) == flights


def test_status_lists_every_service(live: LiveStack) -> None:
    """Every service runs, with memory and addresses."""
    output = live.must("status")
    for service in (
        "postgres",
        "redis",
        "mlflow",
        "airflow-scheduler",
        "django",
        "worker",
        "beat",
        "serving",
    ):
        assert service in output
    assert "FATAL" not in output
    assert "STOPPED" not in output
