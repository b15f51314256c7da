"""Training, on a laptop: rows in a folder, a real MLflow, and the version that comes out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hotclub import names, package
from hotclub.errors import GateError, HotclubError, PackageError, RegistryError, RegistryNotFoundError
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.model_registry import RegisteredVersion
from hotclub.package_cache import PackageCache
from hotclub.predictor import Predictor
from tests.factories import make_contract, make_package, make_rows
from tests.training.runs import prepare, without_time
from training import champion_scores, steps
from training.run_folder import StepMissingError


def _run(folder: Path, key: str, url: str = "http://127.0.0.1:9", **options: Any) -> steps.Run:
    contract = make_contract(**options.pop("contract", {"name": options.pop("name", "arrival_delay")}))
    rows = make_rows(task=contract.schema.task)
    return prepare(folder, contract, rows, url=url, key=key, **options)


def test_step_without_the_one_before(tmp_path: Path) -> None:
    """Evaluating before fitting says which step is missing."""
    run = _run(tmp_path, "k")
    with pytest.raises(StepMissingError, match="python -m training fit"):
        steps.evaluate(run)


class TestChampionThatCannotBeScored:
    """What passes is tried again; what stays fails the gate."""

    @pytest.fixture
    def run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> steps.Run:
        """A fitted run, beside a champion of which the registry knows."""
        crowned = RegisteredVersion("arrival_delay", "4", "", "", tags={names.TAG_DIGEST: "0" * 64})
        monkeypatch.setattr(champion_scores.MlflowRegistry, "version_by_alias", lambda *_: crowned)
        run = _run(tmp_path, "k")
        steps.fit(run)
        return run

    @pytest.mark.parametrize(
        "failure", [RegistryError("MLflow answered 503"), psycopg.OperationalError("the server went away")]
    )
    def test_outage_is_raised(
        self, run: steps.Run, monkeypatch: pytest.MonkeyPatch, failure: Exception
    ) -> None:
        """While MLflow or the database is away the step fails, for the task to be tried again."""
        monkeypatch.setattr(champion_scores.PackageCache, "fetch", _raising(failure))
        with pytest.raises(type(failure)):
            steps.evaluate(run)

    @pytest.mark.parametrize(
        "failure",
        [
            PackageError("altered"),
            RegistryNotFoundError("no such artifact"),
            psycopg.errors.UndefinedColumn("no hour"),
        ],
    )
    def test_champion_that_never_will_fails_the_gate(
        self, run: steps.Run, monkeypatch: pytest.MonkeyPatch, failure: Exception
    ) -> None:
        """A champion that is refused is not the same as no champion: the gate names version and reason."""
        monkeypatch.setattr(champion_scores.PackageCache, "fetch", _raising(failure))
        result = steps.evaluate(run)
        verdict = next(v for v in result["gates"] if v["gate"] == "worse_than_champion_by")
        assert (verdict["passed"], result["passed"]) == (False, False)
        assert verdict["message"] == f"champion version 4 could not be scored: {failure}"

    def test_champion_of_another_task_fails_the_gate(
        self, run: steps.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A model whose task changed has a champion that cannot be compared; a person decides."""
        make_package(tmp_path / "old", make_contract(version=2, task="regression", metric="rmse", gates={}))
        monkeypatch.setattr(champion_scores.PackageCache, "fetch", lambda *_: package.read(tmp_path / "old"))
        verdict = next(v for v in steps.evaluate(run)["gates"] if v["gate"] == "worse_than_champion_by")
        assert not verdict["passed"]
        assert "predicts something else" in verdict["message"]


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def test_without_leaves_features_out_by_name_and_group(tmp_path: Path) -> None:
    """A group's features are gone from the package, and such a run is never registered."""
    constraints = {
        "monotone_constraints": {"wind_speed": 1, "hour": 1},
        "interaction_constraints": [["holiday"]],
    }
    options = {"name": "arrival_delay", "parameters": {"num_boost_round": 5, **constraints}}
    run = _run(tmp_path, "k", without=("weather", "holiday"), contract=options)
    steps.fit(run)
    assert package.read(run.folder.package).contract.feature_names == ("carrier", "hour")
    with pytest.raises(HotclubError, match="not registered"):
        steps.register(run)
    with pytest.raises(HotclubError, match="no feature or group; there are: carrier"):
        steps.fit(_run(tmp_path, "k", without=("wether",)))


