"""A model that was fitted on the test history, in the package cache of each test."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from django_app.ingest.models import Delivery
from django_app.ingest.services.loading import delivery_load
from django_app.registry import selectors as registry
from django_app.registry.selectors import ModelVersionRef
from django_app.scoring import predictors
from django_app.scoring.services import chunks
from hotclub import contract_files, names, package
from hotclub.columns import COPY_FORMAT, COPY_SETTINGS, table_from_csv, view_schema
from hotclub.contract import ModelContract, ViewSpec
from hotclub.model_registry import RegisteredVersion
from tests.conftest import ROOT, Database
from tests.factories import make_contract, make_package

CONTRACTS = ROOT / "django_app" / "flights" / "contracts"
#: The day of the deliveries that `load` makes, and when the first of them lands.
DELIVERED = dt.date(2013, 11, 1)
LANDED = dt.datetime(2013, 11, 1, 12, tzinfo=dt.UTC)
#: The classes of `flight_length`, whose rows have no time.
CLASSES = ("short", "medium", "long")
#: Flights of a higher number are none of the rows of `flight_length`.
LAST_NUMBER = 7999
_VIEW = f"""
    SELECT f.id::bigint AS entity, a.tenant_id::text AS tenant, NULL::timestamptz AS event_time, NULL::float8 AS label,
      f.carrier_id::text AS carrier, extract(hour FROM f.scheduled_departure AT TIME ZONE 'UTC')::float8 AS hour,
      NULL::float8 AS wind_speed, false AS holiday
    FROM flights_flight f JOIN flights_airport a ON a.code = f.origin_id WHERE f.number <= {LAST_NUMBER}
"""


def view_table(database: Database, contract: ModelContract) -> Any:
    """Return every labelled row of a feature view, read as the reader."""
    buffer = io.BytesIO()
    with psycopg.connect(database.url(names.ROLE_READER)) as connection, connection.cursor() as cursor:
        cursor.execute(COPY_SETTINGS)
        with cursor.copy(
            f"COPY (SELECT * FROM {contract.view} WHERE label IS NOT NULL) TO STDOUT {COPY_FORMAT}"
        ) as rows:
            for block in rows:
                buffer.write(block)
    return table_from_csv(buffer.getvalue(), view_schema(contract))


@pytest.fixture(scope="session")
def arrival_delay(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ModelContract, Path, str]:
    """Contract, package folder and digest of a small arrival_delay."""
    declared = contract_files.find_model("arrival_delay", [CONTRACTS])
    policy = dataclasses.replace(
        declared.policy, evaluate_days=3, stopping_days=3, parameters={"num_boost_round": 20, "max_depth": 4}
    )
    contract = dataclasses.replace(declared, policy=policy)
    folder = tmp_path_factory.mktemp("package") / "arrival_delay"
    return contract, folder, make_package(folder, contract, view_table(database, contract))


@pytest.fixture
def ref(arrival_delay: tuple[ModelContract, Path, str], settings: Any) -> ModelVersionRef:
    """The champion, whose package is in this worker's cache: MLflow is not asked."""
    contract, folder, digest = arrival_delay
    shutil.copytree(folder, Path(settings.HOTCLUB_CACHE) / digest)
    predictors._load.cache_clear()
    tags = {names.TAG_DIGEST: digest, names.TAG_FINGERPRINT: contract.fingerprint}
    return ModelVersionRef(RegisteredVersion(contract.name, "3", "", "", tags=tags), contract)


