"""Splits by time and by hash: which row goes where, and what is refused before a fit."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hotclub import names
from hotclub.contract import ModelContract
from hotclub.errors import HotclubError
from hotclub.metrics import METRICS
from tests.factories import make_contract, make_rows
from tests.training.runs import prepare, without_time
from training import steps
from training.splits import Boundaries, SplitError, advice, boundaries, split_rows

#: The first keys of each split among 300: pinned for ever.
PINNED = {
    "train": [2, 6, 8, 10, 11, 12, 14, 20],
    "stopping": [3, 9, 19, 27, 45, 47, 50, 57],
    "evaluation": [1, 4, 5, 7, 13, 15, 16, 17],
}
NAMES = ("train", "stopping", "evaluation")


def _entities(contract: ModelContract, rows: pa.Table) -> dict[str, set[int]]:
    """The entities of each split."""
    splits = split_rows(contract, rows, boundaries(contract, rows))
    return {name: set(part[names.COLUMN_ENTITY].to_pylist()) for name, part in splits.named().items()}


class TestByTime:
    """The newest rows are held out."""

    def test_split_is_ordered_by_time(self) -> None:
        """No row of a later split is older than one of an earlier split, and every row is in one."""
        rows = make_rows()
        splits = split_rows(make_contract(), rows, boundaries(make_contract(), rows))
        times = [part[names.COLUMN_EVENT_TIME].to_pylist() for part in splits.named().values()]
        assert max(times[0]) < min(times[1]) <= max(times[1]) < min(times[2])
        assert sum(map(len, times)) == rows.num_rows

    def test_days_are_counted_back_from_the_newest_row(self) -> None:
        """The evaluation split is as long as declared, and the stopping split before it."""
        at = boundaries(make_contract(evaluate_days=20, stopping_days=10), make_rows())
        newest = make_rows()[names.COLUMN_EVENT_TIME].to_pylist()[-1]
        assert at == Boundaries(newest - dt.timedelta(days=30), newest - dt.timedelta(days=20))

    @pytest.mark.parametrize(
        ("evaluate", "stopping", "largest"),
        [(30, 30, (24, 25)), (90, 10, (44, 5)), (1, 60, (1, 48)), (49, 1, (48, 1)), (400, 400, (24, 25))],
    )
    def test_days_that_the_rows_do_not_span(
        self, evaluate: int, stopping: int, largest: tuple[int, int]
    ) -> None:
        """Refused with the span, both settings, and the largest values that fit; those do fit."""
        rows = make_rows()
        with pytest.raises(SplitError) as refused:
            boundaries(make_contract(evaluate_days=evaluate, stopping_days=stopping), rows)
        message = str(refused.value)
        assert "the rows span 100 days, and the two newer splits may take at most half of it" in message
        assert f"evaluate_days = {evaluate} and stopping_days = {stopping} need" in message
        assert f"are evaluate_days = {largest[0]} and stopping_days = {largest[1]}" in message
        fitting = make_contract(evaluate_days=largest[0], stopping_days=largest[1])
        assert boundaries(fitting, rows) is not None

    def test_exactly_half_is_enough(self) -> None:
        """100 days less a row, half of which 24 and 25 days are, and 25 and 25 are not."""
        rows = make_rows()
        assert boundaries(make_contract(evaluate_days=25, stopping_days=24), rows) is not None
        with pytest.raises(SplitError):
            boundaries(make_contract(evaluate_days=25, stopping_days=25), rows)

    def test_a_history_of_hours_has_no_whole_days(self) -> None:
        """No setting helps then: more history does."""
        rows = make_rows(3000).slice(0, 80)
        with pytest.raises(SplitError, match="Load more history: at least 4 days"):
            boundaries(make_contract(evaluate_days=1, stopping_days=1), rows)

    def test_ten_months_with_thirty_days_each(self) -> None:
        """What the demo has."""
        rows = make_rows()
        start = dt.datetime(2013, 1, 1, tzinfo=dt.UTC)
        times = [start + dt.timedelta(days=303 * i / rows.num_rows) for i in range(rows.num_rows)]
        place = rows.schema.get_field_index(names.COLUMN_EVENT_TIME)
        rows = rows.set_column(place, names.COLUMN_EVENT_TIME, pa.array(times, pa.timestamp("us", tz="UTC")))
        contract = make_contract(evaluate_days=30, stopping_days=30)
        sizes = [
            part.num_rows / 2000
            for part in split_rows(contract, rows, boundaries(contract, rows)).named().values()
        ]
        assert sizes == pytest.approx([0.8, 0.1, 0.1], abs=0.01)

    def test_a_boundary_by_hand_moves_the_other_with_it(self) -> None:
        """The stopping split ends where the evaluation split begins, wherever that is; the span is not refused."""
        day = dt.datetime(2013, 2, 15, tzinfo=dt.UTC)
        at = boundaries(make_contract(stopping_days=20), make_rows(), evaluation_from=day)
        assert at == Boundaries(day - dt.timedelta(days=20), day, by_hand=True)

    def test_days_that_take_half_are_not_raised(self) -> None:
        """Then only more history makes a split larger."""
        contract, rows = make_contract(evaluate_days=25, stopping_days=24), make_rows()
        words = advice(contract, rows, "evaluation", boundaries(contract, rows))
        assert words.startswith("load more history: the rows span 100 days")
        assert "evaluate_days (now 25) cannot be raised" in words

    @pytest.mark.parametrize("metric", ["roc_auc", "accuracy"])
    def test_too_few_rows_name_the_split(self, metric: str) -> None:
        """A split with fewer rows than the metric needs is refused, with what to do; one more is enough."""
        needed = METRICS[metric].rows
        assert needed >= 20
        contract = make_contract(metric=metric, evaluate_days=20, stopping_days=20)
        rows = make_rows(5 * needed - 5)
        with pytest.raises(
            SplitError,
            match=rf"the stopping split has {needed - 1} rows of {rows.num_rows}, and {metric} needs at least {needed} "
            r".*raise stopping_days \(now 20, at most 29 for these rows\) in ml.py, or load more history",
        ):
            split_rows(contract, rows, boundaries(contract, rows))
        rows = make_rows(5 * needed + 5)
        split_rows(contract, rows, boundaries(contract, rows))


class TestFewRowsThatAreNewer:
    """A typing error that no gap of the whole span divides from the rest."""

    def _rows(self, later: int) -> pa.Table:
        rows = make_rows()
        place = rows.schema.get_field_index(names.COLUMN_EVENT_TIME)
        times = rows[names.COLUMN_EVENT_TIME].to_pylist()
        times[:later] = [time + dt.timedelta(days=180) for time in times[:later]]
        return rows.set_column(
            place, names.COLUMN_EVENT_TIME, pa.array(times, rows.schema.field(place).type)
        ).sort_by(names.COLUMN_EVENT_TIME)

    def test_the_gap_is_said(self) -> None:
        """With its ends, the rows after it, one of them, and that their times may be wrong."""
        contract, rows = make_contract(), self._rows(3)
        with pytest.raises(SplitError) as refused:
            split_rows(contract, rows, boundaries(contract, rows))
        assert (
            "the longest time without rows is 80 days, 2013-04-10 to 2013-06-30, with 3 of 2,000 rows after it, such as "
            "entity 1: correct the times of these, if they are wrong" in str(refused.value)
        )

    def test_many_rows_are_no_error(self) -> None:
        """The gap is said all the same."""
        contract, rows = make_contract(evaluate_days=4, stopping_days=4), self._rows(100)
        with pytest.raises(SplitError, match=r"with 100 of 2,000 rows after it, such as entity 1\)"):
            split_rows(contract, rows, boundaries(contract, rows))


class TestByHash:
    """Rows without a time."""

    def test_shares_and_no_row_is_lost(self) -> None:
        """A fifth is held out, a fifth stops the fit, the rest is fitted; each row is in one split."""
        contract, rows = without_time(make_contract(), make_rows(20_000))
        splits = _entities(contract, rows)
        shares = [len(splits[name]) / 20_000 for name in NAMES]
        assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.01)
        assert set.union(*splits.values()) == set(range(1, 20_001))

    def test_the_split_of_known_keys(self) -> None:
        """Pinned: another hash, salt or share would move rows between splits of versions that are compared."""
        contract, rows = without_time(make_contract(), make_rows(300))
        splits = _entities(contract, rows)
        assert {name: sorted(splits[name])[:8] for name in NAMES} == PINNED

    def test_rows_that_are_added_or_reordered_move_no_other(self) -> None:
        """A row's split depends on its own key alone."""
        contract, rows = without_time(make_contract(), make_rows(3000))
        before = _entities(contract, rows.slice(0, 1000))
        shuffled = rows.take(pa.array(np.random.default_rng(1).permutation(3000)))
        after = _entities(contract, shuffled)
        for name in NAMES:
            assert {entity for entity in after[name] if entity <= 1000} == before[name]

    def test_rows_sorted_by_class_are_spread(self) -> None:
        """Loaded class by class, each split has its share of each class."""
        contract, rows = without_time(make_contract(), make_rows(2000))
        rows = rows.sort_by(names.COLUMN_LABEL)
        for part in split_rows(contract, rows, None).named().values():
            share = part[names.COLUMN_LABEL].to_numpy().mean()
            assert share == pytest.approx(rows[names.COLUMN_LABEL].to_numpy().mean(), abs=0.05)

    def test_rows_of_one_customer_stay_together(self) -> None:
        """With `split_by` the value decides; a row without one is for itself."""
        contract, rows = without_time(
            make_contract(), make_rows(4000), split_by=lambda entity: f"c{entity % 200}"
        )
        splits = {
            name: set(part[names.COLUMN_SPLIT].to_pylist())
            for name, part in split_rows(contract, rows, None).named().items()
        }
        assert all(splits[a].isdisjoint(splits[b]) for a in NAMES for b in NAMES if a < b)
        assert sum(map(len, splits.values())) == 200
        by_entity, same = without_time(make_contract(), make_rows(4000))
        nulls, alone = without_time(make_contract(), make_rows(4000), split_by=lambda entity: None)
        assert _entities(nulls, alone) == _entities(by_entity, same)

    def test_few_values_of_split_by_are_said(self) -> None:
        """Three customers are no three splits: how many there are is in the message."""
        contract, rows = without_time(make_contract(), make_rows(500), split_by=lambda entity: "one")
        with pytest.raises(
            SplitError,
            match=r"has 0 rows of 500.*has 1 different values.*a split_by with more different values",
        ):
            split_rows(contract, rows, None)

    def test_too_few_rows(self) -> None:
        """Days are not named: there are none."""
        contract, rows = without_time(make_contract(), make_rows(40))
        with pytest.raises(SplitError, match=r"needs at least 20 .*: load more rows, 160 are enough in"):
            split_rows(contract, rows, boundaries(contract, rows))

    @pytest.mark.parametrize("option", ["until", "stopping_from", "evaluation_from"])
    def test_options_about_time_are_refused(self, tmp_path: Any, option: str) -> None:
        """With the reason, and no silence."""
        contract, rows = without_time(make_contract(), make_rows(300))
        run = prepare(tmp_path, contract, rows, **{option: dt.datetime(2013, 1, 1, tzinfo=dt.UTC)})
        step = steps.take_snapshot if option == "until" else steps.fit
        with pytest.raises(
            HotclubError, match=rf"--{option.replace('_', '-')}: the rows of arrival_delay have no time"
        ):
            step(run)
