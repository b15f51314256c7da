"""Airflow's REST API, as far as deliveries need it: start a run, ask how it is.

API: ``/auth/token`` of the simple auth manager, ``/api/v2/dags/{dag_id}/dagRuns``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from django_app.conf import hotclub_settings


class AirflowError(Exception):
    """Airflow did not do what it was asked; one of the two below."""


class AirflowDownError(AirflowError):
    """It does not answer, or answers nobody (no token, not ready): no other call would fare better now."""


class AirflowRefusedError(AirflowError):
    """It answered no to this call, such as for a DAG that is not there; another call may well succeed."""


#: Answers that are about Airflow or this client, not about the DAG: credentials, throttling, a proxy without
#: a server behind it.
_ANSWERS_NOBODY = frozenset({401, 403, 429, 502, 503, 504})


class Airflow:
    """A client for one task's few calls. Use it as a context manager."""

    def __init__(
        self, url: str, username: str, password: str, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._credentials = {"username": username, "password": password}
        self._client = httpx.Client(base_url=url, timeout=10.0, transport=transport)

    @classmethod
    def from_settings(cls) -> Self:
        """Return a client for the Airflow that Django's settings name."""
        return cls(
            hotclub_settings.airflow_url,
            hotclub_settings.airflow_username,
            hotclub_settings.airflow_password,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def run_start(self, *, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Start a DAG run. One of this id that is there already is left as it is.

        Raises:
            AirflowDownError: it does not answer.
            AirflowRefusedError: it answered no; perhaps there is no such DAG (yet).
        """
        # An event has no data interval: logical_date has to be there and null.
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        answer = self._call("POST", f"/api/v2/dags/{quote(dag_id)}/dagRuns", json=body)
        if answer.status_code != httpx.codes.CONFLICT:
            self._require(answer)

    def run_state(self, *, dag_id: str, run_id: str) -> str | None:
        """Return the state of a DAG run (queued, running, success, failed), None where there is no such run.

        Raises:
            AirflowDownError: it does not answer.
            AirflowRefusedError: it answered something else.
        """
        answer = self._call("GET", f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id)}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        try:
            return str(self._require_read(answer).json()["state"])
        except (ValueError, KeyError, TypeError) as error:
            raise AirflowRefusedError(f"Airflow answered without a state: {answer.text[:200]}") from error

    def is_paused(self, *, dag_id: str) -> bool:
        """Return whether the DAG is paused: its runs stay queued until a person unpauses it.

        Raises:
            AirflowDownError: it does not answer.
            AirflowRefusedError: it answered no; perhaps there is no such DAG (yet).
        """
        found = self._require_read(self._call("GET", f"/api/v2/dags/{quote(dag_id)}"))
        try:
            return bool(found.json()["is_paused"])
        except (ValueError, KeyError, TypeError) as error:
            raise AirflowRefusedError(f"Airflow answered without is_paused: {found.text[:200]}") from error

    def scheduler_runs(self) -> bool:
        """Return whether the scheduler gives signs of life; without it queued and running runs stand still.

        Raises:
            AirflowDownError: Airflow does not answer.
            AirflowRefusedError: it answered something else.
        """
        found = self._require_read(self._call("GET", "/api/v2/monitor/health"))
        try:
            return bool(found.json()["scheduler"]["status"] == "healthy")
        except (ValueError, KeyError, TypeError) as error:
            raise AirflowRefusedError(f"Airflow answered without its health: {found.text[:200]}") from error

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            if "Authorization" not in self._client.headers:
                token = self._require(self._client.post("/auth/token", json=self._credentials))
                self._client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
            return self._client.request(method, path, **options)
        # Without a token every call would be refused.
        except (httpx.HTTPError, ValueError, KeyError, AirflowRefusedError) as error:
            raise AirflowDownError(f"Airflow at {self._client.base_url}: {error!r}") from error

    @classmethod
    def _require_read(cls, answer: httpx.Response) -> httpx.Response:
        """Require an answer to a question: a server's own fault says nothing of what was asked about."""
        if answer.is_server_error:
            raise AirflowDownError(f"Airflow answered {answer.status_code}: {answer.text[:200]}")
        return cls._require(answer)

    @staticmethod
    def _require(answer: httpx.Response) -> httpx.Response:
        if not answer.is_success:
            kind = AirflowDownError if answer.status_code in _ANSWERS_NOBODY else AirflowRefusedError
            raise kind(f"Airflow answered {answer.status_code}: {answer.text[:200]}")
        return answer
