"""What the registry adapter makes of MLflow's answers, and what it asks, at the edge of HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hotclub import names
from hotclub.errors import (
    RegistryError,
    RegistryNotFoundError,
    RegistryRefusedError,
    RegistryUnavailableError,
)
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.model_registry import RegisteredModel, RegisteredVersion

KIND = [{"key": names.TAG_KIND, "value": "model"}]
API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
Answer = Callable[[httpx.Request], Any]


@pytest.fixture
def registry() -> Iterator[Callable[[Answer], MlflowRegistry]]:
    """A function from answers to an adapter: an answer is a response, or what its JSON is."""
    made: list[MlflowRegistry] = []

    def make(answer: Answer) -> MlflowRegistry:
        def respond(request: httpx.Request) -> httpx.Response:
            given = answer(request)
            return given if isinstance(given, httpx.Response) else httpx.Response(200, json=given)

        client = httpx.Client(base_url="http://mlflow", transport=httpx.MockTransport(respond))
        made.append(MlflowRegistry("http://mlflow", client=client))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_every_page_of_models_is_read(registry: Callable[[Answer], MlflowRegistry]) -> None:
    """MLflow gives a token while there is more; models that are not Hotclub's are left out."""
    pages = {
        None: {
            "registered_models": [
                {"name": "a", "tags": KIND, "aliases": [{"alias": "champion", "version": 3}]},
                {"name": "somebody's own", "tags": [{"key": "team", "value": "x"}]},
            ],
            "next_page_token": "more",
        },
        "more": {"registered_models": [{"name": "b", "tags": [*KIND, {"key": "empty"}]}]},
    }
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> Any:
        asked.append(request)
        return pages[request.url.params.get("page_token")]

    assert registry(answer).models() == [
        RegisteredModel("a", {"champion": "3"}, {names.TAG_KIND: "model"}),
        RegisteredModel("b", {}, {names.TAG_KIND: "model", "empty": ""}),
    ]
    assert [request.url.path for request in asked] == [f"{API}/registered-models/search"] * 2
    assert {request.url.params["max_results"] for request in asked} == {"200"}


@pytest.mark.parametrize(("name", "quoted"), [("m", "'m'"), ("m' OR '1", "\"m' OR '1\"")])
def test_versions_are_sorted_as_numbers(
    registry: Callable[[Answer], MlflowRegistry], name: str, quoted: str
) -> None:
    """Newest first, and ten is newer than nine; a quote in a name ends no filter; other models' are left out."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> Any:
        asked.append(request)
        versions = [{"name": name, "version": v} for v in ("9", "10", "2")]
        return {"model_versions": [*versions, {"name": "other", "version": "11"}]}

    assert [v.version for v in registry(answer).versions(name)] == ["10", "9", "2"]
    assert asked[0].url.path == f"{API}/model-versions/search"
    assert dict(asked[0].url.params) == {"filter": f"name={quoted}", "max_results": "1000"}
    assert registry(lambda request: {}).versions("nobody") == []


def test_a_version_has_what_mlflow_says_of_it(registry: Callable[[Answer], MlflowRegistry]) -> None:
    """Every field; and what MLflow leaves out is empty."""
    full = {
        "name": "m", "version": 7, "run_id": "r", "source": "models:/x", "status": "PENDING_REGISTRATION",
        "description": "d", "creation_timestamp": "12", "tags": KIND, "aliases": ["champion", {"alias": "other"}],
    }  # fmt: skip
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> Any:
        asked.append(request)
        return {"model_version": full if len(asked) == 1 else {"name": "m", "version": "8"}}

    adapter = registry(answer)
    assert adapter.version("m", "7") == RegisteredVersion(
        "m", "7", "r", "models:/x", "PENDING_REGISTRATION", "d", 12, {names.TAG_KIND: "model"}, ("champion", "other")
    )  # fmt: skip
    assert adapter.version_by_alias("m", "champion") == RegisteredVersion("m", "8", "", "")
    assert [(r.url.path, dict(r.url.params)) for r in asked] == [
        (f"{API}/model-versions/get", {"name": "m", "version": "7"}),
        (f"{API}/registered-models/alias", {"name": "m", "alias": "champion"}),
    ]


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no model m"}, RegistryNotFoundError, "MLflow: no model m"),
        (400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "alias champion not found"}, RegistryNotFoundError, "alias champion not found"),
        (400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "alias is too long"}, RegistryRefusedError, "answered 400: alias is too long"),
        (400, {"error_code": "OTHER", "message": "alias x not found"}, RegistryRefusedError, "answered 400: alias x not found"),
        (400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "run not found"}, RegistryRefusedError, "answered 400: run not found"),
        (500, {}, RegistryError, "answered 500: {}"),
        (429, {}, RegistryUnavailableError, "answered 429: {}"),
        (408, {}, RegistryError, "answered 408: {}"),
        (502, ["?"], RegistryUnavailableError, "answered 502: "),
    ],
)  # fmt: skip
def test_an_answer_that_is_no_success_is_told_apart(
    registry: Callable[[Answer], MlflowRegistry], status: int, body: Any, error: type[Exception], words: str
) -> None:
    """What is not there is RegistryNotFoundError, an alias that no version has too; all else has status and message."""
    adapter = registry(lambda request: httpx.Response(status, json=body))
    with pytest.raises(RegistryError, match=words.replace("{}", r"\{\}")) as told:
        adapter.version_by_alias("m", "champion")
    assert type(told.value) is error


def test_a_page_that_is_not_json_is_cut_and_told(registry: Callable[[Answer], MlflowRegistry]) -> None:
    """A proxy's page in an error is shown up to 200 characters; with a success, its address is named."""
    with pytest.raises(RegistryError) as told:
        registry(lambda request: httpx.Response(503, text="x" * 500)).models()
    assert str(told.value) == "MLflow answered 503: " + "x" * 200
    with pytest.raises(RegistryError, match=f"something other than JSON at {API}/registered-models/search"):
        registry(lambda request: httpx.Response(200, text="<html>")).models()


