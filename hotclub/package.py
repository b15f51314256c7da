"""The model package: what training registers, and serving and batch load. Written and read here alone.

A folder, without pickle:

- ``manifest.json``: format number and the sha256 of every other file; its own sha256 is the package's digest
- ``model.ubj``: XGBoost's own format, only the best iterations
- ``contract.json``: the contract that it was trained under
- ``vocabulary.json``: categories per feature, in the order of their codes
- ``golden.parquet``: rows of feature values, each column shuffled by itself, with the margins and scores XGBoost gave them
- ``reference.json``: histograms per feature and of the score, for drift

Format 1 had no golden scores: only its margins can be verified. Every format that was ever written is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from hotclub.columns import feature_schema
from hotclub.contract import ModelContract, canonical_json
from hotclub.errors import ContractError, PackageError

FORMAT = 2
_READ = (1, 2)
MANIFEST = "manifest.json"
MODEL = "model.ubj"
CONTRACT = "contract.json"
VOCABULARY = "vocabulary.json"
GOLDEN = "golden.parquet"
REFERENCE = "reference.json"
FILES = (MODEL, CONTRACT, VOCABULARY, GOLDEN, REFERENCE)
GOLDEN_ROWS = 256
_MARGIN = "_margin_"
_SCORE = "_score_"


@dataclass(frozen=True)
class Package:
    """A package that was read and whose files are what the manifest says.

    Attributes:
        path: its folder.
        digest: the sha256 of the manifest, in hexadecimal.
        golden: feature columns of the golden rows.
        golden_margins: float32, shape (rows,) or (rows, classes): what XGBoost answered in training.
        golden_scores: float32, the same shape: its own ``predict``; None in a package of format 1.
    """

    path: Path
    digest: str
    contract: ModelContract
    vocabulary: dict[str, list[str]]
    golden: pa.Table
    golden_margins: npt.NDArray[np.float32]
    golden_scores: npt.NDArray[np.float32] | None
    reference: dict[str, Any]

    @property
    def model(self) -> Path:
        """The booster's file."""
        return self.path / MODEL


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shuffled_columns(table: pa.Table, rows: int, seed: int) -> pa.Table:
    """Return up to `rows` rows in which each column was drawn by itself, so that no real row is among them."""
    random = np.random.default_rng(seed)
    size = min(rows, table.num_rows)
    picked = [column.take(pa.array(random.permutation(table.num_rows)[:size])) for column in table.columns]
    return pa.table(picked, names=table.column_names)


def golden_rows(table: pa.Table, seed: int) -> pa.Table:
    """Return rows that an engine must answer as XGBoost does: `GOLDEN_ROWS` shuffled ones, and what they may not show.

    After the shuffled rows come the first of them with one feature missing at a time, and a row without any
    value: an unseen category is missing even where training had no null.
    """
    shuffled = shuffled_columns(table, GOLDEN_ROWS, seed)
    first = shuffled.slice(0, 1).to_pylist()
    gaps = [{**row, name: None} for row in first for name in shuffled.column_names]
    nothing = dict.fromkeys(shuffled.column_names)
    return pa.concat_tables([shuffled, pa.Table.from_pylist([*gaps, nothing], schema=shuffled.schema)])


def write(
    path: Path,
    *,
    contract: ModelContract,
    model: bytes,
    vocabulary: Mapping[str, Sequence[str]],
    golden: pa.Table,
    golden_margins: npt.NDArray[np.float32],
    golden_scores: npt.NDArray[np.float32],
    reference: Mapping[str, Any],
) -> str:
    """Write a package into an empty or new folder and return its digest.

    Args:
        path: the folder.
        contract: what the model was trained under.
        model: the booster in UBJSON, already cut to its best iterations.
        vocabulary: categories per category feature.
        golden: one column per feature, see `golden_rows`.
        golden_margins: float32, shape (rows,) or (rows, classes).
        golden_scores: the same shape: what XGBoost's own ``predict`` answers.
        reference: histograms, as `training` makes them.
    """
    path.mkdir(parents=True, exist_ok=True)
    (path / MODEL).write_bytes(model)
    (path / CONTRACT).write_text(json.dumps(contract.to_json(), indent=2, ensure_ascii=False))
    (path / VOCABULARY).write_text(json.dumps(dict(vocabulary), indent=2, ensure_ascii=False))
    (path / REFERENCE).write_text(json.dumps(reference, indent=2, allow_nan=False))
    table = golden.select(contract.feature_names).cast(feature_schema(contract.features))
    for prefix, answers in ((_MARGIN, golden_margins), (_SCORE, golden_scores)):
        wide = answers.reshape(len(answers), -1)
        for column in range(wide.shape[1]):
            table = table.append_column(f"{prefix}{column}", pa.array(wide[:, column], pa.float32()))
    pq.write_table(table, path / GOLDEN)
    return seal(path)


