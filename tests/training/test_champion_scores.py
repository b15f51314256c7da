"""The champion's own rows, where it was trained under another contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hotclub import names
from tests.factories import make_contract, make_rows
from tests.training.runs import without_time
from training import champion_scores
from training.settings import TrainingSettings

CANDIDATE, CHAMPION = make_contract(), make_contract(version=2, horizon_seconds=60)


@pytest.fixture
def view(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the champion's view answers, and how it was asked."""
    asked: dict[str, Any] = {}

    def read(_url: str, contract: Any, interval: Any, **options: Any) -> pa.Table:
        asked.update(options, contract=contract, interval=interval)
        return asked["rows"]

    monkeypatch.setattr(champion_scores, "read_view", read)
    return asked


def _with_label(rows: pa.Table, label: Any) -> pa.Table:
    place = rows.column_names.index(names.COLUMN_LABEL)
    return rows.set_column(place, names.COLUMN_LABEL, pa.array(label, pa.float64()))


def test_rows_come_with_or_without_the_champions_own_label(view: dict[str, Any]) -> None:
    """Its features are what is wanted; that it does not know a label yet is no reason not to be scored."""
    rows = make_rows(60)
    label = rows[names.COLUMN_LABEL].to_pylist()
    view["rows"] = _with_label(rows, [None, *label[1:]])
    found = champion_scores._rows(TrainingSettings(), CANDIDATE, CHAMPION, rows)
    assert isinstance(found, pa.Table)
    assert (found.num_rows, view["labelled"], view["contract"]) == (60, False, CHAMPION)


def test_rows_without_a_time_are_found_by_their_keys(view: dict[str, Any]) -> None:
    """On either side: there is no day from which on the champion's view would be read."""
    rows = make_rows(60)
    timeless, null_times = without_time(CANDIDATE, rows)
    other, _ = without_time(CHAMPION, rows)
    view["rows"] = rows
    for candidate, champion, asked in (
        (timeless, CHAMPION, null_times),
        (CANDIDATE, other, rows),
        (timeless, other, null_times),
    ):
        found = champion_scores._rows(TrainingSettings(), candidate, champion, asked)
        assert isinstance(found, pa.Table)
        assert view["interval"].start is None
    champion_scores._rows(TrainingSettings(), CANDIDATE, CHAMPION, rows)
    assert view["interval"].start == rows[names.COLUMN_EVENT_TIME].to_pylist()[0]


def test_a_champion_of_another_label_is_not_compared(view: dict[str, Any]) -> None:
    """Minutes held against hours would make any candidate the better one, or none."""
    rows = make_rows(60)
    view["rows"] = _with_label(rows, 1 - np.array(rows[names.COLUMN_LABEL]))
    reason = champion_scores._rows(TrainingSettings(), CANDIDATE, CHAMPION, rows)
    assert reason == "it predicts something else: its label differs on 60 of 60 rows"


def test_rows_that_the_champion_has_not_are_said(view: dict[str, Any]) -> None:
    """Fewer rows would be another comparison."""
    rows = make_rows(60)
    view["rows"] = rows.slice(1)
    assert (
        champion_scores._rows(TrainingSettings(), CANDIDATE, CHAMPION, rows)
        == "its view lacks some of the rows"
    )


@pytest.mark.parametrize(
    ("candidate", "champion", "words"),
    [
        ("time", "time", ""),
        ("key", "key", ""),
        ("customer", "customer", ""),
        (
            "time",
            "key",
            "split by a hash of the key, these are split by time: it may have been fitted on some",
        ),
        ("key", "time", "split by time, these are split by a hash of the key: it may"),
        ("customer", "key", "split by a hash of the key, these are split by a hash of customer"),
    ],
)
def test_a_champion_whose_rows_were_cut_in_another_way(candidate: str, champion: str, words: str) -> None:
    """It may have been fitted on what it is asked for here: its metrics are too good, and a person has to know."""
    rows = make_rows(60)
    contracts = {
        "time": CANDIDATE,
        "key": without_time(CANDIDATE, rows)[0],
        "customer": without_time(CANDIDATE, rows, split_by=str)[0],
    }
    caution = champion_scores._caution(contracts[candidate], contracts[champion])
    assert words in caution
    assert bool(caution) is bool(words)


def test_align_takes_each_row_from_its_own_place() -> None:
    """Rows come in the order that is asked for; one that is not there is not another row's score."""
    rows = make_rows(200)
    wanted = pa.chunked_array([rows["entity"].take(pa.array([7, 3, 150])).combine_chunks()])
    aligned = champion_scores.align(rows, wanted)
    assert aligned is not None
    assert aligned["entity"].to_pylist() == [8, 4, 151]
    assert champion_scores.align(rows.slice(10), wanted) is None
