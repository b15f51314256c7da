"""The commands as Airflow runs them: exit codes, the last line, what goes to stderr."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_checks import commands
from hotclub import contract_files
from hotclub.contract import CheckSpec, ModelContract, SourceContract

ROOT = Path(__file__).parents[2]
DELIVERY = str(uuid.UUID(int=9))
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(stager_url: str, tmp_path: Path) -> Run:
    """A function from arguments to the finished command, with contracts in ``tmp_path/contracts``."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HOTCLUB_CONTRACTS": str(tmp_path / "contracts"),
        "HOTCLUB_STAGER_DATABASE_URL": stager_url,
    }

    def command(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "data_checks", *arguments]
        return subprocess.run(
            line, env={**environment, **changes}, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return command


def last(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """Return the JSON of the last line of a command that succeeded."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_stage_check_unstage(
    run: Run, contract: SourceContract, csv_file: Callable[..., Path], tmp_path: Path
) -> None:
    """The three commands of an ingest work in a row, print one JSON line each and are quiet otherwise."""
    contract_files.write(contract, tmp_path / "contracts")
    path = csv_file("EWR,1,2013-11-01 08:00,10,5,new,t", "EWR,2,2013-11-01 08:00,-1,5,new,t")
    staged = run("stage", "--source", "orders", "--delivery", DELIVERY, "--file", str(path))
    assert last(staged) == {"table": f"staging.delivery_{uuid.UUID(int=9).hex}", "rows": 2, "problem": None}
    report = tmp_path / "reports" / "report.json"
    checked = run(
        "check", "--source", "orders", "--delivery", DELIVERY, "--tenant", "EWR", "--day", "2013-11-01",
        "--report", str(report),
    )  # fmt: skip
    summary = last(checked)
    assert (summary["success"], summary["critical_failed"], summary["report"]) == (False, 1, str(report))
    assert summary["reasons"] == ["price must be at least 0 and at most 1000; wrong in 1 row: line 3 -1"]
    assert json.loads(report.read_text())["rows"] == 2
    assert (staged.stderr, checked.stderr) == ("", "")
    assert len(checked.stdout.splitlines()) == 1
    assert last(run("unstage", "--delivery", DELIVERY)) == {"delivery": DELIVERY, "dropped": True}


def test_broken_check_exits_with_its_name(
    run: Run, make_contract: Callable[..., SourceContract], csv_file: Callable[..., Path], tmp_path: Path
) -> None:
    """A wrong check is exit code 2 and one line that names it, without a traceback."""
    contract_files.write(make_contract(CheckSpec("ExpectNothing", "critical", {})), tmp_path / "contracts")
    path = csv_file("EWR,1,2013-11-01 08:00,10,5,new,t")
    run("stage", "--source", "orders", "--delivery", DELIVERY, "--file", str(path))
    done = run("check", "--source", "orders", "--delivery", DELIVERY, "--report", str(tmp_path / "r.json"))
    assert done.returncode == 2
    assert done.stderr.startswith(
        "data_checks: broken check: check ExpectNothing(): Great Expectations has no"
    )
    assert "Traceback" not in done.stderr


def test_wrong_settings_and_arguments_say_what_to_do(run: Run, tmp_path: Path) -> None:
    """An unknown source lists the known; a missing URL names its variable."""
    path = tmp_path / "a.csv"
    path.write_text("a\n")
    arguments = ["stage", "--source", "nothing", "--delivery", DELIVERY, "--file", str(path)]
    assert "no contract named 'nothing'" in run(*arguments).stderr
    done = run("unstage", "--delivery", DELIVERY, HOTCLUB_STAGER_DATABASE_URL="")
    assert (done.returncode, "HOTCLUB_STAGER_DATABASE_URL" in done.stderr) == (2, True)
    assert run("unstage", "--delivery", "x").returncode == 2


def test_bad_snapshot_exits_with_three(run: Run, late: ModelContract, tmp_path: Path) -> None:
    """A critical failure in a training snapshot stops the training: exit code 3, the report is written."""
    contract_files.write(late, tmp_path / "contracts")
    parquet = tmp_path / "snapshot.parquet"
    pq.write_table(pa.table({"entity": [1]}), parquet)
    report = tmp_path / "checks.json"
    done = run("snapshot", "--model", "late", "--parquet", str(parquet), "--report", str(report))
    assert done.returncode == 3
    assert "missing: event_time, label, hour, carrier, gift" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["critical_failed"] == 1
    assert not json.loads(report.read_text())["success"]


@pytest.mark.parametrize("day", ["2013-W44-5", "20131101"])
def test_a_day_has_one_form(day: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Other forms of ISO 8601 are a wrong argument, refused with an example."""
    arguments = ["check", "--source", "s", "--delivery", DELIVERY, "--report", "r.json", "--day", day]
    with pytest.raises(SystemExit) as refused:
        commands.build_parser().parse_args(arguments)
    assert refused.value.code == 2
    assert f"'{day}' is not a day such as 2013-11-01" in capsys.readouterr().err
