"""Rows that no model is fitted on: what was found, and what to change, before the fit."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hotclub import names
from hotclub.contract import ModelContract
from hotclub.errors import HotclubError
from tests.factories import make_contract, make_rows
from tests.training.runs import prepare
from training import fit, labels, steps
from training.errors import RefusedDataError
from training.splits import Boundaries, SplitError, boundaries, split_rows

REGRESSION = {"task": "regression", "metric": "rmse", "gates": {}}
MULTICLASS = {"task": "multiclass", "metric": "log_loss", "classes": ("low", "middle", "high"), "gates": {}}


def _with(rows: pa.Table, column: str, place: int, value: float) -> pa.Table:
    values = rows[column].to_pylist()
    values[place] = value
    return rows.set_column(rows.schema.get_field_index(column), column, pa.array(values, pa.float64()))


def _relabelled(rows: pa.Table, contract: ModelContract, split_name: str, change: Any) -> pa.Table:
    """Rows whose labels in one split went through `change`."""
    at = boundaries(contract, rows)
    times = rows[names.COLUMN_EVENT_TIME].to_pylist()
    inside = {
        "train": lambda t: t < at.stopping,
        "stopping": lambda t: at.stopping <= t < at.evaluation,
        "evaluation": lambda t: t >= at.evaluation,
    }[split_name]
    label = rows[names.COLUMN_LABEL].to_numpy().copy()
    chosen = np.array([inside(t) for t in times])
    label[chosen] = change(label[chosen])
    place = rows.schema.get_field_index(names.COLUMN_LABEL)
    return rows.set_column(place, names.COLUMN_LABEL, pa.array(label))


def _check(contract: ModelContract, rows: pa.Table) -> dict[str, Any]:
    at = boundaries(contract, rows)
    return labels.check(contract, rows, split_rows(contract, rows, at), at)


@pytest.mark.parametrize(
    ("split_name", "days", "words"),
    [
        ("evaluation", 10, "raise evaluate_days (now 10, at most 39 for these rows) in ml.py"),
        ("stopping", 10, "raise stopping_days (now 10, at most 39 for these rows) in ml.py"),
        ("train", 10, "lower evaluate_days (now 10) or stopping_days (now 10) in ml.py"),
        ("evaluation", 24, "raise evaluate_days (now 24, at most 25 for these rows) in ml.py"),
    ],
)
def test_a_split_of_one_class_stops_before_the_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split_name: str, days: int, words: str
) -> None:
    """The step ends with rows, span and classes of each split, and the setting with the way to change it."""
    contract = make_contract(evaluate_days=days, stopping_days=days)
    rows = _relabelled(make_rows(), contract, split_name, np.zeros_like)
    monkeypatch.setattr(fit.xgboost, "train", lambda *_, **__: pytest.fail("fitted all the same"))
    with pytest.raises(RefusedDataError) as refused:
        steps.fit(prepare(tmp_path, contract, rows))
    message = str(refused.value)
    assert message.startswith(f"the {split_name} split has rows of one class alone (0). Found: train: ")
    count = split_rows(contract, rows, boundaries(contract, rows)).named()[split_name].num_rows
    assert f"by class 0: {count}, 1: 0" in message
    assert words in message
    assert "merge a class that is rare with another" in message


def test_boundaries_by_hand_are_advised_by_hand() -> None:
    """Where the caller cut the splits, the advice names the caller's options."""
    contract, rows = make_contract(), make_rows()
    at = Boundaries(*(dt.datetime(2013, 4, day, tzinfo=dt.UTC) for day in (1, 10)), by_hand=True)
    rows = rows.set_column(
        rows.schema.get_field_index("label"), "label",
        pa.array([0.0 if t >= at.evaluation else label for t, label in zip(
            rows["event_time"].to_pylist(), rows["label"].to_pylist(), strict=True)]),
    )  # fmt: skip
    with pytest.raises(RefusedDataError, match=r"change --evaluation-from \(earlier\)"):
        labels.check(contract, rows, split_rows(contract, rows, at), at)
    with pytest.raises(SplitError, match=r"has 0 rows of 2,000.*change --stopping-from \(earlier\)"):
        split_rows(contract, rows, Boundaries(at.evaluation, at.stopping, by_hand=True))


