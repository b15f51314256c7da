"""Features that know the label stop a training, by name and number; strong ones do not."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hotclub import names
from hotclub.contract import FeatureSpec, ModelContract
from tests.factories import FEATURES, make_contract, make_rows
from tests.training.runs import prepare, without_time
from training import leakage, steps
from training.errors import RefusedDataError
from training.failures import Exit, judge
from training.splits import boundaries, split_rows

MULTICLASS = {"task": "multiclass", "metric": "accuracy", "classes": ("low", "middle", "high"), "gates": {}}
REGRESSION = {"task": "regression", "metric": "rmse", "gates": {}}
TASKS = {"binary": {}, "multiclass": MULTICLASS, "regression": REGRESSION}


def _with(rows: pa.Table, values: Any, kind: str = "number") -> pa.Table:
    types = {"number": pa.float64(), "category": pa.string(), "boolean": pa.bool_()}
    return rows.append_column("suspect", pa.array(list(values), types[kind]))


def _contract(kind: str = "number", **changes: Any) -> ModelContract:
    suspect = FeatureSpec("suspect", kind, nullable=True)  # type: ignore[arg-type]  # a kind by name
    return make_contract(features=(*FEATURES, suspect), **changes)


def _find(contract: ModelContract, rows: pa.Table, filled: Any = None) -> list[leakage.Finding]:
    splits = split_rows(contract, rows, boundaries(contract, rows))
    return leakage.find(contract, splits, filled)[0]


def _label(rows: pa.Table) -> Any:
    return rows[names.COLUMN_LABEL].to_numpy()


@pytest.mark.parametrize("task", TASKS)
def test_sensible_features_raise_nothing(task: str) -> None:
    """The factory's, whose label they explain in part."""
    assert _find(make_contract(**TASKS[task]), make_rows(task=task)) == []


NOISE = np.random.default_rng(3)
LEAKS: dict[str, tuple[str, str, Any, str, str]] = {
    # task, kind, values of the label, check, words
    "the label": ("binary", "number", lambda y: y, "equals_label", "suspect equals the label in all 2,000 rows"),
    "as boolean": ("binary", "boolean", lambda y: y == 1, "equals_label", "equals the label"),
    "negation": ("binary", "boolean", lambda y: y == 0, "equals_label", "is the label's negation"),
    "negated number": ("binary", "number", lambda y: 1 - y, "equals_label", "is the label's negation"),
    "words for it": ("binary", "category", lambda y: np.where(y, "late", "good"), "equals_label", "maps one to one to the classes"),
    "filled in half": (
        "binary", "number", lambda y: [v if i % 2 else None for i, v in enumerate(y)], "equals_label", "in all 1,000 rows in which it has a value",
    ),
    "nearly it": (
        "binary", "number", lambda y: np.where(np.arange(len(y)) % 300, y, 1 - y), "predicts_alone", "suspect alone predicts nearly everything: roc_auc 0.99",
    ),
    "a number that divides": ("binary", "number", lambda y: y * 10 + NOISE.random(len(y)), "predicts_alone", "predicts nearly everything: roc_auc"),
    "filled only when late": ("binary", "number", lambda y: [NOISE.random() if v else None for v in y], "predicts_alone", "roc_auc 1.0000"),
    "a code per class": ("multiclass", "category", lambda y: np.array(list("xyz"))[y.astype(int)], "equals_label", "maps one to one"),
    "class numbers": ("multiclass", "number", lambda y: y, "equals_label", "suspect equals the label"),
    "several codes per class": (
        "multiclass", "category", lambda y: [f"{int(v)}{i % 5}" for i, v in enumerate(y)], "predicts_alone", "accuracy 1.0000",
    ),
    "the quantity": ("regression", "number", lambda y: y, "equals_label", "suspect equals the label"),
    "its negative": ("regression", "number", lambda y: -y, "equals_label", "is the label with the other sign"),
    "in another unit": ("regression", "number", lambda y: 60 * y + 3, "correlates", "correlation 1.00000"),
    "its exponential": ("regression", "number", lambda y: np.exp(y / 10), "correlates", "rank correlation 1.00000"),
    "a little noise": ("regression", "number", lambda y: y + NOISE.normal(0, 0.2, len(y)), "correlates", "correlation 0.9999"),
    "two branches": ("regression", "number", lambda y: np.abs(y) + np.where(y > 0, 500, 0), "predicts_alone", "r2 0.99"),
}  # fmt: skip


