"""A wide batch, started through the API, and what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from hotclub import statuses
from stack import database_roles
from tests.drill import figures
from tests.live import LiveStack, wait_until

MODEL: Final = "arrival_delay"
#: Every flight of the history, midnight to midnight in New York: more than twenty chunks.
SLICE: Final = {"start": "2013-06-15T00:00:00-04:00", "end": "2013-11-01T00:00:00-04:00"}
_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """A batch that is done.

    Attributes:
        seconds: from the request to the end.
    """

    id: str
    rows: int
    entities: int
    figures: figures.Figures
    seconds: float


def database(live: LiveStack) -> psycopg.Connection:
    """Return an administrator's connection to Hotclub's database."""
    return figures.connect(database_roles.database_url(live.stack.admin_url, database_roles.DATABASE))


def ask(live: LiveStack, key: str, **more: str) -> str:
    """Ask for the wide batch, as often as it takes, as a client with an idempotency key does; return its id."""
    body = {"model": MODEL, "key": key, **(more or SLICE)}

    def asked() -> Any:
        answer = live.django.post("/batches/", json=body)
        assert answer.status_code < 500 or answer.status_code == 503, answer.text
        return answer if answer.is_success else None

    return str(wait_until("the batch to be accepted", asked, 60).json()["id"])


def progress(live: LiveStack, key: str) -> tuple[str, int, int]:
    """Return status, rows done and rows in all of the batch of a key; as it is not there yet, too."""
    with database(live) as connection:
        row = connection.execute(
            "SELECT status, rows_done, rows_total FROM scoring_batch WHERE key = %s", [key]
        ).fetchone()
    return row or ("not written", 0, 0)


def finish(live: LiveStack, batch: str, started: float) -> Outcome:
    """Wait until a batch is done; return what is in it. `started` is by the monotonic clock."""
    path = f"/batches/{batch}/"
    told = wait_until(
        "the batch",
        lambda: (b := live.django.get(path).json())["status"] in statuses.BATCH_FINAL and b,
        _SECONDS,
    )
    seconds = time.monotonic() - started
    assert told["status"] == "done", told
    assert told["rows_done"] == told["rows_total"], told
    with database(live) as connection:
        row = connection.execute(
            "SELECT count(DISTINCT entity) FROM scoring_prediction WHERE batch_id = %s", [batch]
        ).fetchone()
        assert row is not None
        found = figures.predictions(connection, batch)
    assert found.rows == told["rows_total"], "rows are counted that are not there"
    return Outcome(batch, told["rows_total"], row[0], found, seconds)


def run(live: LiveStack, key: str, **more: str) -> Outcome:
    """Run a batch, the wide one without another interval, to its end."""
    started = time.monotonic()
    return finish(live, ask(live, key, **more), started)
