"""A day's files of one kind through the stack, and what has to hold when they are through."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

from hotclub import days, names
from hotclub.airflow_rest import RUN_ENDED
from hotclub.statuses import BATCH_FINAL, DELIVERY_FINAL
from tests.drill import batches, figures
from tests.drill.reference import step_name
from tests.live import LiveStack, wait_until

SOURCES: Final = {"schedule": "flight_schedule", "flown": "flight_outcome"}
TENANTS: Final = ("EWR", "JFK", "LGA")
MODELS: Final = ("arrival_delay", "arrival_minutes")
_DELIVERY: Final = "delivery "
_SECONDS: Final = 420


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds until every delivery was loaded, and until nothing was left to do: runs, tables, batches."""

    loaded: float
    through: float


def land(live: LiveStack, day: dt.date, kind: str) -> None:
    """Put the three airports' files where they land."""
    live.must("manage", "land", day.isoformat(), "--kind", kind)


def left(live: LiveStack, day: dt.date, kind: str) -> Counter[str]:
    """Return what is still to be done for a day's files of one kind, counted by what it is."""
    source = SOURCES[kind]
    with batches.database(live) as connection:
        found = connection.execute(
            "SELECT tenant_id, status FROM ingest_delivery WHERE source = %s AND day = %s",
            [source, day],
        )
        statuses = dict(found.fetchall())
        scored = figures.day_batches(connection, day)
        staged = figures.staged(connection)
    waiting = Counter(_DELIVERY + statuses.get(tenant, "not found") for tenant in TENANTS)
    for status in DELIVERY_FINAL:
        waiting.pop(_DELIVERY + status, None)
    dags = [names.ingest_dag_id(source)]
    if kind == "schedule":
        dags += [names.score_dag_id(model) for model in MODELS]
        done = {(model, tenant) for _, model, tenant, status, _ in scored if status in BATCH_FINAL}
        waiting["batch"] = len(MODELS) * len(TENANTS) - len(done)
    waiting["DAG run"] = sum(run["state"] not in RUN_ENDED for dag in dags for run in live.airflow.runs(dag))
    waiting["staging table or view"] = len(staged)
    return +waiting


def told(waiting: Counter[str]) -> str:
    """Return a line of what is left."""
    return ", ".join(f"{count} {what}" for what, count in waiting.items()) or "nothing"


def settle(live: LiveStack, day: dt.date, kind: str) -> Durations:
    """Wait until nothing is left to do."""
    started = time.monotonic()
    loaded: list[float] = []
    last: Counter[str] = Counter()

    def settled() -> bool:
        last.clear()
        last.update(left(live, day, kind))
        if not loaded and not any(what.startswith(_DELIVERY) for what in last):
            loaded.append(time.monotonic() - started)
        return not last

    try:
        wait_until(f"{step_name(day, kind)} to be through", settled, _SECONDS, every=0.5)
    except AssertionError as error:
        raise AssertionError(f"{error}; left: {told(last)}") from error
    return Durations(loaded[0], time.monotonic() - started)


def undisturbed(live: LiveStack, day: dt.date, kind: str) -> Durations:
    """Let a day's files of one kind through."""
    land(live, day, kind)
    return settle(live, day, kind)


def deliver_missing(live: LiveStack, wanted: Iterable[dt.date]) -> None:
    """Let those of some days through that were not delivered yet: the figures of a day build on those before."""
    for day in wanted:
        for kind in SOURCES:
            if any("not found" in what for what in left(live, day, kind)):
                undisturbed(live, day, kind)


def require_equal(
    live: LiveStack, reference: dict[str, Any], day: dt.date, kind: str
) -> dict[str, figures.Figures]:
    """Require every table to be what it is after the same step of the undisturbed run; return the figures."""
    expected = reference[step_name(day, kind)]
    with batches.database(live) as connection:
        deliveries = figures.deliveries(connection, day)
        tables = figures.tables(connection)
        assert figures.staged(connection) == []
    assert deliveries == expected["deliveries"]
    assert {name: asdict(value) for name, value in tables.items()} == expected["tables"]
    return tables


def require_scored_once(live: LiveStack, day: dt.date) -> int:
    """Require one batch for each model and tenant, with one score for each flight; return the number of scores.

    The scores are those of another batch over the same rows, which nothing disturbs.
    """
    with batches.database(live) as connection:
        found = figures.day_batches(connection, day)
        flights = dict(
            connection.execute(
                "SELECT origin_id, count(*) FROM flights_flight"
                " WHERE (scheduled_departure AT TIME ZONE 'America/New_York')::date = %s GROUP BY origin_id",
                [day],
            ).fetchall()
        )
    assert [(model, tenant, status) for _, model, tenant, status, _ in found] == [
        (model, tenant, "done") for model in MODELS for tenant in TENANTS
    ]
    rows = 0
    for batch, model, tenant, _, total in found:
        again = batches.run(
            live, f"undisturbed {day} {model} {tenant}", model=model, tenant=tenant, **_day(day)
        )
        with batches.database(live) as connection:
            assert figures.predictions(connection, batch) == again.figures
        assert total == again.rows == again.entities == flights[tenant]
        rows += total
    return rows


def _day(day: dt.date) -> dict[str, str]:
    start, end = days.day_interval(day, "America/New_York")
    return {"start": start.isoformat(), "end": end.isoformat()}
