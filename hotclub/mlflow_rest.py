"""MLflow's REST API, as far as the registry port needs it.

Importing mlflow costs 6.7 s and 190 MB; these calls cost a few milliseconds each.
API: the MLflow REST reference, ``/api/2.0/mlflow`` and ``/api/2.0/mlflow-artifacts``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlparse

import httpx

from hotclub import names
from hotclub.errors import (
    PackageError,
    RegistryError,
    RegistryNotFoundError,
    RegistryRefusedError,
    RegistryUnavailableError,
)
from hotclub.model_registry import RegisteredModel, RegisteredVersion

_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
#: Answers of a server that is overloaded or of a proxy before one that is down.
_UNAVAILABLE = (429, 502, 503, 504)
#: Client errors that may not come again: a timeout, too early.
_PASSING = (408, 425)


class MlflowRegistry:
    """The registry port over MLflow's REST API. Safe to share between threads."""

    def __init__(self, url: str, *, timeout: float = 10.0, client: httpx.Client | None = None) -> None:
        self._client = client or httpx.Client(base_url=url, timeout=timeout)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def models(self) -> list[RegisteredModel]:
        """See `hotclub.model_registry.ModelRegistry`."""
        pages = self._pages("/registered-models/search", {"max_results": 200}, "registered_models")
        with _shape_expected("registered models"):
            models = [RegisteredModel(item["name"], _aliases(item), _tags(item)) for item in pages]
        return [model for model in models if names.TAG_KIND in model.tags]

    def version(self, model: str, version: str) -> RegisteredVersion:
        """See `hotclub.model_registry.ModelRegistry`."""
        answer = self._get("/model-versions/get", {"name": model, "version": version})
        with _shape_expected(f"{model} version {version}"):
            return _version(answer["model_version"])

    def version_by_alias(self, model: str, alias: str) -> RegisteredVersion:
        """See `hotclub.model_registry.ModelRegistry`."""
        answer = self._get("/registered-models/alias", {"name": model, "alias": alias})
        with _shape_expected(f"{model}@{alias}"):
            return _version(answer["model_version"])

    def versions(self, model: str) -> list[RegisteredVersion]:
        """See `hotclub.model_registry.ModelRegistry`. A model that is not there has no versions."""
        quote = '"' if "'" in model else "'"
        query: dict[str, str | int] = {"filter": f"name={quote}{model}{quote}", "max_results": 1000}
        pages = self._pages("/model-versions/search", query, "model_versions")
        with _shape_expected(f"the versions of {model}"):
            found = [_version(item) for item in pages]
            return sorted(
                (v for v in found if v.model_name == model), key=lambda v: int(v.version), reverse=True
            )

    def metrics(self, run_id: str) -> dict[str, float]:
        """Return the last value of each metric of a training run."""
        if not run_id:
            return {}
        answer = self._get("/runs/get", {"run_id": run_id})
        with _shape_expected(f"the metrics of run {run_id}"):
            data = answer["run"].get("data", {})
            return {m["key"]: float(m["value"]) for m in data.get("metrics", [])}

    def experiment_id(self, run_id: str) -> str:
        """Return the experiment that a training run belongs to."""
        answer = self._get("/runs/get", {"run_id": run_id})
        with _shape_expected(f"run {run_id}"):
            return str(answer["run"]["info"]["experiment_id"])

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Point an alias at a version: the call that the MLflow UI makes."""
        self._send("POST", "/registered-models/alias", {"name": model, "alias": alias, "version": version})

    def set_version_tag(self, model: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version."""
        body = {"name": model, "version": version, "key": key, "value": value}
        self._send("POST", "/model-versions/set-tag", body)

    def download(self, version: RegisteredVersion, destination: Path) -> None:
        """See `hotclub.model_registry.ModelRegistry`."""
        answer = self._get(
            "/model-versions/get-download-uri", {"name": version.model_name, "version": version.version}
        )
        root = self._artifact_path(answer["artifact_uri"])
        folder = f"{root}/data/{names.PACKAGE_FOLDER}"
        for name in self._list(folder):
            # The listing comes from outside: a name may not lead out of the folder.
            if name in ("", ".", ".."):
                raise PackageError(f"the package holds a file named {name!r}")
            self._save(f"{folder}/{name}", destination / name)

    def _artifact_path(self, uri: str) -> str:
        """Return the path below the artifact proxy of an ``mlflow-artifacts:`` or ``models:`` URI."""
        parsed = urlparse(uri)
        if parsed.scheme == "models":
            answer = self._get(f"/logged-models/{parsed.path.strip('/') or parsed.netloc}", {})
            parsed = urlparse(answer["model"]["info"]["artifact_uri"])
        if parsed.scheme != "mlflow-artifacts":
            raise RegistryError(
                f"{uri}: not behind MLflow's artifact proxy; start mlflow with --serve-artifacts"
            )
        return parsed.path.strip("/")

    def _list(self, folder: str) -> list[str]:
        answer = self._request("GET", _ARTIFACTS, params={"path": folder})
        return [PurePosixPath(f["path"]).name for f in answer.json().get("files", []) if not f["is_dir"]]

    def _save(self, path: str, target: Path) -> None:
        try:
            with self._client.stream("GET", f"{_ARTIFACTS}/{quote(path)}") as response:
                self._check(response)
                with target.open("wb") as file:
                    for block in response.iter_bytes(1 << 16):
                        file.write(block)
        except httpx.HTTPError as error:
            raise RegistryError(f"MLflow: {path}: {error!r}") from error

    def _pages(self, path: str, query: Mapping[str, str | int], key: str) -> list[dict[str, Any]]:
        """Return the items of every page of a search."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = self._get(path, {**query, "page_token": token} if token else query)
            found += page.get(key, [])
            token = page.get("next_page_token", "")
            if not token:
                return found

    def _get(self, path: str, query: Mapping[str, str | int]) -> dict[str, Any]:
        return self._json(self._request("GET", _API + path, params=dict(query)))

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._json(self._request(method, _API + path, json=dict(body)))

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise RegistryUnavailableError(
                f"MLflow does not answer at {self._client.base_url}: {error!r}"
            ) from error
        self._check(response)
        return response

    @staticmethod
    def _check(response: httpx.Response) -> None:
        if response.is_success:
            return
        response.read()
        try:
            problem = response.json()
        except ValueError:
            problem = {}
        message = problem.get("message", response.text[:200]) if isinstance(problem, dict) else ""
        code = problem.get("error_code", "") if isinstance(problem, dict) else ""
        missing_alias = code == "INVALID_PARAMETER_VALUE" and "alias" in message and "not found" in message
        if response.status_code == httpx.codes.NOT_FOUND or missing_alias:
            raise RegistryNotFoundError(f"MLflow: {message}")
        if response.status_code in _UNAVAILABLE:
            raise RegistryUnavailableError(f"MLflow answered {response.status_code}: {message}")
        refused = response.is_client_error and response.status_code not in _PASSING
        kind = RegistryRefusedError if refused else RegistryError
        raise kind(f"MLflow answered {response.status_code}: {message}")

    @staticmethod
    def _json(response: httpx.Response) -> dict[str, Any]:
        try:
            data = response.json()
        except ValueError as error:
            raise RegistryError(
                f"MLflow answered something other than JSON at {response.url.path}"
            ) from error
        return data if isinstance(data, dict) else {}


@contextmanager
def _shape_expected(what: str) -> Iterator[None]:
    """Raise the error that callers expect when an answer lacks required parts."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RegistryError(f"MLflow answered something unexpected about {what}: {error!r}") from error


def _tags(item: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in item.get("tags", [])}


def _aliases(item: Mapping[str, Any]) -> dict[str, str]:
    return {alias["alias"]: str(alias["version"]) for alias in item.get("aliases", [])}


def _version(item: Mapping[str, Any]) -> RegisteredVersion:
    # In a version the aliases are names; in a registered model they are pairs.
    aliases = tuple(a if isinstance(a, str) else a["alias"] for a in item.get("aliases", []))
    return RegisteredVersion(
        model_name=item["name"],
        version=str(item["version"]),
        run_id=item.get("run_id", ""),
        source=item.get("source", ""),
        status=item.get("status", "READY"),
        description=item.get("description", ""),
        created_at_ms=int(item.get("creation_timestamp", 0)),
        tags=_tags(item),
        aliases=aliases,
    )
