"""MLflow's answers come from outside; the real server is asked in tests/training and tests/e2e."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from hotclub import names
from hotclub.errors import PackageError, RegistryError, RegistryUnavailableError
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.model_registry import RegisteredVersion


def test_listing_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    """A file named ``..`` in MLflow's listing is refused, and nothing is written."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("get-download-uri"):
            return httpx.Response(200, json={"artifact_uri": "mlflow-artifacts:/1/models/m/artifacts"})
        return httpx.Response(200, json={"files": [{"path": "..", "is_dir": False}]})

    client = httpx.Client(base_url="http://mlflow", transport=httpx.MockTransport(answer))
    registry = MlflowRegistry("http://mlflow", client=client)
    folder = tmp_path / "package"
    folder.mkdir()
    with pytest.raises(PackageError, match=r"a file named '\.\.'"):
        registry.download(RegisteredVersion("late", "1", "", ""), folder)
    registry.close()
    assert list(folder.iterdir()) == []


def _registry(answer: Callable[[httpx.Request], httpx.Response]) -> MlflowRegistry:
    return MlflowRegistry(
        "http://mlflow", client=httpx.Client(base_url="http://mlflow", transport=httpx.MockTransport(answer))
    )


def _pages(key: str, items: list[dict[str, Any]], size: int = 2) -> Callable[[httpx.Request], httpx.Response]:
    """A search that gives its items in pages, as MLflow does."""

    def answer(request: httpx.Request) -> httpx.Response:
        start = int(request.url.params.get("page_token", "0"))
        more = {"next_page_token": str(start + size)} if start + size < len(items) else {}
        return httpx.Response(200, json={key: items[start : start + size], **more})

    return answer


def test_models_of_every_page_are_found() -> None:
    """The registry's search gives pages; a model on the last one is one too. Those of others are left out."""
    tags = [{"key": names.TAG_KIND, "value": "model"}]
    items: list[dict[str, Any]] = [{"name": f"m{number}", "tags": tags} for number in range(5)]
    items.insert(1, {"name": "somebody_elses"})
    registry = _registry(_pages("registered_models", items))
    assert [m.name for m in registry.models()] == ["m0", "m1", "m2", "m3", "m4"]


def test_versions_of_every_page_come_newest_first_by_number() -> None:
    """Version 10 is newer than 9, wherever the search puts it; another model's versions are none of it."""
    items = [{"name": "late", "version": str(number)} for number in (9, 1, 10, 2, 11)]
    items.insert(2, {"name": "later", "version": "99"})
    registry = _registry(_pages("model_versions", items))
    assert [v.version for v in registry.versions("late")] == ["11", "10", "9", "2", "1"]


def test_a_name_with_a_quote_is_asked_for_as_it_is() -> None:
    """The filter quotes the name in the other way."""
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["filter"])
        return httpx.Response(200, json={})

    registry = _registry(answer)
    registry.versions("late")
    registry.versions("it's")
    assert asked == ["name='late'", 'name="it\'s"']


@pytest.mark.parametrize(
    "body", [{}, {"run": {"data": {"metrics": [{"key": "a", "value": "x"}]}}}, {"run": None}]
)
def test_an_answer_of_another_shape_is_an_error_that_callers_expect(body: dict[str, Any]) -> None:
    """Not a KeyError: one bad answer must not look like a fault of ours."""
    with pytest.raises(RegistryError, match="something unexpected about the metrics of run r"):
        _registry(lambda request: httpx.Response(200, json=body)).metrics("r")


@pytest.mark.parametrize(
    ("status", "unavailable"), [(503, True), (502, True), (429, True), (500, False), (400, False)]
)
def test_a_registry_that_is_down_is_told_from_one_that_answers_badly(
    status: int, *, unavailable: bool
) -> None:
    """The first ends the whole run, the second only the one request."""
    with pytest.raises(RegistryError) as caught:
        _registry(lambda request: httpx.Response(status, text="no")).models()
    assert isinstance(caught.value, RegistryUnavailableError) is unavailable
