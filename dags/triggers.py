"""A trigger that waits for Django: the task holds no worker slot meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
from airflow.sdk import Connection
from airflow.triggers.base import BaseTrigger, TriggerEvent

from dags import django_api
from hotclub import names


class DjangoStatusTrigger(BaseTrigger):
    """Polls an object of Django's API until its ``status`` is one of two sets.

    It fires once, with ``{"outcome": "done" | "failed" | "timeout" | "refused", "status", "detail", "object"}``.
    Django being away is waited out; an answer that can never change (404, 403) is ``refused``.

    Args:
        path: below ``/api/v1/``: ``batches/<id>/``.
        done: statuses that mean success.
        failed: statuses that mean failure.
        poll_seconds: between two polls.
        timeout_seconds: from the start of this trigger. Airflow's own timeouts do not reach a deferred task.
    """

    def __init__(
        self,
        path: str,
        done: Sequence[str],
        failed: Sequence[str],
        poll_seconds: float = 1.0,
        timeout_seconds: float = 3600.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's
        self.path = path
        self.done = list(done)
        self.failed = list(failed)
        self.poll_seconds = poll_seconds
        self.timeout_seconds = timeout_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments; the token is not among them, for they are stored."""
        arguments = ("path", "done", "failed", "poll_seconds", "timeout_seconds")
        return f"{__name__}.{type(self).__name__}", {name: getattr(self, name) for name in arguments}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until there is something to tell."""
        connection = await Connection.async_get(names.CONNECTION_DJANGO)
        deadline = time.monotonic() + self.timeout_seconds
        status, waits_for = "unknown", ""
        async with httpx.AsyncClient(**django_api.client_options(connection)) as client:
            while time.monotonic() < deadline:
                found = await self._ask(client)
                if found is not None:
                    status = str(found.get("status", status))
                    waits_for = str(found.get("waits_for") or "")
                    event = self._event(found)
                    if event is not None:
                        yield self._tell(event)
                        return
                await asyncio.sleep(self.poll_seconds)
        detail = f"still {status} after {self.timeout_seconds:g} s" + (f": {waits_for}" if waits_for else "")
        yield self._tell({"outcome": "timeout", "status": status, "detail": detail, "object": {}})

    @staticmethod
    def _tell(event: dict[str, Any]) -> TriggerEvent:
        return TriggerEvent(event)  # type: ignore[no-untyped-call]  # Airflow's

    async def _ask(self, client: httpx.AsyncClient) -> dict[str, Any] | None:
        """Return the object, None while Django is away, or a refusal in the form of an object."""
        try:
            return django_api.parse(await client.get(self.path))
        except httpx.TransportError as error:
            self.log.warning("Django does not answer (%r); asking again", error)
        except django_api.ApiError as error:
            if error.is_final:
                return {"_refused": str(error)}
            self.log.warning("%s; asking again", error)
        return None

    def _event(self, found: dict[str, Any]) -> dict[str, Any] | None:
        if "_refused" in found:
            return {"outcome": "refused", "status": "unknown", "detail": found["_refused"], "object": {}}
        status = found.get("status")
        for outcome, statuses in (("done", self.done), ("failed", self.failed)):
            if status in statuses:
                detail = found.get("error") or "; ".join(map(str, found.get("reasons") or []))
                return {"outcome": outcome, "status": status, "detail": str(detail), "object": found}
        return None
