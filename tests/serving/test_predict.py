"""The predict endpoint: answers, errors with every field, limits, OpenAPI, metrics."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from hotclub import objectives, package
from hotclub.contract import FeatureSpec
from hotclub.predictor import Predictor
from serving import openapi
from tests.serving.conftest import MODEL, ROW, MemoryRegistry


@pytest.fixture
def ask(serve, registry: MemoryRegistry):
    """A function from a body (JSON or bytes) to the response, with version 1 live."""

    def send(body: Any, model: str = MODEL, **changes: Any):
        async def test():
            registry.promote("1")
            async with serve(**changes) as running:
                if isinstance(body, bytes):
                    return await running.client.post(f"/v1/models/{model}/predict", content=body)
                return await running.predict(body, model)

        return asyncio.run(test())

    return send


@pytest.mark.parametrize("rows", [1, 1000])
def test_answer_is_the_predictor_s_own(ask, packages, rows: int) -> None:
    """One row and many get the scores that the package gives, nulls and unseen categories included."""
    instances = [
        {
            **ROW,
            "hour": n % 24,
            "wind_speed": None if n % 7 == 0 else n % 30,
            "carrier": "AA" if n % 5 else "ZZ",
        }
        for n in range(rows)
    ]
    response = ask({"instances": instances})
    expected = Predictor.load(package.read(packages(5))).predict_rows(instances)
    assert response.status_code == 200
    assert response.json() == {
        "model": MODEL,
        "version": "1",
        "predictions": expected.scores.tolist(),
        "engine": "pylignum",
        "unseen": {"carrier": (rows + 4) // 5},
    }


@pytest.mark.parametrize("rows", [1, 50])
def test_a_score_that_is_no_finite_number_is_no_answer(
    ask, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON has no NaN; the answer names model and reason."""
    link = objectives.scores

    def broken(objective: objectives.Objective, margins: Any) -> Any:
        scores = link(objective, margins)
        return scores * np.nan if len(scores) == rows else scores  # those of the golden rows are good

    monkeypatch.setattr(objectives, "scores", broken)
    response = ask({"instances": [ROW] * rows})
    assert response.status_code == 500
    assert f"{MODEL} gives no finite score for {rows} of {rows} rows" in response.json()["detail"]
    assert response.json()["version"] == "1"


def test_nullable_feature_may_be_left_out(ask) -> None:
    """A feature that may be missing may be absent."""
    full = ask({"instances": [{**ROW, "wind_speed": None, "holiday": None}]})
    short = ask({"instances": [{"carrier": "AA", "hour": 8}]})
    assert (short.status_code, short.json()) == (200, full.json())


def test_every_field_s_error_at_once(ask) -> None:
    """A 422 is problem+json, names each wrong field of each row with the fix, and the version that refused."""
    response = ask({"instances": [{**ROW, "hour": 24}, {"carrier": "american", "hour": "8", "wind_spd": 1}]})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], problem["model"], problem["version"]) == (422, MODEL, "1")
    assert problem["instance"] == f"/v1/models/{MODEL}/predict"
    errors = {error["field"]: error["message"] for error in problem["errors"]}
    assert set(errors) == {
        "instances.0.hour", "instances.1.carrier", "instances.1.hour", "instances.1.wind_spd",
    }  # fmt: skip
    assert errors["instances.0.hour"] == "must be at most 23 in h, got 24"
    assert "did you mean 'wind_speed'?" in errors["instances.1.wind_spd"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ([], [""]),
        ({}, ["instances"]),
        ({"instances": [ROW], "entities": ["1"]}, ["instances"]),
        ({"instances": []}, ["instances"]),
        ({"instances": ROW}, ["instances"]),
        ({"rows": [ROW]}, ["rows", "instances"]),
        ({"instances": [1]}, ["instances.0"]),
    ],
)
def test_body_of_another_shape(ask, body: Any, fields: list[str]) -> None:
    """A body that is not one of the two forms gets an error that names them."""
    response = ask(body)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == fields


