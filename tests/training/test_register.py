"""Features of every kind through a real MLflow and back: what was scored is what it loads and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hotclub import names, package
from hotclub.columns import view_schema
from hotclub.contract import FeatureSpec
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.predictor import Predictor
from tests.factories import FEATURES, make_contract, make_rows
from tests.training.runs import prepare
from training import register, steps

pytestmark = pytest.mark.integration


def _rows(features: tuple[FeatureSpec, ...], **changed: Any) -> pa.Table:
    """Rows of the factory, in which columns are replaced, or added, by name."""
    contract = make_contract(features=features)
    table = make_rows()
    for name, values in changed.items():
        kind = view_schema(contract).field(name).type
        column = pa.array(list(values(table.num_rows)), kind)
        place = table.schema.get_field_index(name)
        table = table.append_column(name, column) if place < 0 else table.set_column(place, name, column)
    return table.select(view_schema(contract).names)


def _feature(name: str, kind: str) -> FeatureSpec:
    return FeatureSpec(name, kind, nullable=True)  # type: ignore[arg-type]  # a kind by name


ONLY_NULLS = lambda n: [None] * n  # noqa: E731  # a column by its number of rows, as those below
CASES: dict[str, tuple[tuple[FeatureSpec, ...], dict[str, Any]]] = {
    "booleans_half_null": (FEATURES, {"holiday": lambda n: [(None, True, False, None)[i % 4] for i in range(n)]}),
    "boolean_only_nulls": (FEATURES, {"holiday": ONLY_NULLS}),
    "number_only_nulls": (FEATURES, {"wind_speed": ONLY_NULLS}),
    "category_only_nulls": ((*FEATURES, _feature("tail", "category")), {"tail": ONLY_NULLS}),
    "not_ascii": (
        (*FEATURES, _feature("city", "category")),
        {"city": lambda n: [("Zürich", "東京", "O'Hare \"x\"", "", None)[i % 5] for i in range(n)]},
    ),
    "reserved_words": (
        (*FEATURES, *(_feature(n, "number") for n in ("inputs", "instances", "dataframe_split", "params", "columns", "index", "data"))),
        {n: lambda n: [i % 7 for i in range(n)] for n in ("inputs", "instances", "dataframe_split", "params", "columns", "index", "data")},
    ),
    "boolean_not_nullable": (
        (FeatureSpec("holiday", "boolean", nullable=False), FeatureSpec("hour", "number", nullable=False)),
        {"holiday": lambda n: [i % 3 == 0 for i in range(n)]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_registered_and_loaded_by_mlflow_it_scores_the_same(
    tmp_path: Path, mlflow_url: str, case: str
) -> None:
    """Signature and input example are accepted, and `mlflow.pyfunc.load_model` gives the scores of serving."""
    import mlflow

    features, changed = CASES[case]
    contract = make_contract(case, features=features, baseline_by=("hour",))
    rows = _rows(features, **changed)
    run = prepare(tmp_path, contract, rows, url=mlflow_url)
    for step in (steps.fit, steps.evaluate, steps.register):
        result = step(run)
    assert result["version"] == "1"
    frame = rows.select(contract.feature_names).slice(0, 200).to_pandas()
    model = mlflow.pyfunc.load_model(f"models:/{case}/1")
    expected = Predictor.load(package.read(run.folder.package)).predict(rows.slice(0, 200)).scores
    np.testing.assert_array_equal(model.predict(frame), expected)
    example = register.input_example(contract, run.folder)
    assert list(example.columns) == list(contract.feature_names)


def test_nullable_features_may_be_left_out(tmp_path: Path, mlflow_url: str) -> None:
    """What the signature calls optional may be absent from the frame: it is missing, as at the endpoint."""
    import mlflow

    contract = make_contract("left_out")
    run = prepare(tmp_path, contract, make_rows(), url=mlflow_url)
    for step in (steps.fit, steps.evaluate, steps.register):
        step(run)
    rows = make_rows(50, seed=3)
    frame = rows.select(["carrier", "hour"]).to_pandas()
    expected = Predictor.load(package.read(run.folder.package)).predict_rows(
        [{"carrier": row["carrier"], "hour": row["hour"]} for row in rows.to_pylist()]
    )
    model = mlflow.pyfunc.load_model("models:/left_out/1")
    np.testing.assert_array_equal(model.predict(frame), expected.scores)
    with pytest.raises(mlflow.MlflowException, match="hour"):
        model.predict(frame.drop(columns="hour"))


def test_a_model_of_counts_answers_in_counts_everywhere(tmp_path: Path, mlflow_url: str) -> None:
    """Evaluation, the package and MLflow's loader agree on the unit, and the metrics are of that unit."""
    import mlflow

    table = make_rows(task="regression")
    label = pa.array(np.floor(np.exp(table["label"].to_numpy() / 12)))
    rows = table.set_column(table.schema.get_field_index("label"), "label", label)
    contract = make_contract(
        "counts", task="regression", metric="mae", gates={"mae": 5},
        parameters={"objective": "count:poisson", "num_boost_round": 40},
    )  # fmt: skip
    run = prepare(tmp_path, contract, rows, url=mlflow_url)
    steps.fit(run)
    evaluation = steps.evaluate(run)
    assert evaluation["metrics"]["mae"] < evaluation["baselines"]["constant"]["mae"]
    steps.register(run)
    frame = rows.select(contract.feature_names).slice(0, 100).to_pandas()
    scores = mlflow.pyfunc.load_model("models:/counts/1").predict(frame)
    assert scores.min() > 0
    assert abs(scores.mean() - label.slice(0, 100).to_numpy().mean()) < 1


def test_a_step_that_runs_again_does_not_bring_an_older_challenger_back(
    tmp_path: Path, mlflow_url: str
) -> None:
    """Its task was cleared in Airflow; the newer version stays the one that a person looks at."""
    contract = make_contract("cleared")
    older, newer = (
        prepare(tmp_path, contract, make_rows(), key=key, url=mlflow_url) for key in ("older", "newer")
    )
    for run in (older, newer):
        for step in (steps.fit, steps.evaluate, steps.register):
            assert step(run) is not None
    again = steps.register(older)
    assert (again["version"], again["challenger"]) == ("1", False)
    registry = MlflowRegistry(mlflow_url)
    try:
        assert registry.version_by_alias("cleared", names.ALIAS_CHALLENGER).version == "2"
    finally:
        registry.close()
