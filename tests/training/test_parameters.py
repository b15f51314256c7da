"""The table of parameters and the table of objectives, held to the real XGBoost."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import xgboost

from hotclub import names, objectives, package, parameters
from hotclub.contract import ModelContract
from hotclub.errors import ContractError, PackageError
from hotclub.predictor import Predictor
from tests.factories import make_contract, make_package, make_rows
from training import fit
from training.splits import boundaries, split_rows

_EXTRAS: dict[str, dict[str, Any]] = {
    "reg:quantileerror": {"quantile_alpha": 0.5},
    "reg:tweedie": {"tweedie_variance_power": 1.3},
    "reg:pseudohubererror": {"huber_slope": 2},
}


def _sample(known: parameters.Number | parameters.Choice) -> Any:
    """A value that the table allows."""
    if isinstance(known, parameters.Choice):
        return known.words[-1]
    value = 1.5 if known.low < 1.5 < known.high else 0.5
    return max(1, int(known.low)) if known.whole else value


def _contract(objective: str, **declared: Any) -> ModelContract:
    task = objectives.ALLOWED[objective].task
    chosen = {"objective": objective, "num_boost_round": 8, "max_depth": 3, **_EXTRAS.get(objective, {})}
    return make_contract(
        task=task,
        metric={"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}[task],
        classes=("a", "b", "c") if task == "multiclass" else (),
        gates={},
        parameters=chosen | declared,
    )


def _rows(objective: str, rows: int = 1500) -> pa.Table:
    """Rows whose label the objective accepts: skewed counts for the log links, shares for the logistic one."""
    task = objectives.ALLOWED[objective].task
    table = make_rows(rows, task=task)
    if task != "regression" or objective in ("reg:squarederror", "reg:absoluteerror"):
        return table
    label = table[names.COLUMN_LABEL].to_numpy() / 10
    changed = 1 / (1 + np.exp(-label)) if objective == "reg:logistic" else np.exp(label)
    if objective == "count:poisson":
        changed = np.floor(changed)
    place = table.schema.get_field_index(names.COLUMN_LABEL)
    return table.set_column(place, names.COLUMN_LABEL, pa.array(changed))


def _own_answers(folder: Path, rows: pa.Table) -> npt.NDArray[np.float32]:
    """What a plain XGBoost user gets from the model file, without any code of Hotclub's but the matrix."""
    from hotclub.matrix import MatrixBuilder

    found = package.read(folder)
    booster = xgboost.Booster(model_file=found.model)
    matrix = MatrixBuilder(found.contract.features, found.vocabulary).build(rows).values
    return np.asarray(booster.predict(xgboost.DMatrix(matrix)))


@pytest.mark.parametrize("objective", objectives.ALLOWED)
def test_scores_are_what_xgboost_itself_answers(tmp_path: Path, objective: str) -> None:
    """For every objective that is allowed, both engines answer in the label's unit, as XGBoost's predict does."""
    rows = _rows(objective)
    make_package(tmp_path / "package", _contract(objective), rows)
    predictor = Predictor.load(package.read(tmp_path / "package"))
    scores = predictor.predict(rows).scores
    np.testing.assert_allclose(scores, _own_answers(tmp_path / "package", rows), rtol=1e-5, atol=1e-6)
    if objectives.ALLOWED[objective].task == "regression":
        label = rows[names.COLUMN_LABEL].to_numpy()
        # In the label's unit: nearer to the labels than to their logarithms.
        assert abs(np.median(scores) - np.median(label)) < 0.5 * np.ptp(np.quantile(label, [0.1, 0.9]))


def test_every_objective_of_xgboost_is_decided() -> None:
    """Of the objectives that this XGBoost has none is forgotten: each is allowed, or refused with a reason."""
    with pytest.raises(xgboost.core.XGBoostError) as refused:
        xgboost.train({"objective": "none"}, xgboost.DMatrix([[1.0]], label=[1]), 1)
    candidates = set(re.findall(r"Objective candidate: (\S+)", str(refused.value)))
    assert len(candidates) > 10
    assert candidates <= {*objectives.ALLOWED, *objectives.REFUSED}
    assert set(objectives.ALLOWED) <= candidates


@pytest.mark.parametrize(
    "objective", [o for o in objectives.ALLOWED if objectives.ALLOWED[o].task != "multiclass"]
)
def test_labels_that_xgboost_refuses_are_refused_before(objective: str) -> None:
    """Where XGBoost stops at a label with a C++ trace, the table says so too."""
    known = objectives.ALLOWED[objective]
    for label in (-2.0, -0.5, 0.0, 0.5, 1.0, 3.0):
        matrix = xgboost.DMatrix([[1.0], [2.0]], label=[label, 1.0])
        # A base_score of one's own: XGBoost's estimate of it has rules of its own.
        chosen = {"objective": objective, "base_score": 0.5, "nthread": 1, **_EXTRAS.get(objective, {})}
        try:
            xgboost.train(chosen, matrix, 1)
        except xgboost.core.XGBoostError:
            assert not known.accepts(np.array([label]))[0], label