@pytest.mark.parametrize("case", LEAKS)
def test_a_feature_that_knows_the_label(case: str) -> None:
    """Critical, with its name and number."""
    task, kind, values, check, words = LEAKS[case]
    rows = make_rows(task=task)
    found = _find(_contract(kind, **TASKS[task]), _with(rows, values(_label(rows)), kind))
    assert [(f.severity, f.feature, f.check) for f in found] == [("critical", "suspect", check)]
    assert words in found[0].message


def test_strong_features_that_are_honest() -> None:
    """A stone's weight explains its price with an R2 of 0.93, a bill's length the species in four of five birds."""
    random = np.random.default_rng(5)
    rows = make_rows(3000, task="regression")
    weight = random.gamma(3, 0.3, 3000)
    price = np.exp(0.5 + 1.7 * np.log(weight) + random.normal(0, 0.25, 3000))
    place = rows.schema.get_field_index(names.COLUMN_LABEL)
    splits_of = _with(rows.set_column(place, names.COLUMN_LABEL, pa.array(price)), weight)
    contract = _contract(**REGRESSION)
    scores = leakage.find(contract, split_rows(contract, splits_of, boundaries(contract, splits_of)))[1]
    assert _find(contract, splits_of) == []
    assert 0.8 < (scores["suspect"].score or 0) < 0.97

    birds = make_rows(344, task="multiclass")
    species = random.choice([0.0, 1.0, 2.0], 344)
    bill = np.array([38.8, 48.8, 47.5])[species.astype(int)] + random.normal(0, 2.9, 344)
    birds = _with(birds.set_column(place, names.COLUMN_LABEL, pa.array(species)), bill)
    assert _find(_contract(**MULTICLASS), birds) == []


@pytest.mark.parametrize(
    ("task", "noise", "least"),
    [("binary", 0.27, 0.985), ("multiclass", 0.21, 0.97), ("regression", 1.6, 0.98)],
)
def test_just_below_the_limit(task: str, noise: float, least: float) -> None:
    """The strongest features that may be honest are not refused."""
    rows = make_rows(4000, task=task)
    label = _label(rows)
    rows = _with(rows, label + np.random.default_rng(8).normal(0, noise, 4000))
    contract = _contract(**TASKS[task])
    findings, scores = leakage.find(contract, split_rows(contract, rows, boundaries(contract, rows)))
    assert least < (scores["suspect"].score or 0) < leakage.SUSPICIOUS_SCORE
    assert [(f.severity, f.check) for f in findings] == [("warning", "strong_alone")]
    assert "Make sure that it is known when predictions are made" in findings[0].message


def test_a_class_that_is_nearly_all_rows() -> None:
    """Always answering it is accurate to 0.996, which no feature is to blame for; one that finds the others is."""
    rows = make_rows(20_000, task="multiclass")
    label = np.zeros(20_000)
    label[::500], label[1::500] = 1.0, 2.0
    place = rows.schema.get_field_index(names.COLUMN_LABEL)
    rows = rows.set_column(place, names.COLUMN_LABEL, pa.array(label))
    contract = _contract(**MULTICLASS)
    assert _find(contract, _with(rows, NOISE.random(20_000))) == []
    knows = _with(rows, label + NOISE.random(20_000) / 2)
    assert [f.check for f in _find(contract, knows)] == ["predicts_alone"]


