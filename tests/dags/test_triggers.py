"""The trigger polls a real HTTP server until there is something to tell."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest


def first_event(**arguments: Any) -> dict[str, Any]:
    """Run a trigger, as the triggerer does from what was serialised, and return its only event."""
    from airflow.sdk._shared.module_loading import import_string

    from dags.triggers import DjangoStatusTrigger

    name, kwargs = DjangoStatusTrigger(
        **{"path": "batches/7/", "done": ("done",), "failed": ("failed",), "poll_seconds": 0.01, **arguments}
    ).serialize()

    async def run() -> list[dict[str, Any]]:
        return [event.payload async for event in import_string(name)(**kwargs).run()]

    (event,) = asyncio.run(run())
    return event


def test_waits_until_done(django_server) -> None:
    """It asks with the token until the status is a final one, then gives the whole object."""
    django_server.answer(
        "GET", "batches/7/", (200, {"status": "pending"}), (200, {"status": "running"}),
        (200, {"status": "done", "rows_done": 5}),
    )  # fmt: skip
    event = first_event()
    assert event == {
        "outcome": "done", "status": "done", "detail": "", "object": {"status": "done", "rows_done": 5},
    }  # fmt: skip
    assert len(django_server.asked) == 3
    assert django_server.tokens == {"Token the-token"}


def test_failed_object_gives_its_reason(django_server) -> None:
    """A failed object's own words are in the event."""
    django_server.answer("GET", "batches/7/", (200, {"status": "failed", "error": "no view"}))
    event = first_event()
    assert (event["outcome"], event["status"], event["detail"]) == ("failed", "failed", "no view")


def test_django_away_is_waited_out(django_server) -> None:
    """Server errors are no verdict: it asks again."""
    django_server.answer("GET", "batches/7/", (502, {}), (503, {}), (429, {}), (200, {"status": "done"}))
    assert first_event()["outcome"] == "done"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_refusal_ends_the_wait(django_server, status: int) -> None:
    """What can never change ends the wait at once, with Django's words."""
    django_server.answer("GET", "batches/7/", (status, {"detail": "not for you"}))
    event = first_event()
    assert event["outcome"] == "refused"
    assert "not for you" in event["detail"]


def test_own_timeout_tells_the_last_status(django_server) -> None:
    """A wait that is too long ends by the trigger's own clock, not by Airflow's."""
    django_server.answer("GET", "batches/7/", (200, {"status": "running"}))
    event = first_event(timeout_seconds=0.1)
    assert (event["outcome"], event["status"]) == ("timeout", "running")


def test_own_timeout_tells_what_it_waits_for(django_server) -> None:
    """The last error that Django has for it is in the reason of the task."""
    django_server.answer(
        "GET", "batches/7/", (200, {"status": "running", "waits_for": "MLflow does not answer"})
    )
    assert first_event(timeout_seconds=0.1)["detail"] == "still running after 0.1 s: MLflow does not answer"


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server it keeps asking until its timeout, and does not raise."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        host = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("AIRFLOW_CONN_HOTCLUB_DJANGO", f'{{"conn_type": "http", "host": "{host}"}}')
        assert first_event(timeout_seconds=0.1)["outcome"] == "timeout"


def test_stored_arguments_hold_no_secret() -> None:
    """What Airflow stores in its database names the object, never the token or the address."""
    from dags.triggers import DjangoStatusTrigger

    _, kwargs = DjangoStatusTrigger("batches/7/", ("done",), ("failed",)).serialize()
    assert set(kwargs) == {"path", "done", "failed", "poll_seconds", "timeout_seconds"}