class TestTable:
    """Names and values of the table are XGBoost's own."""

    @staticmethod
    def _train(chosen: dict[str, Any]) -> None:
        random = np.random.default_rng(1)
        matrix = xgboost.DMatrix(random.normal(size=(60, 4)), label=random.integers(0, 2, 60))
        xgboost.train({"verbosity": 1, "nthread": 1, "validate_parameters": True, **chosen}, matrix, 2)

    def test_xgboost_tells_of_a_name_that_it_does_not_use(self) -> None:
        """The check below can fail: XGBoost warns of what it does not use."""
        with pytest.warns(UserWarning, match="max_dept"):
            self._train({"max_dept": 3})

    @pytest.mark.parametrize("name", [*parameters.ALLOWED, *parameters.ALIASES])
    def test_every_name_is_used(self, name: str) -> None:
        """No name of the table is unknown to XGBoost, and a value that is allowed is taken."""
        first = parameters.ALIASES.get(name, name)
        if first in parameters.OURS:
            pytest.skip("not XGBoost's own")
        key, wanted = parameters.READ_WITH.get(first, ("objective", "binary:logistic"))
        beside = {"objective": "reg:squarederror"} if key == "booster" else {}
        value = 0.5 if first == "base_score" else _sample(parameters.ALLOWED[first])
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            self._train({**beside, key: wanted, **_EXTRAS.get(wanted, {}), name: value})
        assert [str(w.message) for w in told] == []

    @pytest.mark.parametrize(
        ("name", "value"),
        [("max_depth", -1), ("max_bin", 1), ("learning_rate", "fast"), ("tree_method", "fast"),
         ("grow_policy", "fast"), ("min_child_weight", -1), ("max_delta_step", -1),
         ("subsample", 1.5), ("colsample_bynode", 2), ("min_split_loss", -1),
         ("reg_lambda", -1), ("reg_alpha", -1), ("max_leaves", -1), ("booster", "fast"),
         ("sample_type", "fast"), ("rate_drop", 1.5), ("skip_drop", -1)],
    )  # fmt: skip
    def test_what_xgboost_refuses_the_table_refuses(self, name: str, value: Any) -> None:
        """A value that would end a fit with a trace ends makecontracts with words."""
        beside = {"booster": "dart"} if name in ("sample_type", "rate_drop", "skip_drop") else {}
        with pytest.raises((xgboost.core.XGBoostError, ValueError)):
            self._train({"objective": "binary:logistic", **beside, name: value})
        assert parameters.ALLOWED[name].error(value) is not None

    @pytest.mark.parametrize(
        ("task", "metric"), [(t, m) for t, ms in parameters.EVAL_METRICS.items() for m in ms]
    )
    def test_every_metric_is_known(self, task: str, metric: str) -> None:
        """Each metric of the table watches a fit of its task."""
        objective = {"quantile": "reg:quantileerror"}.get(metric, objectives.DEFAULTS[task])
        rows = _rows("reg:gamma") if task == "regression" else _rows(objective)
        contract = _contract(objective, eval_metric=metric, base_score=0.5)
        splits = split_rows(contract, rows, boundaries(contract, rows))
        _, _, facts = fit.fit(contract, splits, threads=1, progress=lambda text: None)
        assert facts["early_stopping_metric"] == metric


def _fit(contract: ModelContract, said: list[str] | None = None) -> dict[str, Any]:
    rows = make_rows(task=contract.schema.task)
    progress = (said if said is not None else []).append
    _, _, facts = fit.fit(
        contract, split_rows(contract, rows, boundaries(contract, rows)), threads=1, progress=progress
    )
    return facts


def test_a_list_of_metrics_is_watched_and_the_last_one_stops() -> None:
    """Progress names each; the last of the list is the one whose best round is kept."""
    said: list[str] = []
    facts = _fit(_contract("binary:logistic", eval_metric=["logloss", "auc"]), said)
    assert "logloss" in said[0]
    assert "auc" in said[0]
    assert facts["early_stopping_metric"] == "auc"
    assert 0.5 < facts["early_stopping_score"] < 1


def test_without_early_stopping_every_round_is_kept() -> None:
    """None for early_stopping_rounds fits as many rounds as num_boost_round says, also where they get worse."""
    declared = {"early_stopping_rounds": None, "num_boost_round": 60, "learning_rate": 1}
    assert _fit(_contract("binary:logistic", **declared))["rounds"] == 60
    assert _fit(_contract("binary:logistic", **declared | {"early_stopping_rounds": 5}))["rounds"] < 60


@pytest.mark.parametrize(("patience", "kept"), [(None, 60), (5, None)])
def test_the_package_has_the_rounds_that_are_kept(patience: int | None, kept: int | None) -> None:
    """Every round without early stopping, those up to the best one with it: engines answer with all that are there."""
    contract = _contract(
        "binary:logistic", early_stopping_rounds=patience, num_boost_round=60, learning_rate=1
    )
    rows = make_rows()
    splits = split_rows(contract, rows, boundaries(contract, rows))
    model, _, facts = fit.fit(contract, splits, threads=1, progress=lambda text: None)
    booster = xgboost.Booster()
    booster.load_model(bytearray(model))
    assert booster.num_boosted_rounds() == facts["rounds"] == (kept or facts["rounds"])