@pytest.mark.parametrize(
    ("filled", "found"),
    [
        ({"known": 1000, "unknown": 20, "features": {"suspect": [1000, 0]}}, True),
        ({"known": 1000, "unknown": 20, "features": {"suspect": [950, 1]}}, True),
        ({"known": 1000, "unknown": 20, "features": {"suspect": [500, 0]}}, True),
        ({"known": 1000, "unknown": 20, "features": {"suspect": [499, 1]}}, False),
        ({"known": 1000, "unknown": 20, "features": {"suspect": [1000, 2]}}, False),
        ({"known": 1000, "unknown": 19, "features": {"suspect": [1000, 0]}}, False),
        ({"known": 1000, "unknown": 0, "features": {"suspect": [1000, 0]}}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_feature_that_comes_with_the_label(filled: Any, *, found: bool) -> None:
    """Filled where the label is known and null where it is not."""
    rows = make_rows()
    findings = _find(_contract(), _with(rows, NOISE.random(2000)), filled)
    assert [f.check for f in findings] == (["known_afterwards"] if found else [])
    if found:
        assert "suspect comes with the label" in findings[0].message
        assert "of the 20 others" in findings[0].message


@pytest.mark.parametrize(("rows", "unknown", "found"), [(300, 67, True), (300, 66, False), (499, 41, True)])
def test_a_feature_that_often_comes_with_the_label(rows: int, unknown: int, *, found: bool) -> None:
    """Filled in a part of the labelled rows, and in none of so many others that it is no chance: a warning."""
    filled = {"known": 1000, "unknown": unknown, "features": {"suspect": [rows, 0]}}
    findings = _find(_contract(), _with(make_rows(), NOISE.random(2000)), filled)
    assert [(f.severity, f.check) for f in findings] == ([("warning", "known_afterwards")] if found else [])


def _single(value: str, unknown: int = 500) -> dict[str, Any]:
    """Counts of a snapshot whose rows without a label all have one value."""
    features = {"known": 2000, "unknown": unknown, "features": {"suspect": [2000, unknown]}}
    return {**features, "single": {"suspect": value}}


class TestADefaultBeforeTheLabel:
    """What is joined later with a default for what is not known yet: no null says so."""

    def _strong(self, label: Any) -> Any:
        """An AUC of about 0.95, and a 0 in every twentieth row."""
        values = np.random.default_rng(6).normal(1 + 2.4 * label, 1)
        return np.where(np.arange(len(label)) % 20, values, 0.0)

    def test_a_strong_one_is_critical(self) -> None:
        """It is 0 where the label is unknown, and nearly never where it is known."""
        rows = make_rows()
        (found,) = _find(_contract(), _with(rows, self._strong(_label(rows))), _single("0"))
        assert (found.severity, found.check) == ("critical", "default_before")
        assert "it is 0.0 in every one of the 500 rows without a label, and in" in found.message
        assert (
            "as where a default stands until the label is known; alone it reaches roc_auc 0.9"
            in found.message
        )

    @pytest.mark.parametrize(("unknown", "found"), [(19, False), (20, True)])
    def test_few_rows_without_a_label_say_nothing(self, unknown: int, *, found: bool) -> None:
        """They have one value by chance."""
        rows = make_rows()
        findings = _find(_contract(), _with(rows, self._strong(_label(rows))), _single("0", unknown))
        assert bool(findings) is found

    def test_a_usual_value_is_no_sign(self) -> None:
        """Half of the labelled rows have it too."""
        rows = make_rows()
        values = np.where(np.arange(2000) % 2, 0.0, 5 + 3 * _label(rows))
        assert _find(_contract(), _with(rows, values), _single("0")) == []

    @pytest.mark.parametrize(
        ("kind", "values", "text", "shown"),
        [
            ("number", lambda: NOISE.integers(0, 7, 2000), "3", "3.0"),
            ("category", lambda: NOISE.choice(list("abc"), 2000), "b", "'b'"),
            ("boolean", lambda: NOISE.random(2000) < 0.8, "false", "False"),
            ("category", lambda: NOISE.choice(list("abc"), 2000), "", "''"),
        ],
    )
    def test_a_weak_one_is_a_warning_without_a_time(
        self, kind: str, values: Any, text: str, shown: str
    ) -> None:
        """With a time it may be the weekday of the only day that has no label yet."""
        contract, rows = _contract(kind), _with(make_rows(), values(), kind)
        assert _find(contract, rows, _single(text)) == []
        (found,) = _find(*without_time(contract, rows), _single(text))
        assert (found.severity, found.check) == ("warning", "default_before")
        assert f"it is {shown} in every one of the 500 rows" in found.message


class TestMeansOfTheLabel:
    """An average over the customer's rows, the row itself among them."""

    def _rows(self, task: str, what: str) -> pa.Table:
        rows = make_rows(task=task)
        groups = np.arange(2000) % 300
        label = _label(rows)
        sums, counts = np.bincount(groups, weights=label), np.bincount(groups)
        others = (sums[groups] - label) / (counts[groups] - 1)
        values = {"mean": (sums / counts)[groups], "sum": sums[groups], "of the others": others}[what]
        carrier = rows.schema.get_field_index("carrier")
        rows = rows.set_column(carrier, "carrier", pa.array([f"c{g}" for g in groups]))
        return _with(rows, [None if i % 7 == 0 else v for i, v in enumerate(values)])

    @pytest.mark.parametrize("what", ["mean", "sum"])
    @pytest.mark.parametrize("task", TASKS)
    def test_by_a_category(self, task: str, what: str) -> None:
        """Named with the category."""
        found = {f.feature: f for f in _find(_contract(**TASKS[task]), self._rows(task, what))}["suspect"]
        assert (found.severity, found.check) == ("critical", "mean_of_label")
        assert f"suspect is the {what} of the label by carrier in all 1,714 rows" in found.message

    def test_by_what_rows_are_split_by(self) -> None:
        """Which is no feature itself."""
        rows = self._rows("binary", "mean")
        groups = dict(zip(rows[names.COLUMN_ENTITY].to_pylist(), rows["carrier"].to_pylist(), strict=True))
        rows = rows.set_column(rows.schema.get_field_index("carrier"), "carrier", make_rows()["carrier"])
        contract, rows = without_time(_contract(), rows, split_by=groups.get)
        (found,) = _find(contract, rows)
        assert "suspect is the mean of the label by customer" in found.message

    def test_of_the_others_is_honest(self) -> None:
        """The row's own label is not in it."""
        found = _find(_contract(), self._rows("binary", "of the others"))
        assert "mean_of_label" not in {f.check for f in found}


@pytest.mark.parametrize(("share", "found"), [(0.25, True), (0.15, False)])
def test_a_quantity_that_is_the_label_in_a_part_of_the_rows(*, share: float, found: bool) -> None:
    """The others have a default: a warning, since a list price may be the price too."""
    rows = make_rows(task="regression")
    label = _label(rows)
    values = np.where(NOISE.random(2000) < share, label, 0.0)
    findings = _find(_contract(**REGRESSION), _with(rows, values))
    assert [(f.severity, f.check) for f in findings] == (
        [("warning", "equals_label_in_part")] if found else []
    )
    rounded = np.round(label / 20)
    place = rows.schema.get_field_index(names.COLUMN_LABEL)
    rows = rows.set_column(place, names.COLUMN_LABEL, pa.array(rounded))
    often = np.where(NOISE.random(2000) < 0.5, rounded, 0.0)
    assert "equals_label_in_part" not in {f.check for f in _find(_contract(**REGRESSION), _with(rows, often))}


@pytest.mark.parametrize(
    ("kind", "value", "check", "words"),
    [
        ("number", None, "all_null", "suspect is null in all 2,000 labelled rows"),
        ("category", None, "all_null", "suspect is null in all"),
        ("number", 3.0, "constant", "suspect is constant: 3.0 in all 2,000 labelled rows"),
        ("category", "x", "constant", "suspect is constant: 'x'"),
        ("boolean", True, "constant", "suspect is constant: True"),
    ],
)
def test_what_says_nothing_is_a_warning(kind: str, value: Any, check: str, words: str) -> None:
    """It stops nothing."""
    (found,) = _find(_contract(kind), _with(make_rows(), [value] * 2000, kind))
    assert (found.severity, found.check) == ("warning", check)
    assert words in found.message
    leakage.refuse_critical([found])


def test_a_constant_that_comes_with_the_label_is_critical() -> None:
    """In labelled rows it is one value; that it is null in the others is what counts."""
    filled = {"known": 2000, "unknown": 100, "features": {"suspect": [2000, 0]}}
    (found,) = _find(_contract(), _with(make_rows(), [1.0] * 2000), filled)
    assert (found.severity, found.check) == ("critical", "known_afterwards")


class TestInARun:
    """Before the fit, and in what people read."""

    def _run(self, tmp_path: Path, **policy: Any) -> steps.Run:
        rows = make_rows()
        return prepare(tmp_path, _contract(**policy), _with(rows, _label(rows)), no_champion=True)

    def test_it_stops_before_the_fit(self, tmp_path: Path) -> None:
        """Exit code 3, the feature with its number, and both ways out; what was found is in the run's folder."""
        run = self._run(tmp_path)
        with pytest.raises(RefusedDataError) as stopped:
            steps.fit(run)
        assert judge(stopped.value)[0] is Exit.DATA
        message = str(stopped.value)
        assert "suspect equals the label in all 2,000 rows" in message
        assert "Remove them from features in ml.py" in message
        assert 'leakage_accepted = {"suspect": "..."}' in message
        assert not run.folder.package.exists()
        written = json.loads((run.folder.path / "leakage.json").read_text())
        assert [f["feature"] for f in written["findings"]] == ["suspect"]
        assert written["alone"]["suspect"] == 1.0

    def test_every_critical_feature_is_named(self, tmp_path: Path) -> None:
        """All at once, not the first."""
        rows = make_rows()
        rows = _with(rows, _label(rows))
        place = rows.schema.get_field_index("hour")
        rows = rows.set_column(place, "hour", pa.array(1 - _label(rows)))
        with pytest.raises(leakage.LeakageError, match=r"hour is the label's negation.*; suspect equals"):
            steps.fit(prepare(tmp_path, _contract(), rows))

    def test_accepted_with_a_reason(self, tmp_path: Path) -> None:
        """A warning that shows the reason, in progress, evaluation and description."""
        run = self._run(tmp_path, leakage_accepted={"suspect": "it is known the evening before"})
        said: list[str] = []
        object.__setattr__(run, "progress", said.append)
        facts = steps.fit(run)
        words = "rows in which it has a value (accepted: it is known the evening before)"
        assert any(
            text.startswith("WARNING: suspect equals the label") and text.endswith(words) for text in said
        )
        assert [f["severity"] for f in facts["leakage"]] == ["warning"]
        assert steps.evaluate(run)["leakage"] == facts["leakage"]
        assert words in (run.folder.path / "description.md").read_text()

    def test_another_features_reason_accepts_nothing(self, tmp_path: Path) -> None:
        """A reason is for one feature."""
        with pytest.raises(leakage.LeakageError):
            steps.fit(self._run(tmp_path, leakage_accepted={"hour": "fine"}))

    def test_a_feature_that_is_left_out_is_not_looked_at(self, tmp_path: Path) -> None:
        """`--without` takes it out of the fit, so it cannot leak."""
        steps.fit(dataclasses.replace(self._run(tmp_path), without=("suspect",)))
