"""A model with classes and without a time: labels in answers and in OpenAPI, looked up by key, swapped while it runs."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from hotclub import answers, names, package
from hotclub.predictor import Predictor
from tests.factories import make_contract, make_package
from tests.serving.conftest import ROW, MemoryRegistry

MODEL = "species"
CLASSES = ("Adelie", "Gentoo", "Chinstrap")
CHOICES = {"carrier": (("AA", "American"), ("B6", "B6"), ("UA", "United, of Chicago"))}
VIEW = names.qualified_view_name(MODEL, 1)


def _without_time(folder: Path) -> None:
    """Make the package's contract that of rows without a time, as training leaves it."""
    contract = package.read(folder).contract
    schema = dataclasses.replace(contract.schema, event_time=None, horizon_seconds=0)
    policy = dataclasses.replace(contract.policy, evaluate_days=None, stopping_days=None)
    (folder / package.CONTRACT).write_text(
        json.dumps(dataclasses.replace(contract, schema=schema, policy=policy).to_json())
    )
    package.seal(folder)


@pytest.fixture(scope="module")
def species(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function from rounds, and changes of the contract, to a package of `species`; each is fitted once."""
    made: dict[str, Path] = {}

    def fitted(rounds: int = 5, **changes: Any) -> Path:
        key = repr((rounds, changes))
        if key not in made:
            made[key] = tmp_path_factory.mktemp("species") / "package"
            defaults: dict[str, Any] = {
                "task": "multiclass", "classes": CLASSES, "metric": "accuracy", "gates": {}, "choices": CHOICES,
                "parameters": {"num_boost_round": rounds}, "tenant_path": None,
            }  # fmt: skip
            make_package(made[key], make_contract(MODEL, **{**defaults, **changes}))
            _without_time(made[key])
        return made[key]

    return fitted


def _expected(folder: Path, rows: list[dict[str, Any]]) -> list[Any]:
    predictor = Predictor.load(package.read(folder))
    return answers.of_scores(predictor.contract, predictor.predict_rows(rows).scores.tolist())


def test_answers_name_the_classes(serve, registry: MemoryRegistry, species) -> None:
    """Label and every probability by name, and the names in the list of models."""
    registry.add("1", species(), model=MODEL)
    registry.promote("1", MODEL)
    rows = [{**ROW, "hour": hour} for hour in (0, 8, 23)]

    async def test() -> None:
        async with serve() as running:
            found = (await running.predict({"instances": rows}, MODEL)).json()["predictions"]
            assert found == _expected(species(), rows)
            for answer in found:
                assert tuple(answer["probabilities"]) == CLASSES
                assert answer["probabilities"][answer["label"]] == max(answer["probabilities"].values())
                assert sum(answer["probabilities"].values()) == pytest.approx(1)
            assert len({answer["label"] for answer in found}) > 1
            assert (await running.status(MODEL))["classes"] == list(CLASSES)

    asyncio.run(test())


def test_two_classes(serve, registry: MemoryRegistry, species) -> None:
    """A binary model with names answers as one with many."""
    folder = species(task="binary", classes=("on time", "late"), metric="roc_auc")
    registry.add("1", folder, model=MODEL)
    registry.promote("1", MODEL)

    async def test() -> None:
        async with serve() as running:
            (found,) = (await running.predict({"instances": [ROW]}, MODEL)).json()["predictions"]
            (score,) = Predictor.load(package.read(folder)).predict_rows([ROW]).scores.tolist()
            assert found["probabilities"] == {"on time": 1 - score, "late": score}
            assert found["label"] == ("late" if score >= 0.5 else "on time")

    asyncio.run(test())


def test_without_classes_an_answer_is_a_number(serve, registry: MemoryRegistry) -> None:
    """As ever, and the list of models says that there are none."""

    async def test() -> None:
        registry.promote("1")
        async with serve() as running:
            (found,) = (await running.predict({"instances": [ROW]})).json()["predictions"]
            assert isinstance(found, float)
            assert (await running.status())["classes"] == []

    asyncio.run(test())


def test_openapi_names_classes_and_choices(serve, registry: MemoryRegistry, species) -> None:
    """The schema of the answer is that of what is answered, and a category's values have their names for people."""
    registry.add("1", species(), model=MODEL)
    registry.promote("1", MODEL)

    async def test() -> None:
        async with serve() as running:
            document = (await running.client.get("/openapi.json")).json()
            operation = document["paths"][f"/v1/models/{MODEL}/predict"]["post"]
            answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
            item = answer["properties"]["predictions"]["items"]
            assert item == answers.json_schema(package.read(species()).contract)
            assert item["properties"]["label"]["enum"] == list(CLASSES)
            assert item["properties"]["probabilities"]["required"] == list(CLASSES)
            features = document["components"]["schemas"][f"{MODEL}_features"]["properties"]
            assert features["carrier"]["description"] == "IATA code. AA: American, B6, UA: United, of Chicago"
            assert features["carrier"]["x-choices"] == [
                {"value": "AA", "name": "American"}, {"value": "B6", "name": "B6"},
                {"value": "UA", "name": "United, of Chicago"},
            ]  # fmt: skip
            # A value that training has never seen is accepted: choices are no list of what is allowed.
            assert "enum" not in features["carrier"]
            assert "x-choices" not in features["hour"]

    asyncio.run(test())


@pytest.fixture(scope="module")
def database(provision):
    """A database with the view of rows that have no time, keyed by UUID."""
    made = provision("serving_classes")
    with psycopg.connect(made.url(names.ROLE_MIGRATOR)) as connection:
        connection.execute("SET ROLE hotclub_views")
        connection.execute(
            f"CREATE VIEW {VIEW} AS SELECT * FROM (VALUES"
            " ('3f2504e0-4f89-11d3-9a0c-0305e82c3301'::uuid, NULL::text, NULL::timestamptz, NULL::float8, 'AA', 8::float8,"
            " 10.5::float8, false))"
            " AS v(entity, tenant, event_time, label, carrier, hour, wind_speed, holiday)"
        )
    return made


def test_looked_up_by_key_and_swapped_while_it_runs(
    serve, registry: MemoryRegistry, species, database
) -> None:
    """Rows without a time are found by their key; another version takes over with its own names."""
    registry.add("1", species(entity_type="uuid"), model=MODEL)
    renamed = ("A", "G", "C")
    registry.add("2", species(9, entity_type="uuid", classes=renamed), model=MODEL)
    registry.promote("1", MODEL)
    key = "3F2504E0-4F89-11D3-9A0C-0305E82C3301"

    async def test() -> None:
        async with serve(serving_database_url=SecretStr(database.url(names.ROLE_SERVING))) as running:
            found = (await running.predict({"entities": [key]}, MODEL)).json()
            assert found["predictions"] == _expected(species(entity_type="uuid"), [ROW])
            unknown = await running.predict(
                {"entities": [key, "3f2504e0-4f89-11d3-9a0c-0305e82c3302"]}, MODEL
            )
            assert [error["field"] for error in unknown.json()["errors"]] == ["entities.1"]
            registry.promote("2", MODEL)
            await running.watcher.poll()
            (answer,) = (await running.predict({"entities": [key]}, MODEL)).json()["predictions"]
            assert tuple(answer["probabilities"]) == renamed
            assert (await running.status(MODEL))["classes"] == list(renamed)

    asyncio.run(test())


def test_a_package_whose_classes_do_not_fit_never_serves(
    serve, registry: MemoryRegistry, species, tmp_path: Path
) -> None:
    """The version that was live goes on answering, and the reason has both numbers."""
    import shutil

    damaged = Path(shutil.copytree(species(9), tmp_path / "damaged"))
    contract = package.read(damaged).contract
    schema = dataclasses.replace(contract.schema, classes=CLASSES[:2])
    (damaged / package.CONTRACT).write_text(
        json.dumps(dataclasses.replace(contract, schema=schema).to_json())
    )
    package.seal(damaged)
    registry.add("1", species(), model=MODEL)
    registry.add("2", damaged, model=MODEL)
    registry.promote("1", MODEL)

    async def test() -> None:
        async with serve() as running:
            registry.promote("2", MODEL)
            await running.watcher.poll()
            status = await running.status(MODEL)
            assert (status["version"], status["champion"]) == ("1", "2")
            assert "names 2 classes (Adelie, Gentoo)" in status["failure"]
            assert "a row has 3" in status["failure"]

    asyncio.run(test())
