"""Entity keys to features, on a real PostgreSQL as role hotclub_serving."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from pydantic import SecretStr

from hotclub import names
from hotclub.entity_values import entity_keys
from tests.factories import make_contract
from tests.serving.conftest import MODEL, ROW, MemoryRegistry

VIEW = names.qualified_view_name(MODEL, 1)


@pytest.fixture(scope="module")
def database(provision):
    """A database with a feature view of three rows, one of them with nulls and a category never seen."""
    made = provision("serving")
    with psycopg.connect(made.url(names.ROLE_MIGRATOR)) as connection:
        connection.execute("SET ROLE hotclub_views")
        connection.execute(
            f"CREATE VIEW {VIEW} AS SELECT * FROM (VALUES"
            " (1::bigint, 'EWR', now(), 1::float8, 'AA', 8::float8, 10.5::float8, false),"
            " (2::bigint, 'EWR', now(), NULL, 'ZZ', 9::float8, NULL, NULL),"
            " (-9223372036854775808, 'JFK', now(), NULL, 'B6', 0, 0.1, true))"
            " AS v(entity, tenant, event_time, label, carrier, hour, wind_speed, holiday)"
        )
    return made


@pytest.fixture
def serve_with_database(serve, registry: MemoryRegistry, database):
    """A function that starts the application with look-ups, version 1 live."""
    registry.promote("1")
    return lambda url=None: serve(serving_database_url=SecretStr(url or database.url(names.ROLE_SERVING)))


def test_both_forms_give_the_same_answer(serve_with_database) -> None:
    """Features that are looked up score as the same features sent do, in the order of the keys, repeated or not."""

    async def test() -> None:
        async with serve_with_database() as running:
            by_key = (await running.predict({"entities": ["2", 1, "01", "-9223372036854775808"]})).json()
            sent = {
                "instances": [
                    {"carrier": "ZZ", "hour": 9, "wind_speed": None, "holiday": None},
                    ROW,
                    ROW,
                    {"carrier": "B6", "hour": 0, "wind_speed": 0.1, "holiday": True},
                ]
            }
            assert by_key == (await running.predict(sent)).json()
            assert by_key["unseen"] == {"carrier": 1}

    asyncio.run(test())


def test_unknown_keys_are_named(serve_with_database) -> None:
    """Each key without a row is an error of its own."""

    async def test() -> None:
        async with serve_with_database() as running:
            response = await running.predict({"entities": ["1", "99", 100]})
            assert response.status_code == 422
            assert response.json()["errors"] == [
                {"field": "entities.1", "message": f"{VIEW} has no row with pk '99'"},
                {"field": "entities.2", "message": f"{VIEW} has no row with pk '100'"},
            ]

    asyncio.run(test())


@pytest.mark.parametrize("key", ["abc", "1.5", 1.5, True, None, {}, "9223372036854775808", ""])
def test_key_of_another_type_is_named(serve_with_database, key: object) -> None:
    """What cannot be a key is refused before PostgreSQL is asked."""

    async def test() -> None:
        async with serve_with_database() as running:
            response = await running.predict({"entities": ["1", key]})
            assert response.status_code == 422
            assert [error["field"] for error in response.json()["errors"]] == ["entities.1"]

    asyncio.run(test())


def test_text_and_uuid_keys() -> None:
    """Keys of other types are converted to the form in which PostgreSQL prints them."""
    text = make_contract(entity_type="text")
    assert entity_keys(text, ["a b", 7]) == ["a b", "7"]
    uuid = make_contract(entity_type="uuid")
    key = "3F2504E0-4F89-11D3-9A0C-0305E82C3301"
    assert entity_keys(uuid, [key]) == [key.lower()]


def test_database_down_leaves_instances_working(serve_with_database) -> None:
    """Without PostgreSQL a look-up is 503 and says so, and instances are answered."""

    async def test() -> None:
        async with serve_with_database("postgresql://nobody@/nothing?host=/nonexistent") as running:
            response = await running.predict({"entities": ["1"]})
            assert response.status_code == 503
            assert "send instances instead" in response.json()["detail"]
            assert await running.version() == "1"
            assert (await running.client.get("/v2/health/ready")).status_code == 200

    asyncio.run(test())


@pytest.fixture
def _without_view(database) -> Iterator[None]:
    with psycopg.connect(database.url(names.ROLE_MIGRATOR)) as connection:
        connection.execute("SET ROLE hotclub_views")
        connection.execute(f"ALTER VIEW {VIEW} RENAME TO gone")
    yield
    with psycopg.connect(database.url(names.ROLE_MIGRATOR)) as connection:
        connection.execute("SET ROLE hotclub_views")
        connection.execute(f"ALTER VIEW {names.SCHEMA_FEATURES}.gone RENAME TO {names.view_name(MODEL, 1)}")


@pytest.mark.usefixtures("_without_view")
def test_missing_view_is_named(serve_with_database) -> None:
    """A view that was not built is 503 with its name."""

    async def test() -> None:
        async with serve_with_database() as running:
            response = await running.predict({"entities": ["1"]})
            assert response.status_code == 503
            assert f"the view {VIEW} is missing" in response.json()["detail"]

    asyncio.run(test())


def test_look_ups_off(serve, registry: MemoryRegistry) -> None:
    """Without a database URL entities are refused with the variable's name."""

    async def test() -> None:
        registry.promote("1")
        async with serve() as running:
            response = await running.predict({"entities": ["1"]})
            assert response.status_code == 503
            assert "HOTCLUB_SERVING_DATABASE_URL" in response.json()["detail"]

    asyncio.run(test())
