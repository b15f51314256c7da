"""Exit codes: whether running a step again can help."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import requests
import xgboost
from mlflow.exceptions import MlflowException, RestException

from hotclub import names, store
from hotclub.errors import (
    ContractError,
    GateError,
    HotclubError,
    NotFoundError,
    PackageError,
    RegistryError,
    RegistryRefusedError,
)
from tests.conftest import ROOT, Database
from tests.factories import make_contract, make_rows
from tests.training.runs import prepare
from training import __main__ as command
from training import steps
from training.errors import RefusedDataError
from training.failures import Exit, judge
from training.folder import StepMissingError
from training.split import SplitError


def _rest(code: str) -> RestException:
    return RestException({"error_code": code, "message": "words"})


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ContractError("c"), Exit.CHANGE),
        (PackageError("p"), Exit.CHANGE),
        (GateError("g"), Exit.CHANGE),
        (StepMissingError("s"), Exit.CHANGE),
        (HotclubError("--without"), Exit.CHANGE),
        (SplitError("rows"), Exit.DATA),
        (RefusedDataError("rows"), Exit.DATA),
        (RegistryError("503"), Exit.AWAY),
        (RegistryRefusedError("403"), Exit.CHANGE),
        (NotFoundError("404"), Exit.CHANGE),
        (psycopg.OperationalError("connection refused"), Exit.AWAY),
        (psycopg.OperationalError('FATAL:  password authentication failed for user "x"'), Exit.CHANGE),
        (psycopg.OperationalError('FATAL:  database "x" does not exist'), Exit.CHANGE),
        (psycopg.errors.AdminShutdown("terminating connection"), Exit.AWAY),
        (psycopg.errors.TooManyConnections("sorry"), Exit.AWAY),
        (psycopg.errors.QueryCanceled("statement timeout"), Exit.AWAY),
        (psycopg.errors.SerializationFailure("again"), Exit.AWAY),
        (psycopg.errors.LockNotAvailable("locked"), Exit.AWAY),
        (psycopg.errors.InsufficientPrivilege("denied"), Exit.CHANGE),
        (psycopg.errors.UndefinedColumn("gone"), Exit.CHANGE),
        (psycopg.errors.DivisionByZero("in the view"), Exit.DATA),
        (psycopg.errors.CardinalityViolation("two rows in the view"), Exit.DATA),
        (psycopg.ProgrammingError("bad URL"), Exit.CHANGE),
        (xgboost.core.XGBoostError("Check failed\nStack trace: x"), Exit.CHANGE),
        (requests.ConnectionError("refused"), Exit.AWAY),
        (_rest("INVALID_PARAMETER_VALUE"), Exit.CHANGE),
        (_rest("PERMISSION_DENIED"), Exit.CHANGE),
        (_rest("TEMPORARILY_UNAVAILABLE"), Exit.AWAY),
        (_rest("REQUEST_LIMIT_EXCEEDED"), Exit.AWAY),
        (MlflowException("API request failed"), Exit.AWAY),
        (OSError(errno.ENOSPC, "No space left on device"), Exit.CHANGE),
        (OSError(errno.EDQUOT, "Quota"), Exit.CHANGE),
        (PermissionError(errno.EACCES, "Permission denied"), Exit.CHANGE),
        (ConnectionResetError("reset"), Exit.AWAY),
        (TimeoutError("late"), Exit.AWAY),
        (KeyError("label"), Exit.FAULT),
        (MemoryError(), Exit.FAULT),
    ],
    ids=lambda value: f"{type(value).__name__}-{value}"[:60],
)
def test_code_of_each_kind(error: Exception, code: Exit) -> None:
    """What passes is 1 and nothing else is: Airflow tries again after 1 alone."""
    assert judge(error)[0] is code


def test_a_fault_that_nobody_foresaw_shows_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such a step ends with 4, not with Python's own 1, and says where."""

    def broken(*_: object) -> None:
        raise KeyError("label")

    monkeypatch.setattr(command.store, "find_model", broken)
    assert command.main(["fit", "--model", "late"]) == 4
    assert "in broken" in capsys.readouterr().err