def test_body_that_is_no_json(ask) -> None:
    """No JSON is 400."""
    response = ask(b"{")
    assert (response.status_code, response.json()["title"]) == (400, "Bad Request")


@pytest.mark.parametrize(
    "body",
    [
        b'{"\\ud800": 1}',
        b'{"instances": [{"\\uDFFF": 1}]}',
        b'{"entities": ["a\\ud83d"]}',
        b'{"entities": ["\xed\xa0\x80"]}',
        b'{"entities": ["\xff"]}',
        '{"entities": ["1"]}'.encode("utf-16"),
    ],
)
def test_what_is_no_character_is_refused(ask, body: bytes) -> None:
    """In values and in names, which no answer could repeat; it was the service's own failure once."""
    assert ask(body).status_code == 400


def test_characters_beyond_the_first_plane_are_characters(ask) -> None:
    """Both halves together are one."""
    response = ask(b'{"instances": [{"\\ud83d\\ude00": 1}]}')
    assert response.status_code == 422
    assert "instances.0.\U0001f600" in [error["field"] for error in response.json()["errors"]]


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"1e999"])
def test_number_that_is_not_finite_is_refused(ask, value: bytes) -> None:
    """What Python's JSON reads beyond the standard never reaches the model."""
    row = json.dumps({**ROW, "wind_speed": 0}).encode().replace(b'"wind_speed": 0', b'"wind_speed": ' + value)
    response = ask(b'{"instances": [' + row + b"]}")
    assert [e["field"] for e in response.json()["errors"]] == ["instances.0.wind_speed"]


def test_limits(ask) -> None:
    """Too many rows or bytes are 413 and say the limit."""
    response = ask({"instances": [ROW] * 1001})
    assert response.status_code == 413
    assert "at most 1000 rows" in response.json()["detail"]
    response = ask({"instances": [ROW] * 1000}, serving_max_bytes=2000)
    assert response.status_code == 413
    assert "at most 2000 bytes" in response.json()["detail"]


def test_unknown_model_and_path(ask) -> None:
    """A model that is not there is 404 with the known names."""
    response = ask({"instances": [ROW]}, "arival_delay")
    assert response.status_code == 404
    assert (response.json()["known"], response.json()["errors"]) == ([MODEL], [])
    assert response.headers["content-type"] == "application/problem+json"


def test_model_without_a_live_version(serve, registry: MemoryRegistry) -> None:
    """A registered model that nobody promoted is 503 with the reason."""

    async def test() -> None:
        async with serve() as running:
            response = await running.predict({"instances": [ROW]})
            assert response.status_code == 503
            assert "no version has the alias champion" in response.json()["detail"]
            assert response.headers["retry-after"]

    asyncio.run(test())


def test_other_failures_are_problems_too(serve, registry: MemoryRegistry, monkeypatch) -> None:
    """An unknown path, a wrong method and a bug of ours answer with problem+json."""

    async def test() -> None:
        registry.promote("1")
        async with serve() as running:
            for response, status in (
                (await running.client.get("/v1/nothing"), 404),
                (await running.client.get(f"/v1/models/{MODEL}/predict"), 405),
            ):
                assert response.status_code == response.json()["status"] == status
                assert response.headers["content-type"] == "application/problem+json"
            live = running.watcher.served[MODEL].live
            monkeypatch.setattr(live.predictor, "predict_rows", lambda rows: 1 / 0)
            response = await running.predict({"instances": [ROW]})
            assert (response.status_code, response.json()["title"]) == (500, "Internal Server Error")
            assert live.in_flight == 0

    asyncio.run(test())