@pytest.mark.parametrize("option", ["sample", "from_declaration", "no_champion"])
def test_runs_for_comparing_are_not_registered(tmp_path: Path, option: str) -> None:
    """Neither with the option nor by a register that is called without it."""
    run = _run(tmp_path, "k", **{option: 100 if option == "sample" else True})
    with pytest.raises(HotclubError, match=f"a run with --{option.replace('_', '-')} is for comparing"):
        steps.register(run)
    later = _run(tmp_path, "later", no_champion=True)
    steps.fit(later)
    steps.evaluate(later)
    if option != "no_champion":
        facts = later.folder.read("snapshot")
        later.folder.write("snapshot", facts | {option: 100 if option == "sample" else True})
        evaluation = later.folder.read("evaluation")
        later.folder.write("evaluation", evaluation | {"champion": evaluation["champion"] | {"asked": True}})
    with pytest.raises(HotclubError, match=f"--{option.replace('_', '-')} is for comparing"):
        steps.register(dataclasses.replace(later, no_champion=False))


def test_a_model_that_is_poorer_than_a_constant_says_so(tmp_path: Path) -> None:
    """In progress, evaluation and description: its labels are noise, and it has learned them."""
    rows = make_rows()
    noise = np.random.default_rng(11).permutation(rows[names.COLUMN_LABEL].to_numpy())
    rows = rows.set_column(rows.schema.get_field_index("label"), "label", pa.array(noise))
    contract = make_contract(
        metric="log_loss", gates={},
        parameters={"num_boost_round": 60, "max_depth": 8, "early_stopping_rounds": None, "learning_rate": 0.5},
    )  # fmt: skip
    run = prepare(tmp_path, contract, rows, no_champion=True)
    said: list[str] = []
    object.__setattr__(run, "progress", said.append)
    steps.fit(run)
    evaluation = steps.evaluate(run)
    words = evaluation["no_better_than_constant"]
    assert words.startswith("poorer than the constant baseline: log_loss ")
    assert f"WARNING: {words}" in said
    assert f"- WARNING: {words}" in (run.folder.path / "description.md").read_text()
    assert not _evaluated(tmp_path)["no_better_than_constant"]


def _evaluated(folder: Path) -> dict[str, Any]:
    run = _run(folder, "good", no_champion=True)
    steps.fit(run)
    return steps.evaluate(run)


def test_same_rows_give_the_same_package(tmp_path: Path) -> None:
    """Two runs over one snapshot write packages with one digest."""
    first, second = (steps.fit(_run(tmp_path, key))["digest"] for key in ("a", "b"))
    assert first == second