@pytest.mark.parametrize("split_name", ["train", "stopping", "evaluation"])
def test_a_constant_label_is_nothing_to_learn(split_name: str) -> None:
    """In regression too: one value says nothing of quality, and fits a constant."""
    contract = make_contract(**REGRESSION)
    rows = _relabelled(make_rows(task="regression"), contract, split_name, lambda y: np.full_like(y, 3))
    with pytest.raises(
        RefusedDataError, match=rf"the {split_name} split has one label value alone.*from 3 to 3"
    ):
        _check(contract, rows)


@pytest.mark.parametrize("split_name", ["train", "stopping", "evaluation"])
def test_a_split_that_lacks_a_class(split_name: str) -> None:
    """Not fitted it is never answered, not held out it is never measured; the classes that are there are counted."""
    contract = make_contract(**MULTICLASS)
    rows = _relabelled(make_rows(task="multiclass"), contract, split_name, lambda y: np.where(y == 1, 0, y))
    with pytest.raises(
        RefusedDataError, match=rf"the {split_name} split has no row of class middle.*middle: 0"
    ):
        _check(contract, rows)


def _few_of_one_class(rows: int) -> Any:
    """Make labels of which `rows` are 1 and all others 0."""
    return lambda y: (np.arange(len(y)) < rows).astype(float)


@pytest.mark.parametrize("split_name", ["stopping", "evaluation"])
def test_a_metric_says_how_many_rows_of_a_class_it_needs(split_name: str) -> None:
    """Nine flights that were late are no AUC; ten are, and accuracy takes fewer."""
    contract = make_contract()
    rows = _relabelled(make_rows(), contract, split_name, _few_of_one_class(9))
    with pytest.raises(
        RefusedDataError,
        match=rf"the {split_name} split has too few rows of class 1 \(9\): roc_auc needs at least 10 of each class",
    ):
        _check(contract, rows)
    _check(make_contract(metric="accuracy"), rows)
    _check(contract, _relabelled(make_rows(), contract, split_name, _few_of_one_class(10)))


def test_what_is_fitted_may_have_few_of_a_class() -> None:
    """The metric is not measured there."""
    contract = make_contract()
    _check(contract, _relabelled(make_rows(), contract, "train", _few_of_one_class(9)))


@pytest.mark.parametrize(("place", "name"), [(5, "train"), (1300, "stopping"), (1990, "evaluation")])
@pytest.mark.parametrize("value", [1.1e15, -1e30, 3e38])
def test_labels_whose_squares_overflow(value: float, place: int, name: str) -> None:
    """A 32-bit float holds it and not its square: every gain and metric would be infinite."""
    rows = _with(make_rows(task="regression"), names.COLUMN_LABEL, place, value)
    with pytest.raises(RefusedDataError) as refused:
        _check(make_contract(**REGRESSION), rows)
    assert f"the {name} split has a label of {value:g} (entity {place + 1}), so far from the others" in str(
        refused.value
    )


def test_the_largest_label_that_is_fitted(tmp_path: Path) -> None:
    """Just below, everything is finite, and the row is named in a warning."""
    rows = _with(make_rows(task="regression"), names.COLUMN_LABEL, 5, 9e14)
    run = prepare(tmp_path, make_contract(**REGRESSION), rows, no_champion=True)
    facts = steps.fit(run)
    assert "entity 6 (9e+14;" in facts["warnings"][0]
    assert "rmse" in steps.evaluate(run)["metrics"]


def test_a_fit_that_overflows_is_no_unexpected_error() -> None:
    """Whatever the reason: XGBoost itself says nothing."""
    rows = _with(make_rows(task="regression"), names.COLUMN_LABEL, 5, 1e30)
    contract = make_contract(**REGRESSION)
    at = boundaries(contract, rows)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(labels, "_check_distances", lambda *_: None)
        with pytest.raises(HotclubError, match="the fit overflowed: "):
            fit.fit(contract, split_rows(contract, rows, at), threads=1, progress=lambda text: None)


def test_very_many_classes_are_not_all_listed() -> None:
    """Those that lack rows and the rarest are; the others are a number."""
    classes = tuple(f"k{number}" for number in range(200))
    contract = make_contract(**{**MULTICLASS, "classes": classes})
    label = np.minimum(np.arange(2000) % 150, 149).astype(float)
    place = make_rows().schema.get_field_index(names.COLUMN_LABEL)
    with pytest.raises(RefusedDataError) as refused:
        _check(contract, make_rows().set_column(place, names.COLUMN_LABEL, pa.array(label)))
    message = str(refused.value)
    assert "has no row of class k150, k151," in message
    assert "k161 and 38 more" in message
    assert "the rarest of 200 classes k150: 0, k151: 0" in message
    assert len(message) < 1000