def test_another_name_of_a_parameter_replaces_the_default() -> None:
    """`eta` is learning_rate: XGBoost gets one of them, the declared."""
    chosen = fit.parameters(_contract("binary:logistic", eta=0.3), threads=1)
    assert (chosen["learning_rate"], "eta" in chosen) == (0.3, False)


def test_monotone_by_name_holds_on_that_feature(tmp_path: Path) -> None:
    """Falling in `hour` although the rows rise: no score rises with the hour. Without the constraint they do."""
    rises = []
    for declared in ({"monotone_constraints": {"hour": -1}}, {}):
        folder = tmp_path / str(len(rises))
        make_package(folder, _contract("binary:logistic", **declared))
        row = {"carrier": "AA", "wind_speed": 10.0, "holiday": False}
        scores = (
            Predictor.load(package.read(folder)).predict_rows([{**row, "hour": h} for h in range(24)]).scores
        )
        rises.append(float(np.diff(scores).max()))
    assert rises[0] <= 0 < rises[1]


def test_interaction_by_name_keeps_features_apart(tmp_path: Path) -> None:
    """Two features in groups of their own: what one adds to the margin does not depend on the other."""
    declared = {"interaction_constraints": [["hour"], ["wind_speed"], ["carrier", "holiday"]]}
    make_package(tmp_path / "p", _contract("binary:logistic", **declared))
    predictor = Predictor.load(package.read(tmp_path / "p"))

    def margin(hour: float, wind: float) -> float:
        row = {"carrier": "AA", "holiday": False, "hour": hour, "wind_speed": wind}
        score = float(predictor.predict_rows([row]).scores[0])
        return float(np.log(score / (1 - score)))

    assert margin(20, 5) - margin(3, 5) == pytest.approx(margin(20, 25) - margin(3, 25), abs=1e-5)


def test_dart_is_served_by_the_engine_that_reads_it(tmp_path: Path) -> None:
    """The fast engine answers DART models wrongly; the golden rows show it, and XGBoost's own serves."""
    declared = {"booster": "dart", "rate_drop": 0.5, "early_stopping_rounds": None, "num_boost_round": 12}
    make_package(tmp_path / "p", _contract("binary:logistic", **declared))
    predictor = Predictor.load(package.read(tmp_path / "p"))
    assert predictor.engine.name == "xgboost"
    assert "golden rows: a margin is off by" in predictor.refused["pylignum"]
    rows = make_rows(300)
    np.testing.assert_allclose(predictor.predict(rows).scores, _own_answers(tmp_path / "p", rows), atol=1e-6)


@pytest.mark.parametrize(
    "declared",
    [
        {"num_parallel_tree": 3, "subsample": 0.5, "colsample_bynode": 0.5},
        {"scale_pos_weight": 3},
        {"max_delta_step": 1},
        {"base_score": 0.2},
        {"tree_method": "exact"},
        {"grow_policy": "lossguide", "max_leaves": 5, "max_depth": 0},
    ],
)
def test_parameters_that_change_trees_are_answered_as_by_xgboost(
    tmp_path: Path, declared: dict[str, Any]
) -> None:
    """Forests, weights, steps and a base score of one's own: whoever serves says what XGBoost says."""
    make_package(tmp_path / "p", _contract("binary:logistic", **declared))
    rows = make_rows(300, seed=3)
    scores = Predictor.load(package.read(tmp_path / "p")).predict(rows).scores
    np.testing.assert_allclose(scores, _own_answers(tmp_path / "p", rows), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("declared", [{"max_dept": 3}, {"objective": "multi:softmax"}, {"nthread": 4}])
def test_a_contract_file_from_before_the_check_is_refused_in_words(declared: dict[str, Any]) -> None:
    """Training checks the contract's parameters too: a file may be older than the rules."""
    with pytest.raises(ContractError, match="parameters"):
        fit.parameters(make_contract(parameters=declared), threads=1)


def test_a_package_whose_link_is_wrong_is_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Golden scores come from XGBoost's own predict: a table that maps an objective wrongly ends the fit."""
    import dataclasses

    wrong = dataclasses.replace(objectives.ALLOWED["count:poisson"], link=objectives._unchanged)
    monkeypatch.setitem(objectives.ALLOWED, "count:poisson", wrong)  # type: ignore[arg-type]  # a dict, behind Mapping
    with pytest.raises(PackageError, match="golden rows: a score is off by"):
        make_package(tmp_path / "p", _contract("count:poisson"), _rows("count:poisson"))


def test_golden_rows_have_a_gap_in_each_feature(tmp_path: Path) -> None:
    """Rows without a null in training still verify what an engine does with one: an unseen category is one."""
    rows = make_rows()
    whole = rows.filter(pc.and_(pc.is_valid(rows["wind_speed"]), pc.is_valid(rows["holiday"])))
    make_package(tmp_path / "p", rows=whole)
    golden = package.read(tmp_path / "p").golden
    assert [golden[name].null_count for name in golden.column_names] == [2, 2, 2, 2]