class TestRegistered:
    """Through a real MLflow."""

    def test_challenger_with_what_serving_needs(self, tmp_path: Path, mlflow_url: str) -> None:
        """A run that passes its gates is a version with tags, a description and the alias challenger, once."""
        run = _run(tmp_path, "once", mlflow_url, name="passes")
        for step in (steps.fit, steps.evaluate):
            step(run)
        first, again = steps.register(run), steps.register(run)
        registry = MlflowRegistry(mlflow_url)
        version = registry.version_by_alias("passes", names.ALIAS_CHALLENGER)
        assert (first["version"], again["version"], version.version) == ("1", "1", "1")
        assert version.contract_fingerprint == run.contract.fingerprint
        version.require_gates()
        for words in ("Will it be late?", "roc_auc ↑", "mean by carrier hour", "✓ roc_auc"):
            assert words in version.description
        assert "passes" in {model.name for model in registry.models()}
        metrics = registry.metrics(version.run_id)
        assert metrics["roc_auc"] > metrics["baseline_mean_by_carrier_hour_roc_auc"] > 0.5
        registry.close()

    def test_failed_gates_are_registered_without_alias(self, tmp_path: Path, mlflow_url: str) -> None:
        """A version below its gates is kept for people to see, tagged, and no alias points at it."""
        options = {"name": "fails", "gates": {"roc_auc": 0.99}}
        run = _run(tmp_path, "k", mlflow_url, contract=options)
        for step in (steps.fit, steps.evaluate, steps.register):
            step(run)
        registry = MlflowRegistry(mlflow_url)
        failed = registry.version("fails", "1")
        assert failed.tags[names.TAG_GATES] == names.GATES_FAILED
        with pytest.raises(
            GateError, match=r"^gates: failed \(roc_auc 0\.\d+, at least 0\.99 wanted\); to serve"
        ):
            failed.require_gates()
        with pytest.raises(RegistryNotFoundError):
            registry.version_by_alias("fails", names.ALIAS_CHALLENGER)
        registry.close()

    @pytest.mark.parametrize("gates", [{}, {"worse_than_champion_by": 0.01}], ids=["none", "champion alone"])
    def test_a_version_that_no_gate_has_measured(
        self, tmp_path: Path, mlflow_url: str, gates: dict[str, float]
    ) -> None:
        """Registered for people to see, tagged as that, no challenger, and refused by whoever would serve it."""
        name = f"ungated{len(gates)}"
        run = _run(tmp_path, "k", mlflow_url, contract={"name": name, "gates": gates})
        for step in (steps.fit, steps.evaluate):
            result = step(run)
        assert (result["gates_outcome"], result["passed"]) == (names.GATES_NONE, False)
        registered = steps.register(run)
        assert (registered["gates"], registered["challenger"]) == (names.GATES_NONE, False)
        registry = MlflowRegistry(mlflow_url)
        version = registry.version(name, "1")
        with pytest.raises(RegistryNotFoundError):
            registry.version_by_alias(name, names.ALIAS_CHALLENGER)
        registry.close()
        assert version.tags[names.TAG_GATES] == "none declared"
        assert "Gates: none declared" in version.description
        assert "passed" not in version.description
        with pytest.raises(GateError, match="no gate has measured this version"):
            version.require_gates()

    @pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
    def test_rows_without_a_time_from_fit_to_registry(
        self, tmp_path: Path, mlflow_url: str, task: str
    ) -> None:
        """No day anywhere: facts, evaluation, scores and description do without."""
        metric, limit = {
            "binary": ("roc_auc", 0.6),
            "multiclass": ("accuracy", 0.4),
            "regression": ("r2", 0.2),
        }[task]
        contract, rows = without_time(
            make_contract(
                f"timeless_{task}", task=task, metric=metric, gates={metric: limit},
                classes=("low", "middle", "high") if task == "multiclass" else (),
            ),
            make_rows(task=task).sort_by(names.COLUMN_LABEL),
        )  # fmt: skip
        run = prepare(tmp_path, contract, rows, url=mlflow_url)
        for step in (steps.fit, steps.evaluate, steps.register):
            result = step(run)
        assert (result["gates"], result["version"]) == (names.GATES_PASSED, "1")
        facts, evaluation = run.folder.read("fit"), run.folder.read("evaluation")
        assert (facts["stopping_from"], evaluation["first_event"], evaluation["last_event"]) == (
            None,
            None,
            None,
        )
        assert sum(split["rows"] for split in facts["splits"].values()) == 2000
        registry = MlflowRegistry(mlflow_url)
        description = registry.version(contract.name, "1").description
        registry.close()
        assert f"held out {evaluation['rows']} rows by a hash" in description
        assert pq.read_table(run.folder.scores).num_rows == evaluation["rows"]

    def test_champion_is_measured_on_the_same_rows(self, tmp_path: Path, mlflow_url: str) -> None:
        """With a champion there, its metrics stand beside the candidate's; identical models are equally good."""
        registry = MlflowRegistry(mlflow_url)
        for key in ("first", "second"):
            run = _run(tmp_path, key, mlflow_url, name="crowned")
            steps.fit(run)
            result = steps.evaluate(run)
            version = steps.register(run)["version"]
            if key == "first":
                registry.set_alias("crowned", names.ALIAS_CHAMPION, version)
        registry.close()
        assert result["champion"]["version"] == "1"
        assert result["champion"]["metrics"] == result["metrics"]

    def test_evaluation_serving_and_mlflow_agree(self, tmp_path: Path, mlflow_url: str) -> None:
        """The package from the registry, MLflow's own loader and the evaluation give equal scores."""
        import mlflow

        run = _run(tmp_path, "k", mlflow_url, name="agrees")
        for step in (steps.fit, steps.evaluate, steps.register):
            step(run)
        registry = MlflowRegistry(mlflow_url)
        version = registry.version("agrees", "1")
        predictor = Predictor.load(PackageCache(tmp_path / "cache", registry).fetch(version))
        registry.close()
        scored = pq.read_table(run.folder.scores)
        every = pq.read_table(run.folder.snapshot)
        rows = every.slice(every.num_rows - scored.num_rows)
        np.testing.assert_array_equal(scored["score"].to_numpy(), predictor.predict(rows).scores)
        mlflow.set_tracking_uri(mlflow_url)
        model = mlflow.pyfunc.load_model("models:/agrees/1")
        frame = rows.select(run.contract.feature_names).slice(0, 50).to_pandas()
        np.testing.assert_array_equal(scored["score"].to_numpy()[:50], model.predict(frame))

    def test_no_pickle_is_registered(self, tmp_path: Path, mlflow_url: str) -> None:
        """None of the files that MLflow keeps for a version is a pickle."""
        run = _run(tmp_path, "k", mlflow_url, name="clean")
        for step in (steps.fit, steps.evaluate, steps.register):
            step(run)
        import mlflow

        mlflow.set_tracking_uri(mlflow_url)
        folder = Path(mlflow.artifacts.download_artifacts("models:/clean/1", dst_path=str(tmp_path / "all")))
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert {"MLmodel", "model.ubj", "golden.parquet"} <= {path.name for path in files}
        assert not [
            p
            for p in files
            if p.suffix in {".pkl", ".pickle", ".joblib"} or p.read_bytes()[:2] == b"\x80\x04"
        ]
        signature = json.loads((folder / "MLmodel").read_text().split("inputs: '")[1].split("'")[0])
        assert {c["name"]: c["required"] for c in signature}["wind_speed"] is False


def test_registry_that_is_down_says_where(tmp_path: Path) -> None:
    """An MLflow that does not answer is a RegistryError with its address."""
    registry = MlflowRegistry("http://127.0.0.1:9", client=httpx.Client(base_url="http://127.0.0.1:9"))
    with pytest.raises(RegistryError, match=r"does not answer at http://127\.0\.0\.1:9"):
        registry.models()
    registry.close()


def test_a_fit_takes_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While XGBoost fits, no other fit of this machine may begin."""
    import fcntl

    from training import fit

    run = _run(tmp_path, "k")
    train, seen = fit.xgboost.train, []

    def trying(*arguments: Any, **options: Any) -> Any:
        with (run.settings.snapshots / ".fit.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                seen.append("free")
            except BlockingIOError:
                seen.append("taken")
        return train(*arguments, **options)

    monkeypatch.setattr(fit.xgboost, "train", trying)
    steps.fit(run)
    assert seen == ["taken"]
