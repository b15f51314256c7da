"""A model that was fitted on the test history, in the package cache of each test."""

from __future__ import annotations

import dataclasses
import io
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest

from django_app.registry.selectors import ModelVersionRef
from django_app.scoring import predictors
from hotclub import contract_files, names
from hotclub.columns import COPY_FORMAT, COPY_SETTINGS, table_from_csv, view_schema
from hotclub.contract import ModelContract
from hotclub.model_registry import RegisteredVersion
from tests.conftest import ROOT, Database
from tests.factories import make_package

CONTRACTS = ROOT / "django_app" / "flights" / "contracts"


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
