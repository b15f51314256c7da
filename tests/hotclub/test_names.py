"""Names that several parts build and take apart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hotclub import contract_files, names
from hotclub.errors import GateError
from hotclub.model_registry import RegisteredVersion


def test_each_name_is_what_others_look_for() -> None:
    """Airflow, PostgreSQL and people find things under these; a changed one orphans what is there."""
    assert (
        names.ingest_dag_id("s"), names.train_dag_id("m"), names.score_dag_id("m"), names.replay_dag_id("m"),
        names.ingest_run_id("d-1", 2), names.asset_uri("s"), names.staging_table("a-b-c"), names.view_name("m", 2),
    ) == (
        "s.ingest", "m.train", "m.score", "m.replay", "delivery-d-1-2", "hotclub://source/s", "delivery_abc", "ml_m_v2",
    )  # fmt: skip


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
        (
            {names.TAG_GATES: names.GATES_NONE},
            f"{names.GATES_NONE}; no gate .*declare gates on metrics in ml.py, .*train again",
        ),
    ],
)
def test_gates_that_did_not_pass_are_told_with_the_tag(tags: dict[str, str], state: str) -> None:
    """A blank reason is none; a reason or passed gates let it through."""
    version = RegisteredVersion("late", "3", "", "", tags=tags)
    with pytest.raises(GateError, match=f"^gates: {state}; .*{names.TAG_OVERRIDE} on the version"):
        version.require_gates()
    for good in ({names.TAG_GATES: names.GATES_PASSED}, {**tags, names.TAG_OVERRIDE: "known"}):
        RegisteredVersion("late", "3", "", "", tags=good).require_gates()
