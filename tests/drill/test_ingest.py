"""``kill -9`` of everything at three moments of an ingest, then `make up`: as if nothing had been."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.drill import ingests, kills
from tests.drill.conftest import DAYS, Tell
from tests.live import LiveStack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

#: What is killed of which day. Schedules are scored when they are loaded; what was flown is not.
KILLED = {DAYS[2]: "schedule", DAYS[3]: "flown", DAYS[4]: "schedule"}
#: Moments come from this much of the time until everything is loaded: the last may hit scoring.
SPAN = 1.2


@pytest.fixture(scope="module", autouse=True)
def _head(tell: Tell) -> Iterator[None]:
    tell(
        f"{'ingest':<21} {'killed after':>12} {'processes':>9} {'up':>7} {'loaded':>8} {'through':>8} "
        f"{'flights':>8} {'scores':>6}  checksums"
    )
    yield
    tell("")


def _require(live: LiveStack, reference: dict[str, Any], day: Any, kind: str) -> str:
    """Require the undisturbed run's rows; return the end of a line of the table."""
    rows = ingests.require_equal(live, reference, day, kind)["flights_flight"].rows
    scores = f"{ingests.require_scored_once(live, day):,}" if kind == "schedule" else ""
    return f"{rows:>8,} {scores:>6}  equal"


@pytest.fixture(scope="module")
def durations(live: LiveStack, reference: dict[str, Any], tell: Tell) -> dict[str, ingests.Durations]:
    """How long an undisturbed day takes, by kind."""
    ingests.require_equal(live, reference, DAYS[0], "flown")
    found = {}
    for kind in ingests.SOURCES:
        took = found[kind] = ingests.undisturbed(live, DAYS[1], kind)
        tell(
            f"{DAYS[1]} {kind:<10} {'-':>12} {'':>9} {'':>7} {took.loaded:>6.1f} s {took.through:>6.1f} s "
            + _require(live, reference, DAYS[1], kind)
        )
    return found


@pytest.mark.parametrize("number", range(len(KILLED)))
def test_killed_ingest_ends_as_an_undisturbed_one(
    live: LiveStack,
    reference: dict[str, Any],
    durations: dict[str, ingests.Durations],
    number: int,
    seed: int,
    tell: Tell,
) -> None:
    """Flights, histories, deliveries with their counts, scores: equal; nothing is staged, nothing scored twice."""
    day, killed = list(KILLED.items())[number]
    ingests.deliver_missing(live, DAYS[: DAYS.index(day)])
    for kind, undisturbed in durations.items():
        if kind != killed:
            ingests.undisturbed(live, day, kind)
            ingests.require_equal(live, reference, day, kind)
            continue
        # One moment in each third, so that three moments are not by chance all at the beginning.
        share = random.Random(f"{seed} ingest {number}").uniform(number, number + 1) / len(KILLED)
        moment = share * SPAN * undisturbed.loaded
        ingests.land(live, day, kind)
        time.sleep(moment)
        left = ingests.told(ingests.left(live, day, kind))
        processes = kills.kill_everything(live)
        dead = time.monotonic()
        live.must("up")
        up = time.monotonic() - dead
        took = ingests.settle(live, day, kind)
        tell(
            f"{day} {kind:<10} {moment:>10.1f} s {processes:>9} {up:>5.1f} s {up + took.loaded:>6.1f} s "
            f"{up + took.through:>6.1f} s {_require(live, reference, day, kind)}; left when killed: {left}"
        )
