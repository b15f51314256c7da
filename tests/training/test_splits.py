"""Splits ordered by time."""

from __future__ import annotations

import pytest

from hotclub import names
from tests.factories import make_contract, make_rows
from training.splits import SplitError, boundaries, split_rows


def test_split_is_ordered_by_time() -> None:
    """No row of a later split is older than one of an earlier split, and every row is in one."""
    rows = make_rows()
    splits = split_rows(make_contract(), rows, boundaries(make_contract(), rows))
    times = [
        getattr(splits, name)[names.COLUMN_EVENT_TIME].to_pylist()
        for name in ("train", "stopping", "evaluation")
    ]
    assert max(times[0]) < min(times[1]) <= max(times[1]) < min(times[2])
    assert sum(map(len, times)) == rows.num_rows


def test_short_history_is_cut_in_proportion() -> None:
    """With fewer days than the policy asks for, the two newer splits take a fifth of the time each."""
    rows = make_rows(2000)
    contract = make_contract(evaluate_days=90, stopping_days=90)
    splits = split_rows(contract, rows, boundaries(contract, rows))
    sizes = [getattr(splits, name).num_rows / 2000 for name in ("train", "stopping", "evaluation")]
    assert sizes == pytest.approx([0.6, 0.2, 0.2], abs=0.01)


def test_too_few_rows_name_the_split() -> None:
    """Rows that are not enough for three splits are refused, with what to do."""
    rows = make_rows(100)
    with pytest.raises(
        SplitError, match=r"the stopping split has \d+ rows of 100, at least 50.*load more history"
    ):
        split_rows(make_contract(), rows, boundaries(make_contract(), rows))
