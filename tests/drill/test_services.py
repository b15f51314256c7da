"""``kill -9`` of any one service: it is back within a minute. Of the supervisor: `make up` ends the orphans."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.drill import batches, ingests, kills
from tests.drill.batches import Outcome
from tests.drill.conftest import DAYS, Tell
from tests.live import LiveStack, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

#: The issue's own bound, s.
BOUND = 60
SERVICES = (
    "postgres",
    "redis",
    "mlflow",
    "checks",
    "airflow-api",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
    "django",
    "worker",
    "beat",
    "serving",
)


@pytest.fixture(scope="module", autouse=True)
def _head(tell: Tell) -> Iterator[None]:
    tell(f"{'kill -9 of':<24} {'back after s':>12}  {'all healthy after s':>19}")
    yield
    tell("")


def test_every_service_is_drilled(live: LiveStack) -> None:
    """The list below is the stack's."""
    assert sorted(SERVICES) == sorted(service.name for service in kills.definitions(live))


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_back(live: LiveStack, name: str, tell: Tell) -> None:
    """Its first process is killed: another one does its work within a minute, and the others are well."""
    kills.wait_until_all_healthy(live)
    service = next(s for s in kills.definitions(live) if s.name == name)
    old = kills.pids(live)[name]
    since, started = dt.datetime.now(dt.UTC), time.monotonic()
    assert kills.kill([psutil.Process(old)]) == 1

    wait_until(
        f"another {name}",
        lambda: kills.pids(live)[name] not in (0, old) and kills.healthy(live, service, since),
        BOUND,
    )
    if name in ("worker", "beat"):
        wait_until(f"{name} to find what has landed", _finder(live), BOUND - (time.monotonic() - started))
    back = time.monotonic() - started
    kills.wait_until_all_healthy(live, BOUND, since)
    tell(f"{name:<24} {back:>12.1f}  {time.monotonic() - started:>19.1f}")


def _finder(live: LiveStack) -> Any:
    """Land a file that was delivered before; return whether beat and worker have taken it away again."""
    with batches.database(live) as connection:
        row = connection.execute(
            "SELECT source, tenant_id, day, archive_path FROM ingest_delivery"
            " WHERE status = 'loaded' ORDER BY landed_at LIMIT 1"
        ).fetchone()
    assert row is not None
    source, tenant, day, archived = row
    path = live.stack.home.landing / source / tenant / f"{day}.csv"
    partial = path.with_suffix(".part")
    partial.write_bytes(Path(archived).read_bytes())
    partial.replace(path)
    return lambda: not path.exists()


def test_workers_child_in_a_batch(live: LiveStack, undisturbed: Outcome, seed: int, tell: Tell) -> None:
    """A process that scores is killed: the batch ends as if nothing had been."""
    chance = random.Random(f"{seed} child")
    key = f"child {chance.random()}"
    started = time.monotonic()
    batch = batches.ask(live, key)
    wait_until("the first chunk", lambda: batches.progress(live, key)[1], 60)
    children = psutil.Process(kills.pids(live)["worker"]).children()
    assert kills.kill([chance.choice(children)]) == 1
    at = batches.progress(live, key)
    assert at[0] == "running"

    outcome = batches.finish(live, batch, started)

    assert outcome.figures == undisturbed.figures
    tell(
        f"{'a process of worker':<24} {'':>12}  batch done after {outcome.seconds:.1f} s, {outcome.rows:,} rows, checksum equal"
    )


def test_supervisor(live: LiveStack, tell: Tell) -> None:
    """Its death leaves orphans: they work on, `status` counts them, `up` ends them and starts anew."""
    kills.wait_until_all_healthy(live)
    before = kills.members(live)
    supervisord = next(p for p in before if p.pid == psutil.Process(kills.pids(live)["django"]).ppid())
    started = time.monotonic()
    assert kills.kill([supervisord]) == 1
    supervisord.wait(10)
    orphans = kills.members(live)
    assert len(orphans) > len(SERVICES)
    assert live.django.get("/contracts/").status_code == 200
    told = live.launcher("status")
    assert told.returncode == 3
    assert "of an earlier run will be ended" in told.stdout

    out = live.must("up")

    kills.wait_until_all_healthy(live)
    assert "leftovers ended" in out
    assert [p for p in before if kills.alive(p)] == []
    tell(
        f"{'supervisord':<24} {time.monotonic() - started:>12.1f}  {len(orphans)} orphans ended, none of them left"
    )


def test_everything_still_works(live: LiveStack, reference: dict[str, Any], tell: Tell) -> None:
    """After all these kills a day goes through every part, as it does undisturbed."""
    ingests.deliver_missing(live, DAYS[:-1])
    for kind in ("schedule", "flown"):
        seconds = ingests.undisturbed(live, DAYS[-1], kind).through
        ingests.require_equal(live, reference, DAYS[-1], kind)
        tell(f"{DAYS[-1]} {kind:<13} {seconds:>12.1f}  loaded, equal to the undisturbed run")
    with batches.database(live) as connection:
        row = connection.execute("SELECT max(id) FROM flights_flight").fetchone()
    assert row is not None
    answer = live.endpoint.post(f"/models/{batches.MODEL}/predict", json={"entities": [str(row[0])]})
    assert answer.status_code == 200, answer.text
