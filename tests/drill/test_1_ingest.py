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

#: What is landed when, and which of it is killed: everything of a day has to be through before the next.
KILLED = {DAYS[2]: "schedule", DAYS[3]: "flown", DAYS[4]: "schedule"}


@pytest.fixture(scope="module", autouse=True)
def _head(tell: Tell) -> Iterator[None]:
    tell(
        f"{'ingest':<21} {'killed after':>12} {'processes':>9} {'up':>7} {'through after':>13} "
        f"{'flights':>8} {'scores':>6}  checksums"
    )
    yield
    tell("")


@pytest.fixture(scope="module")
def durations(live: LiveStack, reference: dict[str, Any], tell: Tell) -> dict[str, float]:
    """Seconds from landing to the end of an undisturbed day, by kind."""
    ingests.require_equal(live, reference, DAYS[0], "flown")
    found = {}
    for kind in ingests.SOURCES:
        found[kind] = ingests.undisturbed(live, DAYS[1], kind)
        rows = ingests.require_equal(live, reference, DAYS[1], kind)["flights_flight"].rows
        scores = f"{ingests.require_scored_once(live, DAYS[1]):,}" if kind == "schedule" else ""
        tell(
            f"{DAYS[1]} {kind:<10} {'not':>12} {'':>9} {'':>7} {found[kind]:>11.1f} s {rows:>8,} {scores:>6}  equal"
        )
    return found


@pytest.mark.parametrize("number", range(len(KILLED)))
def test_killed_ingest_ends_as_an_undisturbed_one(
    live: LiveStack,
    reference: dict[str, Any],
    durations: dict[str, float],
    number: int,
    seed: int,
    tell: Tell,
) -> None:
    """Rows, histories, deliveries with their counts, scores: equal; nothing is staged any more, nothing scored twice."""
    day, killed = list(KILLED.items())[number]
    for kind, seconds in durations.items():
        if kind != killed:
            ingests.undisturbed(live, day, kind)
            ingests.require_equal(live, reference, day, kind)
            continue
        # One moment in each third, so that three moments are not by chance all at the beginning.
        share = random.Random(f"{seed} ingest {number}").uniform(number, number + 1) / len(KILLED)
        ingests.land(live, day, kind)
        time.sleep(share * seconds)
        left = ingests.left(live, day, kind)
        processes = kills.kill_everything(live)
        dead = time.monotonic()
        live.must("up")
        up = time.monotonic() - dead
        ingests.settle(live, day, kind)
        through = time.monotonic() - dead
        rows = ingests.require_equal(live, reference, day, kind)["flights_flight"].rows
        scores = f"{ingests.require_scored_once(live, day):,}" if kind == "schedule" else ""
        tell(
            f"{day} {kind:<10} {share * seconds:>10.1f} s {processes:>9} {up:>5.1f} s {through:>11.1f} s "
            f"{rows:>8,} {scores:>6}  equal; left when killed: {', '.join(left) or 'nothing'}"
        )
