"""What is said of rows before anything is trained, also of rows that no training would take."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hotclub import names
from hotclub.contract import FeatureSpec
from hotclub.errors import HotclubError
from tests.factories import FEATURES, make_contract, make_rows
from tests.training.runs import prepare, without_time
from training import inspection, inspection_page, inspection_text
from training.splits import SplitError

STRANGE = '<script>alert("x")</script>'


def _column(rows: pa.Table, name: str, values: Any) -> pa.Table:
    place = rows.schema.get_field_index(name)
    return rows.set_column(place, name, pa.array(list(values), rows.schema.field(name).type))


def _report(folder: Path, contract: Any, rows: pa.Table, **filled: Any) -> dict[str, Any]:
    run = prepare(folder, contract, rows, no_champion=True)
    features = {name: [rows.num_rows - rows[name].null_count, 0] for name in contract.feature_names}
    counts = {"known": rows.num_rows, "unknown": 0, "features": features, **filled}
    found = inspection.report(run, rows, {**run.folder.read("snapshot"), "filled": counts})
    json.dumps(found, allow_nan=False)  # as the command gives it
    return found


def test_rows_label_and_features(tmp_path: Path) -> None:
    """Counted as they are."""
    rows = make_rows()
    found = _report(tmp_path, make_contract(), rows, unknown=12)
    label = rows[names.COLUMN_LABEL].to_numpy()
    assert (found["rows"], found["labelled"], found["problems"]) == (2012, 2000, [])
    assert found["label"] == {"classes": {"0": int((label == 0).sum()), "1": int(label.sum())}}
    features = {f["name"]: f for f in found["features"]}
    assert features["wind_speed"]["nulls"] == rows["wind_speed"].null_count
    assert features["carrier"]["categories"] == 3
    assert features["hour"]["alone"] > 0.55
    assert [s["rows"] for s in found["splits"].values()] == [1199, 400, 401]


def test_rare_and_unseen_categories(tmp_path: Path) -> None:
    """A category of nine train rows is rare and one of ten is not; one of the newer splits alone is never fitted."""
    carriers = make_rows()["carrier"].to_pylist()
    carriers[:9], carriers[9:19] = ["R9"] * 9, ["TT"] * 10
    carriers[-3:] = ["NN", "NN", "MM"]
    found = _report(tmp_path, make_contract(), _column(make_rows(), "carrier", carriers))
    carrier = next(f for f in found["features"] if f["name"] == "carrier")
    assert carrier["rare"] == {"categories": 1, "rows": 9, "examples": ["R9"]}
    assert carrier["unseen"] == {"categories": 2, "rows": 3, "examples": ["MM", "NN"]}
    assert "2 (3 rows: MM, NN)" in inspection_text.table(found)


def test_problems_are_said_and_nothing_stops(tmp_path: Path) -> None:
    """Every part that can be said is said all the same."""
    contract = make_contract(evaluate_days=60, stopping_days=60)
    found = _report(tmp_path, contract, make_rows())
    assert "may take at most half" in found["problems"][0]
    assert "Training would stop\n  the rows span 100 days" in inspection_text.table(found)
    assert found["splits"]["train"]["rows"] == 0
    infinite = make_rows()["wind_speed"].to_pylist()
    infinite[5] = np.inf
    other = _report(tmp_path / "2", make_contract(), _column(make_rows(), "wind_speed", infinite))
    assert any("infinite" in problem for problem in other["problems"])
    assert inspection_page.page(other).count("Training would stop") == 1


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("timed", [True, False])
def test_every_task_has_tables_and_a_page(tmp_path: Path, task: str, *, timed: bool) -> None:
    """With and without a time; whatever is in the data is text there."""
    classes = ("low", "<i>", "high") if task == "multiclass" else ()
    contract = make_contract(
        task=task, metric="rmse" if task == "regression" else "log_loss", classes=classes
    )
    carriers = make_rows()["carrier"].to_pylist()
    carriers[0], carriers[-1] = STRANGE, "東京\x1b[2J$x_$"
    rows = _column(make_rows(task=task), "carrier", carriers)
    contract, rows = (contract, rows) if timed else without_time(contract, rows)
    found = _report(tmp_path, contract, rows)
    text = inspection_text.table(found)
    assert ("rows without a time" in text) is not timed
    assert ("event times from" in text) is timed
    assert "\x1b" not in text
    page = inspection_page.page(found)
    assert "<script" not in page
    assert "<i>" not in page
    assert 'src="' not in page
    assert page.count('<div class="card">') == 1 + len(FEATURES)
    assert "\x1b" not in page
    assert "東京·[2J$x_$" in page
    assert "://" not in page


def test_leakage_is_shown(tmp_path: Path) -> None:
    """Critical ones first, and a feature that comes with the label among them."""
    rows = make_rows()
    suspect = FeatureSpec("suspect", "number", nullable=True)
    contract = make_contract(features=(*FEATURES, suspect))
    leaks = rows.append_column("suspect", rows[names.COLUMN_LABEL])
    leaks = _column(leaks, "holiday", [None] * 2000)
    found = _report(tmp_path, contract, leaks)
    shown = inspection_text.findings(found)
    assert shown[0].startswith("  critical: suspect equals the label")
    assert shown[1].startswith("  warning: holiday is null in all")
    assert '<p class="note critical">critical: suspect equals' in inspection_page.page(found)
    page = inspection_page.page(found)
    assert page.index("critical: suspect equals") < page.index("warning: holiday is null")
    assert "null in every row" in page


def test_plots_show_how_values_are_spread(tmp_path: Path) -> None:
    """Bins of equal width: a value that many rows have stands out; nulls are counted, and one far value widens nothing."""
    winds: list[float | None] = [0.0] * 1000 + [float(i % 100) for i in range(990)] + [None] * 9 + [1e9]
    found = _report(tmp_path, make_contract(), _column(make_rows(), "wind_speed", winds))
    bins = found["histograms"]["wind_speed"]
    assert bins[0][1] > 1000
    assert bins[-1] == ("null", 9)
    assert bins[-2][0].startswith("from ")
    assert sum(rows for _, rows in bins) == 2000


def test_a_page_of_many_features_is_small(tmp_path: Path) -> None:
    """Two hundred of them, with long names: no picture for each."""
    rows = make_rows(500)
    specs = [FeatureSpec(f"a_name_{'very_' * 20}long_{n}", "number", nullable=True) for n in range(200)]
    for spec in specs:
        rows = rows.append_column(spec.name, pa.array(np.random.default_rng(1).normal(size=500)))
    found = _report(tmp_path, make_contract(features=(*FEATURES, *specs)), rows)
    page = inspection_page.page(found)
    assert page.count('<div class="card">') == 1 + len(FEATURES) + 200
    assert len(page) < 1_000_000


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Into a folder that is made, over an older page; never into a folder's place, and nothing is left behind."""
    found = _report(tmp_path / "run", make_contract(), make_rows(500))
    path = tmp_path / "new" / "folder" / "page.html"
    for _ in range(2):
        inspection_page.require_file(path)
        inspection_page.write(path, found)
        assert path.read_text().endswith("</html>\n")
        assert list(path.parent.iterdir()) == [path]
    with pytest.raises(
        HotclubError, match=r"--html: .*folder is a folder: name a file in it, such as .*page\.html"
    ):
        inspection_page.require_file(path.parent)
    with pytest.raises(
        HotclubError, match=r"--html: .*page\.html/a/b\.html is below .*page\.html, which is a file"
    ):
        inspection_page.require_file(path / "a" / "b.html")
    with pytest.raises(OSError, match="directory"):
        inspection_page.write(path.parent, found)
    assert not path.parent.with_name("folder.part").exists()