@pytest.fixture(scope="session")
def flight_length(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelContract, Path, str]:
    """Contract, package folder and digest of a small model of three classes, whose rows have no time."""
    fitted = make_contract(
        "flight_length", task="multiclass", classes=CLASSES, metric="accuracy", gates={},
        parameters={"num_boost_round": 5}, view=ViewSpec(_VIEW, (), ("flights_flight", "flights_airport")),
        score_on="flight_schedule",
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("package") / "flight_length"
    make_package(folder, fitted)
    schema = dataclasses.replace(fitted.schema, event_time=None, horizon_seconds=0)
    policy = dataclasses.replace(fitted.policy, evaluate_days=None, stopping_days=None)
    contract = dataclasses.replace(fitted, schema=schema, policy=policy)
    (folder / package.CONTRACT).write_text(json.dumps(contract.to_json()))
    return contract, folder, package.seal(folder)


@pytest.fixture(scope="module")
def flight_length_view(database: Database, flight_length: tuple[ModelContract, Path, str]) -> Iterator[str]:
    """Its feature view, without the comment that names a contract: each test's contract has a fingerprint of its own."""
    view = flight_length[0].view
    with psycopg.connect(database.url(names.ROLE_MIGRATOR), autocommit=True) as connection:
        connection.execute("SET ROLE hotclub_views")
        connection.execute(f"CREATE VIEW {view} AS {_VIEW}")
        yield view
        connection.execute(f"DROP VIEW {view}")


@pytest.fixture
def timeless(
    flight_length: tuple[ModelContract, Path, str],
    flight_length_view: str,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sent: list[Any],
) -> Callable[..., ModelVersionRef]:
    """A function that makes `flight_length` a champion, and returns it; changes are of the schema, or of the policy."""

    def make(**changes: Any) -> ModelVersionRef:
        contract, folder, _ = flight_length
        fields = {field.name for field in dataclasses.fields(contract.schema)}
        parts = {
            "schema": dataclasses.replace(
                contract.schema, **{k: v for k, v in changes.items() if k in fields}
            ),
            "policy": dataclasses.replace(
                contract.policy, **{k: v for k, v in changes.items() if k not in fields}
            ),
        }
        own = dataclasses.replace(contract, **parts)
        copy = Path(shutil.copytree(folder, tmp_path / "flight_length-package"))
        (copy / package.CONTRACT).write_text(json.dumps(own.to_json()))
        digest = package.seal(copy)
        cache = Path(settings.HOTCLUB_CACHE)
        cache.mkdir(exist_ok=True)
        copy.rename(cache / digest)
        predictors._load.cache_clear()
        shutil.rmtree(tmp_path / "own-contracts", ignore_errors=True)  # of the champion before, if any
        contract_files.write(own, tmp_path / "own-contracts")
        settings.HOTCLUB_CONTRACTS = [tmp_path / "own-contracts", CONTRACTS]
        tags = {names.TAG_DIGEST: digest, names.TAG_FINGERPRINT: own.fingerprint}
        ref = ModelVersionRef(RegisteredVersion(own.name, "7", "", "", tags=tags), own)

        def champion(model: str) -> ModelVersionRef:
            if model != own.name:
                raise registry.NoChampionError(f"{model} has no champion")
            return ref

        monkeypatch.setattr(registry, "champion", champion)
        # The view is there; its comment is no contract's.
        monkeypatch.setattr(registry, "missing_view", lambda _: "")
        monkeypatch.setattr(chunks, "missing_view", lambda _: "")
        return ref

    return make


@pytest.fixture
def load(stage: Any) -> Callable[..., Delivery]:
    """A function that loads flights of Newark, by number, as a delivery does."""

    def go(*numbers: int, day: dt.date = DELIVERED, origin: str = "EWR", minutes: int = 0) -> Delivery:
        landed = LANDED + dt.timedelta(minutes=minutes)
        tenant = {"EWR": "EWR", "JFK": "JFK", "LGA": "LGA"}[origin]
        delivery = Delivery.objects.create(
            source="flight_schedule", tenant_id=tenant, day=day, sha256=uuid.uuid4().hex, size_bytes=1,
            archive_path="/nowhere", status="loading", attempts=1, landed_at=landed,
        )  # fmt: skip
        # Without an offset: New York's own time, while the session that finds the rows again has UTC.
        rows = [
            {
                "carrier": "UA", "flight_number": number, "origin": origin, "destination": "IAH",
                "tail_number": "N14228", "scheduled_departure": f"{day} 05:15:00",
                "scheduled_arrival": f"{day} 08:19:00", "distance": 1400,
            }
            for number in numbers
        ]  # fmt: skip
        stage(str(delivery.pk), rows)
        assert delivery_load(delivery_id=delivery.pk, clock=lambda: landed)
        return delivery

    return go
