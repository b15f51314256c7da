"""Django's operational API, as DAGs use it: one connection, one token, errors with their reasons."""

from __future__ import annotations

from typing import Any, Final

import httpx
from airflow.sdk import Connection

from hotclub import names

_TIMEOUT_SECONDS: Final = 30.0


class ApiError(Exception):
    """An answer other than success.

    Attributes:
        status: the HTTP status.
        detail: the reason, from problem+json where Django sent it.
        type: the problem's type, for refusals that a program tells apart.
    """

    def __init__(self, request: httpx.Request, status: int, detail: str, type_: str) -> None:
        self.status = status
        self.detail = detail
        self.type = type_
        super().__init__(f"{request.method} {request.url.path}: {status}: {detail}")

    @property
    def is_final(self) -> bool:
        """Whether asking again cannot help: a request that Django understood and refused."""
        return 400 <= self.status < 500 and self.status not in (408, 425, 429)


def client_options(connection: Connection) -> dict[str, Any]:
    """Return what an httpx client needs from the Airflow connection.

    The host is an address with its scheme, ``http://127.0.0.1:8000``, or a name beside schema and port;
    the password is the service token.
    """
    host = connection.host or ""
    if "://" not in host:
        port = f":{connection.port}" if connection.port else ""
        host = f"{connection.schema or 'http'}://{host}{port}"
    return {
        "base_url": f"{host.rstrip('/')}/api/v1/",
        "headers": {"Authorization": f"Token {connection.password}", "Accept": "application/json"},
        "timeout": _TIMEOUT_SECONDS,
        # Airflow's machine may have a proxy for the outside world; Django is inside.
        "trust_env": False,
    }


def parse(response: httpx.Response) -> dict[str, Any]:
    """Return the answer's JSON object.

    Raises:
        ApiError: the answer is not a success.
    """
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {"detail": body}
    if response.is_success:
        return body
    raise ApiError(response.request, response.status_code, _detail(response, body), str(body.get("type", "")))


def call(method: str, path: str, json: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call the API and return the answer's JSON object.

    Raises:
        ApiError: the answer is not a success.
        httpx.TransportError: Django does not answer; the task's retries take care of that.
    """
    with httpx.Client(**client_options(Connection.get(names.CONNECTION_DJANGO))) as client:
        return parse(client.request(method, path, json=json))


def _detail(response: httpx.Response, body: dict[str, Any]) -> str:
    errors = [
        f"{e.get('field', '?')}: {e.get('message', e)}"
        for e in body.get("errors") or []
        if isinstance(e, dict)
    ]
    parts = [str(body.get("detail") or body.get("title") or response.reason_phrase), *errors]
    return "; ".join(parts)
