"""The package: what is refused at load, and that engines agree."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hotclub import package
from hotclub.engines import XGBoostEngine
from hotclub.errors import ContractError, PackageError
from hotclub.model_registry import RegisteredModel, RegisteredVersion
from hotclub.package import shuffled_columns
from hotclub.package_cache import PackageCache
from hotclub.predictor import Predictor
from tests.factories import make_contract, make_package, make_rows

FROZEN = Path(__file__).parent / "frozen"


@pytest.fixture
def copy(small_package: Path, tmp_path: Path) -> Path:
    """A package of one's own to damage."""
    return Path(shutil.copytree(small_package, tmp_path / "package"))


def _truncate(folder: Path) -> None:
    content = (folder / package.MODEL).read_bytes()
    (folder / package.MODEL).write_bytes(content[: len(content) // 2])


def _golden(folder: Path) -> None:
    table = pq.read_table(folder / package.GOLDEN)
    margins = table["_margin_0"].to_numpy().copy()
    margins[3] += 0.01
    pq.write_table(
        table.set_column(table.schema.get_field_index("_margin_0"), "_margin_0", pa.array(margins)),
        folder / package.GOLDEN,
    )


def _fingerprint(folder: Path) -> None:
    data = json.loads((folder / package.CONTRACT).read_text())
    data["fingerprint"] = "0" * 64
    (folder / package.CONTRACT).write_text(json.dumps(data))


def _other_contract(folder: Path) -> None:
    other = make_contract(name="arrival_minutes", horizon_seconds=60)
    (folder / package.CONTRACT).write_text(json.dumps(other.to_json()))


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated model": (_truncate, "no engine gives the golden scores"),
    "altered golden score": (_golden, "a margin is off by 0.01"),
    "wrong fingerprint": (_fingerprint, "fingerprint says 000000000000"),
    "another model's contract": (_other_contract, "contract of arrival_minutes, not of arrival_delay"),
}


def _load(folder: Path) -> Predictor:
    return Predictor.load(package.read(folder, expect_model="arrival_delay"))


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_behind_a_fresh_manifest_is_found(copy: Path, damage: str) -> None:
    """Even where the manifest was written anew over the damage, loading says what is wrong."""
    change, words = DAMAGE[damage]
    change(copy)
    package.seal(copy)
    with pytest.raises(PackageError, match=words):
        _load(copy)


@pytest.mark.parametrize("name", package.FILES)
def test_any_altered_or_missing_file_is_named(copy: Path, name: str) -> None:
    """One more byte in a file, or no file at all, is refused with the file's name."""
    with (copy / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(PackageError, match=name):
        package.digest(copy)
    (copy / name).unlink()
    with pytest.raises(PackageError, match=f"{name} is missing"):
        package.digest(copy)


def test_engines_agree_bit_for_bit(small_package: Path) -> None:
    """Pylignum serves, and gives the scores that XGBoost gives."""
    found = package.read(small_package)
    fast = Predictor.load(found)
    slow = Predictor.load(found, engines=[XGBoostEngine])
    rows = make_rows(500, seed=11)
    assert (fast.engine.name, slow.engine.name) == ("pylignum", "xgboost")
    np.testing.assert_array_equal(fast.predict(rows).scores, slow.predict(rows).scores)


def test_rows_and_columns_give_equal_scores(small_package: Path) -> None:
    """JSON rows and Arrow columns give the same scores."""
    predictor = Predictor.load(package.read(small_package))
    rows = make_rows(200, seed=12)
    from_rows = predictor.predict_rows(rows.to_pylist())
    np.testing.assert_array_equal(predictor.predict(rows).scores, from_rows.scores)


@pytest.mark.parametrize(
    ("task", "changes"),
    [("regression", {"metric": "rmse"}), ("multiclass", {"metric": "log_loss", "classes": ("a", "b", "c")})],
)
def test_other_tasks_load_and_score(tmp_path: Path, task: str, changes: dict[str, Any]) -> None:
    """A regression and a multiclass package load on the fast engine and score in their own units."""
    contract = make_contract(task=task, gates={}, parameters={"num_boost_round": 5}, **changes)
    make_package(tmp_path / "package", contract)
    predictor = Predictor.load(package.read(tmp_path / "package"))
    scores = predictor.predict(make_rows(40, task=task)).scores
    assert predictor.engine.name == "pylignum"
    if task == "multiclass":
        assert scores.shape == (40, 3)
        np.testing.assert_allclose(np.ones(40), scores.sum(axis=1))
    else:
        assert scores.shape == (40,)


class _WrongEngine:
    """An engine that is fast and wrong."""

    name = "wrong"

    def __init__(self, model: Path, threads: int) -> None:
        del threads
        self._real = XGBoostEngine(model, 1)

    def margins(self, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        margins = self._real.margins(matrix)
        margins[-1] += 1
        return margins


def test_wrong_engine_does_not_serve(small_package: Path) -> None:
    """An engine that misses one golden margin gives way to the next, and the reason is kept."""
    predictor = Predictor.load(package.read(small_package), engines=[_WrongEngine, XGBoostEngine])
    assert predictor.engine.name == "xgboost"
    assert "off by 1" in predictor.refused["wrong"]


def test_golden_rows_are_nobodys(small_package: Path) -> None:
    """Each golden column holds real values; put together they are not the rows of training."""
    rows = make_rows().select([f.name for f in make_contract().features])
    golden = package.read(small_package).golden.slice(0, package.GOLDEN_ROWS)
    real = {tuple(row.values()) for row in rows.to_pylist()}
    assert golden.num_rows == package.GOLDEN_ROWS
    # With four features, of which three have few values, some meet a real row by chance; unshuffled all would.
    told_apart = [row for row in golden.to_pylist() if row["wind_speed"] is not None]
    assert len(told_apart) > 200
    assert sum(tuple(row.values()) in real for row in told_apart) < 0.1 * len(told_apart)
    assert shuffled_columns(rows, 5, seed=1) == shuffled_columns(rows, 5, seed=1)


def test_no_pickle_in_a_package(small_package: Path) -> None:
    """A package holds exactly the files of the format, and none begins as a pickle does."""
    files = sorted(path.name for path in small_package.iterdir())
    assert files == sorted([*package.FILES, package.MANIFEST])
    assert not any((small_package / name).read_bytes().startswith(b"\x80\x04") for name in files)


def test_frozen_format_1_still_loads() -> None:
    """A package written by the first version of this format is read and serves; it has no golden scores."""
    found = package.read(FROZEN / "format-1")
    predictor = Predictor.load(found)
    assert predictor.contract.name == "arrival_delay"
    assert found.golden_scores is None
    np.testing.assert_allclose(
        predictor.predict(found.golden).scores,
        1 / (1 + np.exp(-found.golden_margins.astype(float))),
        rtol=1e-4,
    )


def test_frozen_format_2_still_loads() -> None:
    """A package with golden scores, of a model of counts: the answers are counts, not their logarithms."""
    found = package.read(FROZEN / "format-2")
    predictor = Predictor.load(found)
    assert predictor.contract.policy.parameters["objective"] == "count:poisson"
    scores = predictor.predict(found.golden).scores
    np.testing.assert_allclose(scores, found.golden_scores, rtol=1e-4)
    np.testing.assert_allclose(np.log(scores), found.golden_margins, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("objective", ["multi:softmax", "count:poisson", "binary:logitraw"])
def test_a_package_whose_objective_gives_no_score_is_refused(copy: Path, objective: str) -> None:
    """A contract that names another objective than the model has never serves, whichever format says it."""
    contract = make_contract(parameters={"objective": objective})
    (copy / package.CONTRACT).write_text(json.dumps(contract.to_json()))
    package.seal(copy)
    with pytest.raises(ContractError, match="for task = 'binary': binary:logistic"):
        _load(copy)


def test_a_link_other_than_the_models_is_found(tmp_path: Path) -> None:
    """Margins alone cannot tell an exp from none: golden scores do."""
    contract = make_contract(task="regression", metric="rmse", gates={}, parameters={"num_boost_round": 5})
    make_package(tmp_path / "p", contract)
    renamed = dataclasses.replace(
        contract, policy=dataclasses.replace(contract.policy, parameters={"objective": "count:poisson"})
    )
    (tmp_path / "p" / package.CONTRACT).write_text(json.dumps(renamed.to_json()))
    package.seal(tmp_path / "p")
    with pytest.raises(PackageError, match=r"a score is (off by|not)"):
        _load(tmp_path / "p")


@pytest.mark.parametrize("column", ["_margin_0", "_score_0"])
def test_a_golden_answer_that_is_no_number_proves_nothing(copy: Path, column: str) -> None:
    """An infinity is as close to an infinity as numpy can tell: a package that holds one is refused."""
    table = pq.read_table(copy / package.GOLDEN)
    values = table[column].to_numpy().copy()
    values[0] = np.inf
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, column, pa.array(values)), copy / package.GOLDEN)
    package.seal(copy)
    with pytest.raises(PackageError, match="is not a finite number"):
        _load(copy)


def test_format_2_without_scores_is_refused(copy: Path) -> None:
    """A package of today that lost its golden scores is not read as one of yesterday."""
    table = pq.read_table(copy / package.GOLDEN)
    pq.write_table(table.drop_columns(["_score_0"]), copy / package.GOLDEN)
    package.seal(copy)
    with pytest.raises(PackageError, match="no rows with scores"):
        package.read(copy)


def test_unknown_formats_are_named(copy: Path) -> None:
    """A package of tomorrow is refused with the formats that are read today."""
    manifest = json.loads((copy / package.MANIFEST).read_text())
    (copy / package.MANIFEST).write_text(json.dumps(manifest | {"format": 3}))
    with pytest.raises(PackageError, match="format 3; this version of Hotclub reads 1 and 2"):
        package.read(copy)


class _FolderRegistry:
    """A registry at the edge: one version, in a folder. `hotclub.mlflow_rest` is held to the same calls elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.downloads = 0

    def models(self) -> list[RegisteredModel]:
        return []

    def version(self, model: str, version: str) -> RegisteredVersion:
        digest = package.digest(self.folder)
        return RegisteredVersion(model, version, "", "", tags={"hotclub.package_digest": digest})

    def version_by_alias(self, model: str, alias: str) -> RegisteredVersion:
        return self.version(model, "1")

    def versions(self, model: str) -> list[RegisteredVersion]:
        return [self.version(model, "1")]

    def download(self, version: RegisteredVersion, destination: Path) -> None:
        self.downloads += 1
        shutil.copytree(self.folder, destination, dirs_exist_ok=True)


class TestCache:
    """Packages by content, downloaded once."""

    def test_second_fetch_needs_no_registry(self, small_package: Path, tmp_path: Path) -> None:
        """The second fetch comes from the folder."""
        registry = _FolderRegistry(small_package)
        cache = PackageCache(tmp_path / "cache", registry)
        version = registry.version("arrival_delay", "1")
        assert cache.fetch(version).digest == cache.fetch(version).digest == version.digest
        assert registry.downloads == 1

    def test_damaged_copy_is_downloaded_again(self, small_package: Path, tmp_path: Path) -> None:
        """A file that rotted in the cache is replaced by the registry's."""
        registry = _FolderRegistry(small_package)
        cache = PackageCache(tmp_path / "cache", registry)
        version = registry.version("arrival_delay", "1")
        found = cache.fetch(version)
        (found.path / package.MODEL).write_bytes(b"rot")
        assert Predictor.load(cache.fetch(version)).engine.name == "pylignum"
        assert registry.downloads == 2

    def test_other_content_than_the_tag_says_is_refused(self, small_package: Path, tmp_path: Path) -> None:
        """A package that is not the one whose digest the registry names is refused, and nothing is left behind."""
        registry = _FolderRegistry(small_package)
        cache = PackageCache(tmp_path / "cache", registry)
        version = RegisteredVersion("arrival_delay", "1", "", "", tags={"hotclub.package_digest": "ab" * 32})
        with pytest.raises(PackageError, match="the registry's tag says abababababab"):
            cache.fetch(version)
        assert list((tmp_path / "cache").iterdir()) == []

    @pytest.mark.parametrize("digest", ["../../etc", "", "AB" * 32])
    def test_digest_must_be_a_sha256(self, small_package: Path, tmp_path: Path, digest: str) -> None:
        """A tag that could lead out of the cache's folder is refused."""
        cache = PackageCache(tmp_path, _FolderRegistry(small_package))
        version = RegisteredVersion("arrival_delay", "1", "", "", tags={"hotclub.package_digest": digest})
        with pytest.raises(PackageError, match="sha256"):
            cache.fetch(version)
