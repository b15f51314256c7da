"""A time that cannot be meant is named, and decides nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from pydantic import SecretStr

from hotclub import names
from stack import database_roles
from tests.conftest import Database
from tests.factories import make_contract, make_rows
from tests.training.runs import prepare, without_time
from training import steps
from training.errors import RefusedDataError
from training.event_times import is_far, leave_out_far_rows

DAY = 86_400_000_000
UTC = dt.UTC


def _at(rows: pa.Table, times: dict[int, dt.datetime | None]) -> pa.Table:
    """Rows of which some have another time, by place."""
    changed = rows[names.COLUMN_EVENT_TIME].to_pylist()
    for place, time in times.items():
        changed[place] = time
    place = rows.schema.get_field_index(names.COLUMN_EVENT_TIME)
    return rows.set_column(place, names.COLUMN_EVENT_TIME, pa.array(changed, pa.timestamp("us", tz="UTC")))


@pytest.mark.parametrize("rows", [60, 100, 2000])
@pytest.mark.parametrize(
    "time",
    [
        dt.datetime(2203, 1, 1, tzinfo=UTC),
        dt.datetime(1913, 1, 1, tzinfo=UTC),
        dt.datetime(1971, 1, 1, tzinfo=UTC),
        dt.datetime(9999, 12, 30, tzinfo=UTC),
    ],
)
def test_a_single_typing_error(rows: int, time: dt.datetime) -> None:
    """One row of another century is found, however few rows there are, and no other."""
    table = _at(make_rows(rows), {rows // 2: time})
    far = is_far(table[names.COLUMN_EVENT_TIME].cast(pa.int64()).to_numpy())
    assert np.flatnonzero(far).tolist() == [rows // 2]


@pytest.mark.parametrize(
    "days",
    [
        pytest.param([*range(0, 1500, 30), *np.linspace(1500, 1800, 4000)], id="a row a month at the beginning"),
        pytest.param([30 * np.log2(1 + k) for k in range(5000)], id="rows double each month"),
        pytest.param([*np.linspace(0, 30, 500), *np.linspace(365, 395, 500)], id="two seasons, a year apart"),
        pytest.param(np.linspace(0, 0.9, 300), id="one day alone"),
        pytest.param([5.0] * 100, id="all at one moment"),
        pytest.param([*np.linspace(1, 1.1, 400), 0.5], id="a row on the day before"),
        pytest.param([*np.linspace(0, 100, 3000), 180], id="a pause that is not longer than the rest"),
        pytest.param([3.0], id="one row"),
    ],
)  # fmt: skip
def test_what_a_history_may_look_like(days: Any) -> None:
    """Sparse starts, pauses and seasons are no typing errors: nothing is left out."""
    assert not is_far((np.asarray(days, dtype=float) * DAY).astype(np.int64)).any()


def test_a_row_beyond_a_gap_that_is_longer_than_nearly_all_rows_span() -> None:
    """The rule at its limit: the gap counts, from the last row that is near."""
    base = np.linspace(0, 100, 2001)  # 98 % of the rows are within 96 days
    near, far = (np.append(base, 100 + gap) * DAY for gap in (95, 97))
    assert not is_far(near.astype(np.int64)).any()
    assert np.flatnonzero(is_far(far.astype(np.int64))).tolist() == [2001]


def test_left_out_with_a_warning(tmp_path: Path) -> None:
    """The splits are those of the other rows; count and entities are in progress, facts and description."""
    rows = make_rows()
    run = prepare(
        tmp_path, make_contract(), _at(rows, {7: dt.datetime(2203, 5, 6, 7, 8, tzinfo=UTC)}), no_champion=True
    )
    said: list[str] = []
    object.__setattr__(run, "progress", said.append)
    facts = steps.fit(run)
    assert facts["left_out"]["count"] == 1
    assert facts["left_out"]["examples"] == [["8", "2203-05-06 07:08"]]
    assert facts["evaluation_from"] < "2013-04"
    warning = next(text for text in said if "left out" in text)
    assert warning.startswith("WARNING: 1 row is left out of every split")
    assert "8 (2203-05-06 07:08)" in warning
    evaluation = steps.evaluate(run)
    assert evaluation["left_out"] == facts["left_out"]
    assert "1 row is left out of every split" in (run.folder.path / "description.md").read_text()
    assert sum(split["rows"] for split in facts["splits"].values()) == rows.num_rows - 1


def test_five_are_named() -> None:
    """Of more rows, five with their times."""
    rows = _at(make_rows(), {place: dt.datetime(2203, 1, 1, tzinfo=UTC) for place in range(7)})
    kept, left_out = leave_out_far_rows(make_contract(), rows)
    assert (kept.num_rows, left_out.count, len(left_out.examples)) == (1993, 7, 5)
    assert left_out.sentence().startswith("7 rows are left out")
    assert ", …. Correct them" in left_out.sentence()


@pytest.mark.parametrize(("count", "refused"), [(20, False), (21, True)])
def test_more_than_one_in_a_hundred_is_no_typing_error(count: int, *, refused: bool) -> None:
    """Then nothing is fitted: somebody has to look."""
    rows = _at(make_rows(), {place: dt.datetime(2203, 1, 1, tzinfo=UTC) for place in range(count)})
    if not refused:
        assert leave_out_far_rows(make_contract(), rows)[1].count == count
        return
    with pytest.raises(
        RefusedDataError, match=r"times of 21 of 2,000 rows lie far.*more than 1%.*1 \(2203-01-01 00:00\)"
    ):
        leave_out_far_rows(make_contract(), rows)


def test_rows_without_a_time_are_refused() -> None:
    """In no split, and not silently: counted, with an entity."""
    with pytest.raises(
        RefusedDataError, match=r"2 of 2,000 labelled rows have no event_time .*such as entity 4"
    ):
        leave_out_far_rows(make_contract(), _at(make_rows(), {3: None, 9: None}))


def test_a_model_without_time_has_none_that_is_far() -> None:
    """Its column is null in every row."""
    contract, rows = without_time(make_contract(), make_rows(100))
    assert leave_out_far_rows(contract, rows)[0].num_rows == 100


@pytest.mark.integration
class TestPostgresTimes:
    """Times that PostgreSQL has and Python lacks."""

    TIMES = ("infinity", "-infinity", "10001-01-01Z", "0044-03-15 00:00Z BC", "294276-01-01Z")

    @pytest.fixture
    def run(self, provision: Any, tmp_path: Path) -> steps.Run:
        """A view of 1,000 rows, of which five have such times, and one an unknown label."""
        made: Database = provision("hotclub_training_times")
        view = make_contract("late").view
        with psycopg.connect(
            database_roles.database_url(made.admin_url, made.name), autocommit=True
        ) as connection:
            connection.execute(f"DROP VIEW IF EXISTS {view}")
            strange = " ".join(f"WHEN {n} THEN timestamptz '{t}'" for n, t in enumerate(self.TIMES, start=1))
            connection.execute(
                f"CREATE VIEW {view} AS SELECT x::bigint AS entity, 'EWR'::text AS tenant,"
                f" CASE x {strange} ELSE timestamptz '2013-01-01Z' + x * interval '1 hour' END AS event_time,"
                " CASE x WHEN 1000 THEN NULL ELSE x % 2 END::float8 AS label, 'AA'::text AS carrier,"
                " x::float8 AS hour, (x * 7 % 5)::float8 AS wind_speed, x % 3 = 0 AS holiday"
                " FROM generate_series(1, 1000) AS t (x)"
            )
            connection.execute(f"GRANT SELECT ON {view} TO {names.ROLE_READER}")
        run = prepare(tmp_path, make_contract("late", evaluate_days=5, stopping_days=5), make_rows(60))
        settings = run.settings.model_copy(
            update={"reader_database_url": SecretStr(made.url(names.ROLE_READER))}
        )
        return dataclasses.replace(run, settings=settings)

    def test_infinite_times_are_named(self, run: steps.Run) -> None:
        """The rows are not read, and are counted and named with those that are far."""
        facts = steps.take_snapshot(run)
        assert facts["rows"] == 994
        assert facts["unreadable_times"]["count"] == 5
        assert {time for _, time in facts["unreadable_times"]["examples"]} >= {"infinity", "-infinity"}
        left_out = steps.fit(run)["left_out"]
        assert left_out["count"] == 5
        assert "1 (infinity)" in left_out["sentence"]

    def test_a_snapshot_counts_what_is_filled(self, run: steps.Run) -> None:
        """With and without a label, by feature."""
        filled = steps.take_snapshot(run)["filled"]
        assert (filled["known"], filled["unknown"]) == (994, 1)
        assert filled["features"]["hour"] == (994, 1)
        # One row has no label: of each feature it has a single value, as text.
        assert filled["single"] == {"carrier": "AA", "hour": "1000", "wind_speed": "0", "holiday": "false"}

    @pytest.mark.parametrize("sample", [100, 300])
    def test_a_sample_is_ever_the_same(self, run: steps.Run, sample: int) -> None:
        """About as many rows as asked for; a smaller sample is within a larger one."""
        import pyarrow.parquet as pq

        found = []
        for size in (sample, sample * 2):
            steps.take_snapshot(dataclasses.replace(run, sample=size))
            found.append(set(pq.read_table(run.folder.snapshot)[names.COLUMN_ENTITY].to_pylist()))
        assert found[0] < found[1]
        assert len(found[0]) == pytest.approx(sample, rel=0.25)