def test_doubts_are_shown(tmp_path: Path) -> None:
    """What makes a metric doubtful, and rows that are left out, in both forms."""
    label = make_rows(task="regression")[names.COLUMN_LABEL].to_pylist()
    label[1990] = 1e6
    times = make_rows()[names.COLUMN_EVENT_TIME].to_pylist()
    times[3] = times[3].replace(year=2213)
    rows = _column(make_rows(task="regression"), names.COLUMN_LABEL, label)
    rows = _column(rows, names.COLUMN_EVENT_TIME, times)
    found = _report(tmp_path, make_contract(task="regression", metric="rmse", gates={}), rows)
    text, page = inspection_text.table(found), inspection_page.page(found)
    for start in ("WARNING: one row has 100% of the variation", "WARNING: 1 row is left out of every split"):
        assert start in text
        assert f'<p class="note warning">{start}' in page


def test_a_key_is_not_drawn(tmp_path: Path) -> None:
    """Bars of one row each say nothing; an empty text has a name."""
    keys = [f"k{row}" for row in range(2000)]
    found = _report(tmp_path, make_contract(), _column(make_rows(), "carrier", keys))
    assert "each value is in less than 1 % of the rows, such as k0" in inspection_page.page(found)
    found = _report(
        tmp_path / "2", make_contract(), _column(make_rows(), "carrier", [""] * 1000 + ["AA"] * 1000)
    )
    assert "(empty)" in inspection_page.page(found)


def test_no_labelled_rows_are_an_error(tmp_path: Path) -> None:
    """There is nothing to say then."""
    run = prepare(tmp_path, make_contract(), make_rows(60))
    empty = make_rows(60).slice(0, 0)
    with pytest.raises(SplitError, match="has no labelled rows yet"):
        inspection.report(dataclasses.replace(run), empty, {**run.folder.read("snapshot"), "filled": {}})


@pytest.mark.parametrize(
    ("highest", "first", "last", "bins"),
    [(9, "0", "9", 10), (24, "0 to 1", "24 to 25", 13), (59, "0 to 2", "57 to 59", 20)],
)
def test_bins_of_whole_numbers_hold_as_many_of_them(highest: int, first: str, last: str, bins: int) -> None:
    """Where each number is as frequent as the others, no bin is twice as high because it holds two of them."""
    values = np.tile(np.arange(highest + 1.0), 200)
    found = inspection._bins(values)
    assert (found[0][0], found[-1][0], len(found)) == (first, last, bins)
    assert sum(rows for _, rows in found) == len(values)
    assert {rows for _, rows in found[:-1]} == {found[0][1]}