def seal(path: Path) -> str:
    """Write the manifest over the files as they are, and return the package's digest."""
    manifest = {"format": FORMAT, "files": {name: _sha256(path / name) for name in FILES}}
    content = canonical_json(manifest)
    (path / MANIFEST).write_text(content)
    return hashlib.sha256(content.encode()).hexdigest()


def digest(path: Path) -> str:
    """Return a package's digest after comparing every file with the manifest.

    Raises:
        PackageError: no manifest, another format, or a file that is missing or altered.
    """
    manifest = _json(path / MANIFEST)
    if manifest.get("format") not in _READ:
        formats = " and ".join(map(str, _READ))
        raise PackageError(
            f"{MANIFEST}: format {manifest.get('format')!r}; this version of Hotclub reads {formats}"
        )
    listed = manifest.get("files")
    if not isinstance(listed, dict) or set(listed) != set(FILES):
        raise PackageError(f"{MANIFEST}: lists {sorted(listed or ())}, expected {sorted(FILES)}")
    for name, expected in listed.items():
        file = path / name
        if not file.is_file():
            raise PackageError(f"{name} is missing")
        if _sha256(file) != expected:
            raise PackageError(f"{name} is not the file that was packaged: its sha256 differs")
    return hashlib.sha256((path / MANIFEST).read_bytes()).hexdigest()


def read(path: Path, *, expect_model: str | None = None, expect_fingerprint: str | None = None) -> Package:
    """Read a package, trusting nothing: files, contract and fingerprint are compared first.

    Args:
        path: the folder.
        expect_model: the model's name in the registry.
        expect_fingerprint: the fingerprint that the registry's tag names.

    Raises:
        PackageError: the package must not serve; the message says why.
    """
    found = digest(path)
    try:
        contract = ModelContract.from_json(_json(path / CONTRACT))
    except (ContractError, KeyError, TypeError) as error:
        raise PackageError(f"{CONTRACT}: {error}") from error
    if expect_model is not None and contract.name != expect_model:
        raise PackageError(f"{CONTRACT}: is the contract of {contract.name}, not of {expect_model}")
    if expect_fingerprint is not None and contract.fingerprint != expect_fingerprint:
        raise PackageError(
            f"{CONTRACT}: fingerprint {contract.fingerprint[:12]} is not {expect_fingerprint[:12]}, which the registry names"
        )
    vocabulary = _json(path / VOCABULARY)
    missing = [f.name for f in contract.features if f.type == "category" and f.name not in vocabulary]
    if missing:
        raise PackageError(f"{VOCABULARY}: no categories for {', '.join(missing)}")
    golden, margins, scores = _golden(path / GOLDEN, contract)
    if scores is None and _json(path / MANIFEST)["format"] > 1:
        raise PackageError(f"{GOLDEN}: has no rows with scores")
    return Package(path, found, contract, vocabulary, golden, margins, scores, _json(path / REFERENCE))


def _golden(
    path: Path, contract: ModelContract
) -> tuple[pa.Table, npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
    try:
        table = pq.read_table(path)
        golden = table.select(contract.feature_names).cast(feature_schema(contract.features))
    except (KeyError, pa.ArrowException) as error:
        raise PackageError(f"{GOLDEN}: {error}") from error
    margins = _answers(table, _MARGIN)
    if margins is None or not table.num_rows:
        raise PackageError(f"{GOLDEN}: has no rows with margins")
    return golden, margins, _answers(table, _SCORE)


def _answers(table: pa.Table, prefix: str) -> npt.NDArray[np.float32] | None:
    columns = [name for name in table.column_names if name.startswith(prefix)]
    if not columns:
        return None
    answers = np.column_stack([table[name].to_numpy() for name in columns]).astype(np.float32)
    return answers[:, 0] if len(columns) == 1 else answers


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise PackageError(f"{path.name} is missing")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PackageError(f"{path.name}: {error}") from error
    if not isinstance(data, dict):
        raise PackageError(f"{path.name}: not a JSON object")
    return data
