"""Airflow's REST API, as far as anything here needs it: start a run, ask how it is, what there is to read.

API: ``/auth/token`` of the simple auth manager, ``/api/v2`` of Airflow 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from hotclub.errors import HotclubError

#: States of a DAG run after which nothing more comes of it.
RUN_ENDED: Final = frozenset({"success", "failed"})
#: Answers that are about Airflow or this client, not about the DAG: credentials, throttling, a proxy without
#: a server behind it.
_ANSWERS_NOBODY: Final = frozenset({401, 403, 429, 502, 503, 504})
_PAGE_ROWS: Final = 100


class AirflowError(HotclubError):
    """Airflow did not do what it was asked; one of the two below."""


class AirflowDownError(AirflowError):
    """It does not answer, or refuses every call (no token, not ready): no other call would succeed now."""


class AirflowRefusedError(AirflowError):
    """It answered no to this call, such as for a DAG that is not there; another call may well succeed."""


class Airflow:
    """A client of one account. Use it as a context manager, or close it. The first call logs in.

    Every method raises `AirflowDownError` where Airflow does not answer, and `AirflowRefusedError` where it answered
    no, or something that cannot be understood.
    """

    def __init__(self, url: str, username: str, password: str, *, client: httpx.Client | None = None) -> None:
        self._credentials = {"username": username, "password": password}
        self._client = client or httpx.Client(base_url=url, timeout=10.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def run_start(self, *, dag_id: str, run_id: str, conf: Mapping[str, Any] | None = None) -> None:
        """Start a DAG run. One of this id that is there already is left as it is.

        Raises:
            AirflowDownError: it does not answer.
            AirflowRefusedError: it answered no; perhaps there is no such DAG (yet).
        """
        # An event has no data interval: logical_date has to be there and null.
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf or {})}
        answer = self._call("POST", f"{_dag(dag_id)}/dagRuns", json=body)
        if answer.status_code != httpx.codes.CONFLICT:
            _require(answer)

    def run_state(self, *, dag_id: str, run_id: str) -> str | None:
        """Return the state of a DAG run (queued, running, success, failed), None where there is no such run.

        Raises:
            AirflowDownError: it does not answer.
            AirflowRefusedError: it answered something else.
        """
        answer = self._call("GET", _run(dag_id, run_id))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        with _shape_expected(answer, "a state"):
            return str(_require_read(answer).json()["state"])

    def is_paused(self, *, dag_id: str) -> bool:
        """Return whether the DAG is paused: its runs stay queued until a person unpauses it.

        Raises:
            AirflowDownError: it does not answer.
            AirflowRefusedError: it answered no; perhaps there is no such DAG (yet).
        """
        answer = self._call("GET", _dag(dag_id))
        with _shape_expected(answer, "is_paused"):
            return bool(_require_read(answer).json()["is_paused"])

    def scheduler_runs(self) -> bool:
        """Return whether the scheduler gives signs of life; without it queued and running runs stand still.

        Raises:
            AirflowDownError: Airflow does not answer.
            AirflowRefusedError: it answered something else.
        """
        answer = self._call("GET", "/api/v2/monitor/health")
        with _shape_expected(answer, "its health"):
            return bool(_require_read(answer).json()["scheduler"]["status"] == "healthy")

    def has_dag(self, dag_id: str) -> bool:
        """Return whether the DAG was parsed.

        Raises:
            AirflowDownError: Airflow does not answer.
            AirflowRefusedError: it answered something else than yes or no.
        """
        answer = self._call("GET", _dag(dag_id))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return False
        return _require_read(answer).is_success

    def import_errors(self) -> list[str]:
        """Return the errors of DAG files that could not be read.

        Raises:
            AirflowDownError: it does not answer.
            AirflowRefusedError: it answered something else.
        """
        pages = self._pages("/api/v2/importErrors", "import_errors")
        return [f"{item['filename']}: {item['stack_trace'].strip()}" for item in pages]

    def runs(self, dag_id: str) -> Iterator[dict[str, Any]]:
        """Yield the runs of a DAG, newest first, as Airflow describes them.

        Raises:
            AirflowDownError: it does not answer.
            AirflowRefusedError: it answered no; perhaps there is no such DAG (yet).
        """
        yield from self._pages(f"{_dag(dag_id)}/dagRuns", "dag_runs", order_by="-run_after")

    def task_states(self, *, dag_id: str, run_id: str) -> dict[str, str | None]:
        """Return the state of each task of a run; one that is not scheduled yet has none.

        Raises:
            AirflowDownError: it does not answer.
            AirflowRefusedError: it answered no; perhaps there is no such run.
        """
        pages = self._pages(f"{_run(dag_id, run_id)}/taskInstances", "task_instances")
        return {item["task_id"]: item["state"] for item in pages}

    def _pages(self, path: str, member: str, **query: str) -> Iterator[dict[str, Any]]:
        """Yield every item of a list, across its pages."""
        read = 0
        while True:
            answer = self._call("GET", path, params={**query, "limit": _PAGE_ROWS, "offset": read})
            with _shape_expected(answer, member):
                page = _require_read(answer).json()
                items, total = list(page[member]), int(page["total_entries"])
            yield from items
            read += len(items)
            if read >= total or not items:
                return

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            if "Authorization" not in self._client.headers:
                token = _require(self._client.post("/auth/token", json=self._credentials))
                self._client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
            return self._client.request(method, path, **options)
        # Without a token every call would be refused.
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AirflowRefusedError) as error:
            raise AirflowDownError(f"Airflow at {self._client.base_url}: {error!r}") from error


def _dag(dag_id: str) -> str:
    return f"/api/v2/dags/{quote(dag_id, safe='')}"


def _run(dag_id: str, run_id: str) -> str:
    return f"{_dag(dag_id)}/dagRuns/{quote(run_id, safe='')}"


@contextmanager
def _shape_expected(answer: httpx.Response, what: str) -> Iterator[None]:
    """Make an answer without what it must have an `AirflowRefusedError`."""
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        raise AirflowRefusedError(f"Airflow answered without {what}: {answer.text[:200]}") from error


def _require_read(answer: httpx.Response) -> httpx.Response:
    """Require an answer to a question: a server's own fault says nothing of what was asked about."""
    if answer.is_server_error:
        raise AirflowDownError(f"Airflow answered {answer.status_code}: {answer.text[:200]}")
    return _require(answer)


def _require(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        kind = AirflowDownError if answer.status_code in _ANSWERS_NOBODY else AirflowRefusedError
        raise kind(f"Airflow answered {answer.status_code}: {answer.text[:200]}")
    return answer
