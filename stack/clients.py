"""The REST APIs of the services, as far as the demo needs them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from hotclub.airflow_rest import Airflow
from hotclub.mlflow_rest import MlflowRegistry
from stack import secrets
from stack.errors import StackError
from stack.service_environments import Stack

_TIMEOUT_SECONDS = 30.0


def _client(base_url: str, headers: dict[str, str] | None = None) -> httpx.Client:
    # What we ask is on this machine: never through a proxy. Restarts of a service are ridden out.
    transport = httpx.HTTPTransport(retries=3)
    return httpx.Client(
        base_url=base_url, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=False, transport=transport
    )


def _json(response: httpx.Response) -> Any:
    if not response.is_success:
        raise StackError(
            f"{response.request.method} {response.request.url} answered {response.status_code}: {response.text[:500]}",
            "The service's log may show more: `make logs`.",
        )
    return response.json()


def registry(stack: Stack) -> MlflowRegistry:
    """Return MLflow's registry, asked as everything here is: directly."""
    return MlflowRegistry(stack.ports.url("mlflow"), client=_client(stack.ports.url("mlflow")))


def airflow(stack: Stack) -> Airflow:
    """Return Airflow's API as Django's own account: people may change their passwords."""
    url = stack.ports.url("airflow")
    password = stack.secrets.airflow_service_password
    return Airflow(url, secrets.AIRFLOW_SERVICE_USERNAME, password, client=_client(url))


class Django:
    """Django's operational API as the service account."""

    def __init__(self, stack: Stack) -> None:
        headers = {"Authorization": f"Token {stack.secrets.service_token}"}
        self._client = _client(f"{stack.ports.url('django')}/api/v1", headers)

    def list(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Return every object of a list endpoint, across its pages."""
        page = _json(self._client.get(path, params=query))
        while True:
            yield from page["results"] if isinstance(page, dict) else page
            following = page.get("next") if isinstance(page, dict) else None
            if not following:
                return
            page = _json(self._client.get(following))


class Serving:
    """The inference service."""

    def __init__(self, stack: Stack) -> None:
        self._client = _client(f"{stack.ports.url('serving')}/v1")

    def version(self, model: str) -> str | None:
        """Return the version of ``model`` that answers now, or None."""
        answer = _json(self._client.get("/models"))
        models = answer["models"] if isinstance(answer, dict) else answer
        for item in models:
            if item["name"] == model and item.get("version"):
                return str(item["version"])
        return None

    def predict(self, model: str, entity: str) -> dict[str, Any]:
        """Return the endpoint's answer for one entity key."""
        answer: dict[str, Any] = _json(
            self._client.post(f"/models/{model}/predict", json={"entities": [entity]})
        )
        return answer