@pytest.mark.parametrize(
    "source", ["mlflow-artifacts:/1/models/m-1/artifacts", "models:/m-1", "models://m-1"]
)
def test_a_package_is_downloaded_file_by_file(
    registry: Callable[[Answer], MlflowRegistry], tmp_path: Path, source: str
) -> None:
    """The files of the package's folder, none of its folders, from where MLflow says that the version lies."""
    folder = f"1/models/m-1/artifacts/data/{names.PACKAGE_FOLDER}"
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> Any:
        asked.append(request)
        match request.url.path, request.url.params.get("path"):
            case "/api/2.0/mlflow/model-versions/get-download-uri", None:
                assert dict(request.url.params) == {"name": "m", "version": "4"}
                return {"artifact_uri": source}
            case "/api/2.0/mlflow/logged-models/m-1", None:
                return {"model": {"info": {"artifact_uri": "mlflow-artifacts:/1/models/m-1/artifacts"}}}
            case path, wanted if (path, wanted) == (FILES, folder):
                listed = [("a b.json", False), ("sub", True), ("model.ubj", False)]
                return {"files": [{"path": name, "is_dir": is_dir} for name, is_dir in listed]}
            case path, None if path.startswith(f"{FILES}/{folder}/"):
                return httpx.Response(200, content=path.rpartition("/")[2].encode())
        return httpx.Response(404, json={"message": f"{request.url}"})

    registry(answer).download(RegisteredVersion("m", "4", "", ""), tmp_path)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {
        "a b.json": "a b.json",
        "model.ubj": "model.ubj",
    }


def test_artifacts_that_are_not_behind_the_proxy_are_refused(
    registry: Callable[[Answer], MlflowRegistry], tmp_path: Path
) -> None:
    """The message names the address and MLflow's option."""
    adapter = registry(lambda request: {"artifact_uri": "s3://bucket/1"})
    with pytest.raises(
        RegistryError, match=r"s3://bucket/1: not behind .* start mlflow with --serve-artifacts"
    ):
        adapter.download(RegisteredVersion("m", "4", "", ""), tmp_path)


def test_a_run_says_its_metrics_and_experiment(registry: Callable[[Answer], MlflowRegistry]) -> None:
    """Metrics by name as floats; a version without a run has none, and nobody is asked."""
    run = {"run": {"info": {"experiment_id": 5}, "data": {"metrics": [{"key": "rmse", "value": "1.5"}]}}}
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> Any:
        asked.append(request)
        return run

    adapter = registry(answer)
    assert adapter.metrics("") == {}
    assert asked == []
    assert adapter.metrics("r") == {"rmse": 1.5}
    assert adapter.experiment_id("r") == "5"
    assert [(r.url.path, dict(r.url.params)) for r in asked] == [(f"{API}/runs/get", {"run_id": "r"})] * 2
    assert registry(lambda request: {"run": {}}).metrics("r") == {}


def test_an_alias_and_a_tag_are_set_as_mlflows_pages_do(registry: Callable[[Answer], MlflowRegistry]) -> None:
    """Method, address and body."""
    asked: list[tuple[str, str, Any]] = []

    def answer(request: httpx.Request) -> Any:
        asked.append((request.method, request.url.path, json.loads(request.content)))
        return {}

    adapter = registry(answer)
    adapter.set_alias("m", "champion", "3")
    adapter.set_version_tag("m", "3", "key", "value")
    assert asked == [
        ("POST", f"{API}/registered-models/alias", {"name": "m", "alias": "champion", "version": "3"}),
        ("POST", f"{API}/model-versions/set-tag", {"name": "m", "version": "3", "key": "key", "value": "value"}),
    ]  # fmt: skip
