"""Names that several parts build and take apart, and the local day."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from hotclub import contract_files, names
from hotclub.errors import GateError, InvalidInputError
from hotclub.model_registry import RegisteredVersion

DAY = dt.date(2013, 11, 3)


def test_each_name_is_what_others_look_for() -> None:
    """Airflow, PostgreSQL and people find things under these; a changed one orphans what is there."""
    assert (
        names.ingest_dag_id("s"), names.train_dag_id("m"), names.score_dag_id("m"), names.replay_dag_id("m"),
        names.ingest_run_id("d-1", 2), names.asset_uri("s"), names.staging_table("a-b-c"), names.view_name("m", 2),
    ) == (
        "s.ingest", "m.train", "m.score", "m.replay", "delivery-d-1-2", "hotclub://source/s", "delivery_abc", "ml_m_v2",
    )  # fmt: skip


@pytest.mark.parametrize("tenant", ["EWR", "a.b"])
def test_a_partition_is_taken_apart_as_it_was_made(tenant: str) -> None:
    """Also for a tenant with a dot."""
    assert names.partition_key(tenant, DAY) == f"{tenant}.2013-11-03"
    assert names.parse_partition_key(names.partition_key(tenant, DAY)) == (tenant, DAY)


@pytest.mark.parametrize("key", ["", "EWR", "2013-11-03", ".2013-11-03", "EWR.", "EWR.2013-13-01"])
def test_what_is_no_partition_is_refused(key: str) -> None:
    """With the field and an example."""
    with pytest.raises(InvalidInputError) as told:
        names.parse_partition_key(key)
    (error,) = told.value.errors
    assert (error.field, error.message) == (
        "partition", f"{key!r} is not <tenant>.<YYYY-MM-DD>, such as EWR.2013-11-01",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("day", "zone", "start", "hours"),
    [
        (dt.date(2013, 11, 2), "America/New_York", "2013-11-02T04:00:00+00:00", 24),
        (dt.date(2013, 11, 3), "America/New_York", "2013-11-03T04:00:00+00:00", 25),
        (dt.date(2013, 3, 10), "America/New_York", "2013-03-10T05:00:00+00:00", 23),
        (dt.date(2013, 3, 31), "Europe/Berlin", "2013-03-30T23:00:00+00:00", 23),
        (dt.date(2013, 12, 31), "UTC", "2013-12-31T00:00:00+00:00", 24),
    ],
)
def test_a_local_day_has_the_hours_that_its_clocks_have(
    day: dt.date, zone: str, start: str, hours: int
) -> None:
    """From midnight to midnight by the zone's own clock, as instants of UTC; the next day begins where it ends."""
    first, last = names.day_interval(day, zone)
    assert (first.isoformat(), last - first, last.tzinfo) == (start, dt.timedelta(hours=hours), dt.UTC)
    assert names.day_interval(day + dt.timedelta(days=1), zone)[0] == last


@pytest.mark.parametrize(("day", "zone"), [(dt.date.max, "UTC"), (dt.date.min, "Europe/Berlin")])
def test_a_day_at_the_end_of_time_is_refused(day: dt.date, zone: str) -> None:
    """With the field and the years."""
    with pytest.raises(InvalidInputError) as told:
        names.day_interval(day, zone)
    (error,) = told.value.errors
    assert (error.field, error.message) == (
        "day",
        f"{day} does not lie within the years 1 to 9999 in UTC",
    )


def test_folders_are_separated_as_in_path() -> None:
    """Empty parts are none."""
    value = os.pathsep.join(["/a", "", "b/c"])
    found = contract_files.folders({names.VARIABLE_CONTRACTS: value})
    assert found == [Path("/a"), Path("b/c")]
    assert contract_files.folders({}) == []
    assert contract_files.folders({names.VARIABLE_CONTRACTS: contract_files.join_folders(found)}) == found


@pytest.mark.parametrize(
    ("tags", "state"),
    [
        ({}, "no verdict"),
        ({names.TAG_GATES: names.GATES_FAILED}, names.GATES_FAILED),
        ({names.TAG_GATES: names.GATES_FAILED, names.TAG_OVERRIDE: " "}, names.GATES_FAILED),
    ],
)
def test_gates_that_did_not_pass_are_told_with_the_tag(tags: dict[str, str], state: str) -> None:
    """A blank reason is none; a reason or passed gates let it through."""
    version = RegisteredVersion("late", "3", "", "", tags=tags)
    with pytest.raises(
        GateError, match=f"late version 3: gates: {state}; .*{names.TAG_OVERRIDE} on the version"
    ):
        version.require_gates()
    for good in ({names.TAG_GATES: names.GATES_PASSED}, {**tags, names.TAG_OVERRIDE: "known"}):
        RegisteredVersion("late", "3", "", "", tags=good).require_gates()


def test_parse_day_reads_what_isoformat_writes() -> None:
    """Leap days too."""
    assert names.parse_day("2024-02-29") == dt.date(2024, 2, 29)


@pytest.mark.parametrize(
    "text",
    [
        "20131101",
        "2013-W44-5",
        "2013-11-1",
        " 2013-11-01",
        "2013-11-01T00:00",
        "2013-02-29",
        "\uff12013-11-01",
        "",
        None,
        DAY,
    ],
)
def test_parse_day_takes_one_form_alone(text: object) -> None:
    """`date.fromisoformat` takes some of these: one day must have one name."""
    assert names.parse_day(text) is None
