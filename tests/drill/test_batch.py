"""``kill -9`` of everything at three moments of a batch, then `make up`: every row is scored, and once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from tests.drill import batches, kills
from tests.drill.batches import Outcome
from tests.drill.conftest import Tell
from tests.live import LiveStack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]
KILLS = 3


@pytest.fixture(scope="module", autouse=True)
def _head(tell: Tell) -> Iterator[None]:
    tell(
        f"{'batch':<12} {'killed after':>12} {'done when killed':>17} {'up':>7} {'done after':>10} {'rows':>8}  checksum"
    )
    yield
    tell("")


def _ask_in_vain(live: LiveStack, key: str) -> None:
    """Ask as a client that may lose its connection."""
    with suppress(httpx.HTTPError), httpx.Client(headers=live.django.headers, timeout=60) as client:
        body = {"model": batches.MODEL, "key": key, **batches.SLICE}
        client.post(f"{live.url('django')}/api/v1/batches/", json=body)


@pytest.mark.parametrize("number", range(KILLS))
def test_killed_batch_ends_as_an_undisturbed_one(
    live: LiveStack, undisturbed: Outcome, number: int, seed: int, tell: Tell
) -> None:
    """The client asks again with its key: the same batch, every row once, every score the same."""
    chance = random.Random(f"{seed} batch {number}")
    moment = chance.uniform(number, number + 1) / KILLS * undisturbed.seconds
    key = f"killed {number} {chance.random()}"
    started = time.monotonic()
    client = threading.Thread(target=_ask_in_vain, args=(live, key))
    client.start()
    at = batches.progress(live, key)
    # A batch may go faster than the undisturbed one went: a little before its end is late enough.
    while time.monotonic() - started < moment and at[1] <= 0.85 * undisturbed.rows:
        time.sleep(0.05)
        at = batches.progress(live, key)
    moment = time.monotonic() - started
    kills.kill_everything(live)
    dead = time.monotonic()
    client.join(70)
    assert at[0] != "done"
    live.must("up")
    up = time.monotonic() - dead

    outcome = batches.finish(live, batches.ask(live, key), dead)

    assert outcome.rows == outcome.entities == undisturbed.rows
    assert outcome.figures == undisturbed.figures
    tell(
        f"{f'killed {number + 1}':<12} {moment:>10.1f} s {at[1]:>8,} {at[0]:>8} {up:>5.1f} s {outcome.seconds:>8.1f} s "
        f"{outcome.rows:>8,}  equal"
    )