class TestWhatElseIsSaid:
    """With a refusal comes what may be its reason."""

    def _refused(self, tmp_path: Path, rows: pa.Table, **facts: Any) -> str:
        run = prepare(tmp_path, make_contract(), rows)
        run.folder.write("snapshot", {**run.folder.read("snapshot"), **facts})
        with pytest.raises(RefusedDataError) as refused:
            steps.fit(run)
        return str(refused.value)

    def test_a_sample(self, tmp_path: Path) -> None:
        """More rows are there: nothing has to be loaded."""
        counts = {"known": 9000, "unknown": 0, "features": {}}
        message = self._refused(tmp_path, make_rows(60), sample=60, filled=counts)
        assert (
            "These are 60 rows of a sample (--sample), of 9,000 with a label: ask for a larger one" in message
        )
        whole = {"known": 60, "unknown": 0, "features": {}}
        assert "--sample" not in self._refused(tmp_path, make_rows(60), sample=100, filled=whole)

    def test_rows_that_were_left_out(self, tmp_path: Path) -> None:
        """One far time, and what remains spans too little."""
        rows = make_rows(2000).slice(0, 400)
        times = rows[names.COLUMN_EVENT_TIME].to_pylist()
        times[0] = times[0].replace(year=2031)
        place = rows.schema.get_field_index(names.COLUMN_EVENT_TIME)
        rows = rows.set_column(place, names.COLUMN_EVENT_TIME, pa.array(times, rows.schema.field(place).type))
        message = self._refused(tmp_path, rows)
        assert "the rows span 19.9 days" in message
        assert (
            "1 row is left out of every split, because the time lies far from all others: 1 (2031-" in message
        )


def test_a_label_that_is_none_of_the_classes() -> None:
    """The view makes -1 of it: counted, with the attribute to change."""
    contract = make_contract(**MULTICLASS)
    rows = _relabelled(make_rows(task="multiclass"), contract, "train", lambda y: np.where(y == 1, -1, y))
    with pytest.raises(
        RefusedDataError,
        match=r"rows whose label is none of the classes \(low, middle, high\), such as pk \d+(, \d+)*\. .*classes in ml.py",
    ):
        _check(contract, rows)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("place", [10, -400, -1])
def test_numbers_that_float32_has_not_name_the_feature(tmp_path: Path, value: float, place: int) -> None:
    """In any split: feature and count in words, before XGBoost's trace."""
    contract = make_contract()
    with pytest.raises(
        RefusedDataError, match=r"too large for a 32-bit float: wind_speed: 1 row such as -?(inf|1e\+39)"
    ):
        steps.fit(prepare(tmp_path, contract, _with(make_rows(), "wind_speed", place, value)))


def test_the_fit_itself_refuses_them_too() -> None:
    """Whoever calls the fit without the steps gets the same words."""
    contract, rows = make_contract(), _with(make_rows(), "hour", 0, np.inf)
    with pytest.raises(RefusedDataError, match="hour: 1 row such as inf"):
        fit.fit(contract, split_rows(contract, rows, boundaries(contract, rows)), threads=1, progress=print)


@pytest.mark.parametrize(
    ("changes", "value", "words"),
    [
        ({}, 0.5, "not 0 or 1"),
        ({}, np.nan, "nan"),
        (MULTICLASS, 3, "not a class number from 0 to 2"),
        (MULTICLASS, -1, "1 row whose label is none of the classes"),
        (MULTICLASS, 1.5, "1.5"),
        (REGRESSION, np.inf, "inf"),
        (REGRESSION, 1e39, r"1e\+39"),
        (
            REGRESSION | {"parameters": {"objective": "count:poisson"}},
            -1,
            "not zero or more .* count:poisson",
        ),
        (REGRESSION | {"parameters": {"objective": "reg:gamma"}}, 0, "not more than zero"),
        (REGRESSION | {"parameters": {"objective": "reg:logistic"}}, 1.1, "not from 0 to 1"),
    ],
)
def test_labels_that_are_none(changes: dict[str, Any], value: float, words: str) -> None:
    """A label outside of what task and objective take is refused with its value."""
    contract = make_contract(**changes)
    rows = make_rows(task=contract.schema.task)
    if "parameters" in changes:
        rows = rows.set_column(
            rows.schema.get_field_index("label"), "label", pa.array(np.full(rows.num_rows, 0.5))
        )
    with pytest.raises(RefusedDataError, match=words):
        labels.check_values(contract, "train", _with(rows, "label", 3, value))