def test_openapi_is_typed_by_the_live_contract(serve, registry: MemoryRegistry) -> None:
    """A model's path appears with its version, with every feature's type, bounds, unit and description."""

    async def test() -> None:
        path = f"/v1/models/{MODEL}/predict"
        async with serve() as running:
            assert path not in (await running.client.get("/openapi.json")).json()["paths"]
            registry.promote("1")
            await running.watcher.poll()
            document = (await running.client.get("/openapi.json")).json()
            operation = document["paths"][path]["post"]
            assert operation["description"] == "Will it be late?\n\nVersion 1, contract version 1."
            features = document["components"]["schemas"][f"{MODEL}_features"]
            assert features["required"] == ["carrier", "hour"]
            assert features["properties"]["hour"] == {
                "type": "number", "description": "In h", "minimum": 0, "maximum": 23, "x-unit": "h",
            }  # fmt: skip
            assert features["properties"]["carrier"]["pattern"] == "^(?:[A-Z0-9]{2})$"
            assert features["properties"]["holiday"]["type"] == ["boolean", "null"]
            forms = operation["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
            assert [form["required"] for form in forms] == [["instances"], ["entities"]]
            assert set(operation["responses"]) == {"200", "404", "413", "422", "503"}
            registry.promote("2")
            await running.watcher.poll()
            document = (await running.client.get("/openapi.json")).json()
            assert "Version 2" in document["paths"][path]["post"]["description"]
            assert (await running.client.get("/docs")).status_code == 200

    asyncio.run(test())


def test_metrics_count_requests_rows_and_strange_values(serve, registry: MemoryRegistry) -> None:
    """Requests by status, rows, nulls and unseen values, the live version and swaps can be read by Prometheus."""

    async def test() -> None:
        registry.promote("1")
        async with serve() as running:
            await running.predict({"instances": [ROW, {**ROW, "carrier": "ZZ", "holiday": None}]})
            await running.predict({"instances": [{}]})
            registry.promote("2")
            await running.watcher.poll()
            text = (await running.client.get("/metrics")).text
            for line in (
                f'hotclub_serving_requests_total{{model="{MODEL}",status="200",version="1"}} 1.0',
                f'hotclub_serving_requests_total{{model="{MODEL}",status="422",version="1"}} 1.0',
                f'hotclub_serving_request_seconds_count{{model="{MODEL}"}} 2.0',
                f'hotclub_serving_rows_total{{model="{MODEL}",version="1"}} 2.0',
                f'hotclub_serving_unseen_categories_total{{feature="carrier",model="{MODEL}"}} 1.0',
                f'hotclub_serving_null_values_total{{feature="holiday",model="{MODEL}"}} 1.0',
                f'hotclub_serving_swaps_total{{model="{MODEL}"}} 2.0',
                "hotclub_serving_registry_up 1.0",
            ):
                assert line in text
            live = [line for line in text.splitlines() if line.startswith("hotclub_serving_live_version{")]
            assert len(live) == 1
            assert 'version="2"' in live[0]

    asyncio.run(test())


@pytest.mark.parametrize(
    ("pattern", "portable"),
    [
        (r"[A-Z0-9]{2}", True),
        (r"(?:a|b)+(?=x)(?!y)(?<=z)(?<!w)", True),
        (r"\(?[0-9]+\)?", True),
        (r"a\++", True),
        (r"(?P<code>[A-Z]+)", False),
        (r"(?i)abc", False),
        (r"(?#note)a", False),
        (r"(?>a+)b", False),
        (r"a++", False),
        (r"a{2}+", False),
        (r"\Aabc\Z", False),
    ],
)
def test_openapi_has_patterns_that_other_languages_read(pattern: str, portable: bool) -> None:
    """JSON Schema means JavaScript's; one that only Python reads would break generated clients, and is said in words."""
    schema = openapi.feature_schema(FeatureSpec("code", "category", nullable=False, pattern=pattern))
    assert schema.get("pattern") == (f"^(?:{pattern})$" if portable else None)
    assert (pattern in schema.get("description", "")) is not portable
