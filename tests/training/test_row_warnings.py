"""What makes a metric doubtful, though every rule of the splits is kept."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hotclub import names
from hotclub.contract import FeatureSpec, ModelContract
from tests.factories import make_contract, make_rows
from tests.training.runs import prepare, without_time
from training import row_warnings, steps
from training.splits import boundaries, split_rows

REGRESSION = {"task": "regression", "metric": "rmse", "gates": {}}


def _column(rows: pa.Table, name: str, values: Any) -> pa.Table:
    place = rows.schema.get_field_index(name)
    return rows.set_column(place, name, pa.array(list(values), rows.schema.field(name).type))


def _find(contract: ModelContract, rows: pa.Table) -> list[str]:
    at = boundaries(contract, rows)
    return row_warnings.find(contract, split_rows(contract, rows, at), at)


class TestOneRow:
    """A label so far away that squared errors are about it alone."""

    def _rows(self, value: float, row: int) -> pa.Table:
        label = make_rows(task="regression")[names.COLUMN_LABEL].to_pylist()
        label[row] = value
        return _column(make_rows(task="regression"), names.COLUMN_LABEL, label)

    @pytest.mark.parametrize(("row", "name"), [(3, "train"), (1300, "stopping"), (1990, "evaluation")])
    def test_it_is_named(self, row: int, name: str) -> None:
        """With its share, its key and its value, in whichever split it is."""
        (found,) = _find(make_contract(**REGRESSION), self._rows(1e6, row))
        assert found.startswith(f"one row has 100% of the variation of the label in the {name} split: ")
        assert f"entity {row + 1} (1e+06;" in found

    def test_long_tails_are_none(self) -> None:
        """Prices and durations have some far values, and no single one decides."""
        label = np.exp(np.random.default_rng(2).normal(0, 1.2, 2000))
        assert (
            _find(
                make_contract(**REGRESSION), _column(make_rows(task="regression"), names.COLUMN_LABEL, label)
            )
            == []
        )

    def test_it_is_in_what_people_read(self, tmp_path: Path) -> None:
        """In the progress, and in the version's description."""
        run = prepare(tmp_path, make_contract(**REGRESSION), self._rows(1e6, 1990), no_champion=True)
        said: list[str] = []
        object.__setattr__(run, "progress", said.append)
        steps.fit(run)
        steps.evaluate(run)
        assert any(text.startswith("WARNING: one row has 100%") for text in said)
        assert "- WARNING: one row has 100%" in (run.folder.path / "description.md").read_text()


def test_few_rows_of_a_wrong_year_are_said() -> None:
    """Enough for the metric, and a twentieth of what their time would have: the rest may be a year older."""
    rows = make_rows(20_000)
    times = rows[names.COLUMN_EVENT_TIME].to_pylist()
    times[::100] = [time + dt.timedelta(days=150) for time in times[::100]]
    rows = _column(rows, names.COLUMN_EVENT_TIME, times).sort_by(names.COLUMN_EVENT_TIME)
    found = _find(make_contract(evaluate_days=60, stopping_days=60), rows)
    assert [text.split(" has ")[0] for text in found] == ["the stopping split", "the evaluation split"]
    assert "of 20,000 rows" in found[0]
    assert "the times of few rows are wrong" in found[0]
    assert _find(make_contract(), make_rows(20_000)) == []


class TestCopies:
    """Rows that were loaded twice stand on both sides of a split by hash."""

    def _twice(self, times: int = 2) -> tuple[ModelContract, pa.Table]:
        contract, rows = without_time(make_contract(gates={}), make_rows(1000))
        winds = [row / 7 if wind is None else wind for row, wind in enumerate(rows["wind_speed"].to_pylist())]
        rows = _column(rows, "wind_speed", winds)
        rows = pa.concat_tables([rows] * times)
        return contract, _column(rows, names.COLUMN_ENTITY, range(1, rows.num_rows + 1))

    def _copies(self, contract: ModelContract, rows: pa.Table, ignored: Any = ()) -> Any:
        return row_warnings.copies(contract, split_rows(contract, rows, boundaries(contract, rows)), ignored)

    def test_they_are_counted_with_the_metric_of_the_others(self, tmp_path: Path) -> None:
        """It is what scikit-learn says of those rows."""
        from sklearn.metrics import roc_auc_score

        contract, rows = self._twice()
        run = prepare(tmp_path, contract, rows, no_champion=True)
        steps.fit(run)
        found = steps.evaluate(run)["copies"]
        scores = pa.parquet.read_table(run.folder.scores)
        splits = split_rows(contract, rows, None)
        fitted = {(e - 1) % 1000 for e in splits.train[names.COLUMN_ENTITY].to_pylist()}
        other = np.array([(e - 1) % 1000 not in fitted for e in scores[names.COLUMN_ENTITY].to_pylist()])
        label, score = scores[names.COLUMN_LABEL].to_numpy(), scores["score"].to_numpy()
        assert found.startswith(f"{(~other).sum()} of {len(other)} evaluation rows (")
        assert f"roc_auc of the others is {roc_auc_score(label[other], score[other]):.4g}, of all" in found
        assert "give split_by a field that copies share" in found
        assert f"- WARNING: {found}" in (run.folder.path / "description.md").read_text()

    def test_a_number_of_the_row_hides_nothing(self) -> None:
        """Features that differ in every row are left out of the comparison."""
        contract, rows = self._twice()
        spec = FeatureSpec("number", "number", nullable=False)
        contract = without_time(make_contract(features=(*contract.features, spec)), rows)[0]
        rows = rows.append_column("number", pa.array(np.arange(rows.num_rows, dtype=float)))
        assert self._copies(contract, rows) is None
        assert self._copies(contract, rows, ["number"]) is not None

    def test_other_rows_are_no_copies(self) -> None:
        """Rows as they are; the same features with labels of their own; features with few values."""
        contract, rows = self._twice(1)
        assert self._copies(contract, rows) is None
        contract, rows = self._twice()
        label = np.random.default_rng(4).integers(0, 2, rows.num_rows).astype(float)
        assert self._copies(contract, _column(rows, names.COLUMN_LABEL, label)) is None
        few = without_time(make_contract(features=contract.features[:1]), rows)[0]
        assert self._copies(few, rows) is None

    def test_a_rare_class_makes_no_copies(self) -> None:
        """Nearly all labels are the same by chance."""
        contract, rows = self._twice()
        label = np.zeros(rows.num_rows)
        label[np.random.default_rng(1).permutation(rows.num_rows)[:8]] = 1
        rows = _column(rows, names.COLUMN_LABEL, label)
        splits = split_rows(contract, rows, None)
        assert row_warnings.copies(contract, splits) is None

    @pytest.mark.parametrize("value", [None, 0.0])
    def test_nulls_and_zeros_are_equal_values(self, value: float | None) -> None:
        """A null is equal to a null, and a zero to a negative zero."""
        contract, rows = self._twice()
        winds = rows["wind_speed"].to_pylist()
        other = None if value is None else -0.0
        winds[:1000:5], winds[1000::5] = [value] * 200, [other] * 200
        found = self._copies(contract, _column(rows, "wind_speed", winds))
        assert found.is_copy.sum() > 220  # of 246; some have no label of their own any more
        winds[1000::5] = [1e9 if value is None else None] * 200
        assert self._copies(contract, _column(rows, "wind_speed", winds)).is_copy.sum() < 215
