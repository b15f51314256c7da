"""The demo's models raise no alarm: what is known an hour before departure is no leak."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from hotclub import contract_files, names
from tests.conftest import ROOT, Database
from tests.training.runs import prepare
from training import inspection, steps


@pytest.mark.parametrize("model", ["arrival_delay", "arrival_minutes"])
@pytest.mark.parametrize("from_declaration", [False, True])
def test_no_leakage(database: Database, tmp_path: Path, model: str, *, from_declaration: bool) -> None:
    """Two weeks through the view, as the reader, and through the declaration's SQL, as the app: nothing critical."""
    declared = contract_files.find_model(model, [ROOT / "django_app" / "flights" / "contracts"])
    policy = dataclasses.replace(declared.policy, evaluate_days=3, stopping_days=3)
    contract = dataclasses.replace(declared, policy=policy)
    role = names.ROLE_APP if from_declaration else names.ROLE_READER
    run = _run(tmp_path, contract, database.url(role), from_declaration=from_declaration)
    found = inspection.inspect(run)
    assert [f for f in found["findings"] if f["severity"] == "critical"] == []
    assert found["problems"] == []
    assert found["rows"] > found["labelled"] > 10_000
    assert found["left_out"]["count"] == 0
    alone = {f["name"]: f["alone"] for f in found["features"]}
    assert max(value for value in alone.values() if value is not None) < 0.9


def _run(folder: Path, contract: Any, url: str, *, from_declaration: bool) -> steps.Run:
    from tests.factories import make_rows

    run = prepare(folder, contract, make_rows(60), from_declaration=from_declaration)
    settings = run.settings.model_copy(update={"reader_database_url": SecretStr(url)})
    return dataclasses.replace(run, settings=settings)