def test_xgboosts_trace_is_cut() -> None:
    """Its first words say what; the frames of its C++ code say nothing to a reader."""
    words = judge(xgboost.core.XGBoostError("label must be positive\nStack trace:\n  [bt] (0) lib"))[1]
    assert words == "XGBoost refuses these parameters or rows: label must be positive"


class TestCommandLine:
    """The real command, as Airflow starts it."""

    @pytest.fixture
    def run(self, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
        """A function from a command and variables to what came of it."""
        store.write(make_contract("late"), tmp_path / "contracts")
        own = {"HOTCLUB_CONTRACTS": str(tmp_path / "contracts"), "HOTCLUB_SNAPSHOTS": str(tmp_path / "runs"),
               "HOTCLUB_READER_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
               "HOTCLUB_MLFLOW_URL": "http://127.0.0.1:9", "PYTHONPATH": str(ROOT)}  # fmt: skip

        def go(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "training", *words], env={**os.environ, **own, **variables},
                capture_output=True, text=True, check=False, timeout=120,
            )  # fmt: skip

        return go

    @pytest.mark.parametrize(
        "day", ["2013-13-01", "2013-11-01T00:00:00+02:00", "20131101", "2013-W44-5", "yesterday"]
    )
    @pytest.mark.parametrize("option", ["--until", "--stopping-from", "--evaluation-from"])
    def test_days_of_one_form_alone(self, capsys: pytest.CaptureFixture[str], option: str, day: str) -> None:
        """Another form is an error of usage with an example; no time is read as another than it says."""
        with pytest.raises(SystemExit) as ended:
            command.main(["snapshot", "--model", "late", option, day])
        assert ended.value.code == 2
        assert f"argument {option}: '{day}' is not a day such as 2013-11-01" in capsys.readouterr().err

    def test_database_away(self, run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
        """1, with PostgreSQL's words and no traceback."""
        done = run("snapshot", "--model", "late")
        assert done.returncode == 1, done.stderr
        assert "Connection refused" in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize(
        ("words", "variables", "said"),
        [
            (("fit", "--model", "late"), {"HOTCLUB_TRAINING_THREADS": "many"}, "HOTCLUB_TRAINING_THREADS: Input should be a valid integer"),
            (("fit", "--model", "late"), {"HOTCLUB_TRAINING_THREADS": "0"}, "greater than or equal to 1"),
            (("fit", "--model", "nobody"), {}, "no contract named 'nobody'; there are: late"),
            (("fit", "--model", "late"), {}, "run `python -m training snapshot` with this run key first"),
            (("snapshot", "--model", "late"), {"HOTCLUB_READER_DATABASE_URL": "nonsense"}, 'missing "="'),
        ],
    )  # fmt: skip
    def test_what_a_person_must_change(
        self, run: Callable[..., subprocess.CompletedProcess[str]],
        words: tuple[str, ...], variables: dict[str, str], said: str,
    ) -> None:  # fmt: skip
        """2, in one line that names the setting, the contract or the step."""
        done = run(*words, **variables)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr

    def test_refused_rows(self, run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
        """3, and the snapshot of a good run is 0 with its JSON."""
        contract = make_contract("late")
        rows = make_rows()
        few = prepare(tmp_path, contract, rows.slice(0, 90), key="few")
        done = run("fit", "--model", "late", "--run-key", few.key)
        assert done.returncode == 3, done.stderr
        assert "at least 50 are needed" in done.stderr
        good = prepare(tmp_path, contract, rows, key="good")
        done = run("fit", "--model", "late", "--run-key", good.key)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["rounds"] > 0

    def test_a_folder_that_cannot_be_written(
        self, run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
    ) -> None:
        """A file where the folder should be: 2, named."""
        contract = make_contract("late")
        prepare(tmp_path, contract, make_rows(), key="k")
        (tmp_path / "runs" / "late" / "k" / "package").write_text("in the way")
        done = run("fit", "--model", "late", "--run-key", "k")
        assert done.returncode == 2, done.stderr
        assert "a file or folder cannot be used" in done.stderr

    @pytest.mark.integration
    def test_mlflow_away(self, run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
        """The champion cannot be asked for while MLflow is away: 1."""
        contract = make_contract("late")
        ready = prepare(tmp_path, contract, make_rows(), key="k")
        steps.fit(ready)
        done = run("evaluate", "--model", "late", "--run-key", "k")
        assert done.returncode == 1, done.stderr
        assert "MLflow does not answer" in done.stderr

    @pytest.mark.integration
    def test_register_while_mlflow_is_away(
        self, run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
    ) -> None:
        """MLflow's own client gives up after some seconds, not minutes, and the step is one to run again."""
        contract = make_contract("late")
        ready = prepare(tmp_path, contract, make_rows(), key="k", without=("weather",))
        steps.fit(ready)
        steps.evaluate(ready)
        done = run("register", "--model", "late", "--run-key", "k")
        assert done.returncode == 1, done.stderr
        assert "MLflow" in done.stderr


@pytest.mark.integration
class TestPostgres:
    """What a real PostgreSQL says."""

    @pytest.fixture(scope="class")
    def reader(self, provision: Callable[[str], Database]) -> Database:
        """A database of its own, in which there is one view."""
        made = provision("hotclub_training_failures")
        with psycopg.connect(
            made.admin_url.rpartition("/")[0] + "/" + made.name, autocommit=True
        ) as connection:
            connection.execute(
                "CREATE VIEW features.ml_late_v1 AS SELECT 1::bigint AS entity, 'EWR'::text AS tenant,"
                " timestamptz '2013-01-01Z' AS event_time, 1/(x - x)::float8 AS label, 'AA'::text AS carrier,"
                " 1::float8 AS hour, 1::float8 AS wind_speed, true AS holiday FROM (VALUES (1)) AS t (x);"
                f"GRANT SELECT ON features.ml_late_v1 TO {names.ROLE_READER}"
            )
        return made

    def _snapshot(self, tmp_path: Path, url: str, version: int = 1, **options: object) -> tuple[Exit, str]:
        import dataclasses

        from pydantic import SecretStr

        contract = make_contract("late", version)
        run = prepare(tmp_path, contract, make_rows(60), **options)
        settings = run.settings.model_copy(update={"reader_database_url": SecretStr(url)})
        with pytest.raises(Exception) as failed:  # noqa: PT011  # each kind is what is tested
            steps.take_snapshot(dataclasses.replace(run, settings=settings))
        return judge(failed.value)

    def test_wrong_password(self, reader: Database, tmp_path: Path) -> None:
        """A login that is refused is refused again."""
        url = reader.url(names.ROLE_READER).replace(reader.passwords[names.ROLE_READER], "wrong")
        code, words = self._snapshot(tmp_path, url)
        assert (code, "authentication failed" in words) == (Exit.CHANGE, True)

    def test_unknown_database(self, reader: Database, tmp_path: Path) -> None:
        """So is a database that is not there."""
        url = reader.url(names.ROLE_READER).replace(reader.name, "nowhere")
        assert self._snapshot(tmp_path, url)[0] is Exit.CHANGE

    def test_missing_view(self, reader: Database, tmp_path: Path) -> None:
        """The view of a contract version that migrate has not built is named."""
        code, words = self._snapshot(tmp_path, reader.url(names.ROLE_READER), version=2)
        assert (code, "has no view features.ml_late_v2: run migrate" in words) == (Exit.CHANGE, True)

    def test_a_view_that_divides_by_zero(self, reader: Database, tmp_path: Path) -> None:
        """The rows are at fault, today and in five seconds."""
        assert self._snapshot(tmp_path, reader.url(names.ROLE_READER))[0] is Exit.DATA

    def test_until_before_everything(self, reader: Database, tmp_path: Path) -> None:
        """No row is left: said at once, with the option, not three steps later."""
        import datetime as dt

        code, words = self._snapshot(
            tmp_path, reader.url(names.ROLE_READER), until=dt.datetime(2010, 1, 1, tzinfo=dt.UTC)
        )
        assert code is Exit.DATA
        assert "has no labelled rows before 2010-01-01 (--until)" in words
