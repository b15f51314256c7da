"""One row, one score: evaluation, batch, prediction request and both forms of the endpoint."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg.rows import dict_row

from hotclub import names, package
from tests.e2e.conftest import MODEL
from tests.live import LiveStack, wait_until

pytestmark = pytest.mark.e2e
ROWS = 1000

#: Most rows of one call of the endpoint.
CALL = 500


@pytest.fixture(scope="module")
def evaluated(live: LiveStack) -> dict[str, float]:
    """Entity and score as training's evaluation wrote them: rows with unseen categories first, then with nulls."""
    run = live.run_folder(MODEL, "1")
    vocabulary = json.loads((run / "package" / "vocabulary.json").read_text())
    snapshot = {str(row["entity"]): row for row in pq.read_table(run / "snapshot.parquet").to_pylist()}

    def strangeness(row: dict[str, Any]) -> tuple[bool, bool]:
        unseen = any(row[name] is not None and row[name] not in known for name, known in vocabulary.items())
        return not unseen, not any(value is None for value in row.values())

    table = pq.read_table(run / "scores.parquet")
    pairs = [
        (str(e), s) for e, s in zip(table["entity"].to_pylist(), table["score"].to_pylist(), strict=True)
    ]
    pairs.sort(key=lambda pair: strangeness(snapshot[pair[0]]))
    chosen = dict(pairs[: ROWS // 2] + pairs[-ROWS // 2 :])
    kinds = [strangeness(snapshot[entity]) for entity in chosen]
    assert len(chosen) == ROWS
    assert any(not seen for seen, _ in kinds), "no unseen category among the rows"
    assert any(not whole for _, whole in kinds), "no null among the rows"
    return chosen


@pytest.fixture(scope="module")
def features(live: LiveStack, evaluated: dict[str, float]) -> dict[str, dict[str, Any]]:
    """The rows' features as a caller would send them, by entity, from the view."""
    contract = package.read(live.run_folder(MODEL, "1") / "package").contract
    query = f"SELECT * FROM {contract.view} WHERE entity = ANY(%s)"
    with psycopg.connect(live.stack.role_url(names.ROLE_READER), row_factory=dict_row) as connection:
        rows = connection.execute(query, [[int(entity) for entity in evaluated]]).fetchall()
    return {str(row["entity"]): {name: row[name] for name in contract.feature_names} for row in rows}


def _parts(entities: list[str]) -> list[list[str]]:
    return [entities[start : start + CALL] for start in range(0, len(entities), CALL)]


def test_endpoint_by_entities(first_day: LiveStack, evaluated: dict[str, float]) -> None:
    """Keys, looked up in the view, give the scores of the evaluation, by version 1."""
    for part in _parts(list(evaluated)):
        answer = first_day.endpoint.post(f"/models/{MODEL}/predict", json={"entities": part}).json()
        assert answer["version"] == "1"
        assert answer["predictions"] == [evaluated[entity] for entity in part]


def test_endpoint_by_features(
    first_day: LiveStack, evaluated: dict[str, float], features: dict[str, dict[str, Any]]
) -> None:
    """The features themselves give the same, and unseen categories are counted."""
    unseen = 0
    for part in _parts(list(evaluated)):
        body = {"instances": [features[entity] for entity in part]}
        answer = first_day.endpoint.post(f"/models/{MODEL}/predict", json=body).json()
        assert answer["version"] == "1"
        assert answer["predictions"] == [evaluated[entity] for entity in part]
        unseen += sum(answer["unseen"].values())
    assert unseen > 0


def test_batch(first_day: LiveStack, evaluated: dict[str, float]) -> None:
    """A batch over the evaluation's days, scored by version 1, has the same score for each of the rows."""
    evaluation = json.loads((first_day.run_folder(MODEL, "1") / "evaluation.json").read_text())
    batch = first_day.batch(model=MODEL, start=evaluation["first_event"], end="2013-11-01T04:00:00+00:00")
    assert (batch["status"], batch["model_version"]) == ("done", "1")
    assert batch["rows_done"] == batch["rows_total"] >= evaluation["rows"]
    results = first_day.pages(f"/batches/{batch['id']}/results/", page_size=1000)
    scores = {row["entity"]: row["score"] for row in results}
    assert {entity: scores[entity] for entity in evaluated} == evaluated


def test_prediction_requests(
    first_day: LiveStack, evaluated: dict[str, float], features: dict[str, dict[str, Any]]
) -> None:
    """A request a row, scored by Celery, has the same score, and names version 1."""
    ids = {}
    for entity in evaluated:
        body = {"tenant": features[entity]["origin"], "model": MODEL, "features": features[entity]}
        answer = first_day.django.post("/prediction-requests/", json=body)
        assert answer.status_code == 202, answer.text
        ids[entity] = answer.json()["id"]
    last = f"/prediction-requests/{ids[entity]}/"
    wait_until("the last request", lambda: first_day.django.get(last).json()["status"] == "done", 120)

    def all_requests() -> dict[str, dict[str, Any]] | None:
        found = {r["id"]: r for r in first_day.pages("/prediction-requests/", page_size=1000)}
        return found if all(found[i]["status"] == "done" for i in ids.values()) else None

    found = wait_until("every request", all_requests, 60, every=1)
    assert {found[i]["model_version"] for i in ids.values()} == {"1"}
    assert {entity: found[i]["score"] for entity, i in ids.items()} == evaluated
