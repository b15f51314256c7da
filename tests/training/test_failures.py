"""Exit codes: whether running a step again can help."""

from __future__ import annotations

import errno
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

from hotclub import contract_files, names
from hotclub.errors import (
    ContractError,
    GateError,
    HotclubError,
    PackageError,
    RegistryError,
    RegistryNotFoundError,
    RegistryRefusedError,
)
from stack import database_roles
from tests.conftest import ROOT, Database
from tests.factories import make_contract, make_rows
from tests.training.runs import prepare
from training import __main__ as command
from training import champion_scores, steps
from training.errors import RefusedDataError
from training.failures import Exit, judge
from training.run_folder import StepMissingError
from training.splits import SplitError


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
        (RegistryNotFoundError("404"), Exit.CHANGE),
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

    monkeypatch.setattr(command.contract_files, "find_model", broken)
    assert command.main(["fit", "--model", "late"]) == 4
    assert "in broken" in capsys.readouterr().err


def test_xgboosts_trace_is_cut() -> None:
    """Its first words say what; the frames of its C++ code say nothing to a reader."""
    words = judge(xgboost.core.XGBoostError("label must be positive\nStack trace:\n  [bt] (0) lib"))[1]
    assert words == "XGBoost refuses these parameters or rows: label must be positive"


class TestCommandLine:
    """The real command, as Airflow starts it."""

    @pytest.fixture
    def environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A contract, a folder, and no service that answers."""
        contract_files.write(make_contract("late"), tmp_path / "contracts")
        monkeypatch.setenv("HOTCLUB_CONTRACTS", str(tmp_path / "contracts"))
        monkeypatch.setenv("HOTCLUB_SNAPSHOTS", str(tmp_path / "runs"))
        monkeypatch.setenv("HOTCLUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HOTCLUB_READER_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
        monkeypatch.setenv("HOTCLUB_MLFLOW_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("HOTCLUB_TRAINING_THREADS", "1")

    @pytest.fixture
    def run(
        self, environment: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> Callable[..., tuple[int, str]]:
        """A function from a command and variables to its exit code and what it said on stderr."""

        def go(*words: str, **variables: str) -> tuple[int, str]:
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            code = command.main(list(words))
            said = capsys.readouterr().err
            assert "Traceback" not in said
            return code, said

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

    @pytest.mark.usefixtures("services")
    def test_database_away(self, run: Callable[..., tuple[int, str]]) -> None:
        """1, with PostgreSQL's words and no traceback."""
        code, said = run("snapshot", "--model", "late")
        assert code == 1
        assert "Connection refused" in said

    @pytest.mark.parametrize(
        ("words", "variables", "expected"),
        [
            (("fit", "--model", "late"), {"HOTCLUB_TRAINING_THREADS": "many"}, "HOTCLUB_TRAINING_THREADS: Input should be a valid integer"),
            (("fit", "--model", "late"), {"HOTCLUB_TRAINING_THREADS": "0"}, "greater than or equal to 1"),
            (("fit", "--model", "nobody"), {}, "no contract named 'nobody'; there are: late"),
            (("fit", "--model", "late"), {}, "run `python -m training snapshot` with this run key first"),
            (("snapshot", "--model", "late"), {"HOTCLUB_READER_DATABASE_URL": "nonsense"}, 'missing "="'),
        ],
    )  # fmt: skip
    def test_what_a_person_must_change(
        self,
        run: Callable[..., tuple[int, str]],
        words: tuple[str, ...],
        variables: dict[str, str],
        expected: str,
    ) -> None:
        """2, in one line that names the setting, the contract or the step."""
        code, said = run(*words, **variables)
        assert code == 2
        assert expected in said

    @pytest.mark.usefixtures("environment", "services")
    def test_the_process_ends_with_the_code(self, tmp_path: Path) -> None:
        """The real command, as Airflow starts it: refused rows are 3."""
        prepare(tmp_path, make_contract("late"), make_rows(60), key="few")
        done = subprocess.run(
            [sys.executable, "-m", "training", "fit", "--model", "late", "--run-key", "few"],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 3, done.stderr
        assert "roc_auc needs at least 20" in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_good_step(self, run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
        """0."""
        prepare(tmp_path, make_contract("late"), make_rows(), key="good")
        assert run("fit", "--model", "late", "--run-key", "good")[0] == 0

    def test_a_folder_that_cannot_be_written(
        self, run: Callable[..., tuple[int, str]], tmp_path: Path
    ) -> None:
        """A file where the folder should be: 2, named."""
        prepared = prepare(tmp_path, make_contract("late"), make_rows(), key="k")
        prepared.folder.package.write_text("in the way")
        code, said = run("fit", "--model", "late", "--run-key", "k")
        assert code == 2
        assert "a file or folder cannot be used" in said
        assert str(prepared.folder.package) in said

    def test_mlflow_away(self, run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
        """The champion cannot be asked for while MLflow is away: 1."""
        steps.fit(prepare(tmp_path, make_contract("late"), make_rows(), key="k"))
        code, said = run("evaluate", "--model", "late", "--run-key", "k")
        assert code == 1
        assert "MLflow does not answer" in said

    @pytest.mark.integration
    @pytest.mark.usefixtures("services")  # it imports MLflow, which takes seconds
    def test_register_while_mlflow_is_away(
        self, run: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """MLflow's own client gives up after some seconds, not minutes, and the step is one to run again."""
        monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
        none = champion_scores.ChampionScores(None, None, "there is no champion yet")
        monkeypatch.setattr(champion_scores, "score_with_champion", lambda *_: none)
        ready = prepare(tmp_path, make_contract("late"), make_rows(), key="k")
        steps.fit(ready)
        steps.evaluate(ready)
        code, said = run("register", "--model", "late", "--run-key", "k")
        assert code == 1
        assert "MLflow" in said


@pytest.fixture(scope="module")
def reader(provision: Callable[[str], Database]) -> Database:
    """A database of its own: the view of version 1 has a row, that of version 3 cannot be computed."""
    made = provision("hotclub_training_failures")
    with psycopg.connect(
        database_roles.database_url(made.admin_url, made.name), autocommit=True
    ) as connection:
        for version, label in ((1, "1.0"), (3, "1 / (x - x)::float8")):
            view = make_contract("late", version).view
            connection.execute(
                f"CREATE VIEW {view} AS SELECT x::bigint AS entity, 'EWR'::text AS tenant,"
                f" timestamptz '2013-01-01Z' AS event_time, {label} AS label, 'AA'::text AS carrier,"
                " 1::float8 AS hour, 1::float8 AS wind_speed, true AS holiday FROM (VALUES (1)) AS t (x)"
            )
            connection.execute(f"GRANT SELECT ON {view} TO {names.ROLE_READER}")
    return made


@pytest.mark.integration
class TestPostgres:
    """What a real PostgreSQL says."""

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
        code, words = self._snapshot(tmp_path, reader.url(names.ROLE_READER), version=3)
        assert (code, words) == (Exit.DATA, "PostgreSQL: division by zero")

    def test_until_before_everything(self, reader: Database, tmp_path: Path) -> None:
        """No row is left: said at once, with the option, not three steps later."""
        import datetime as dt

        code, words = self._snapshot(
            tmp_path, reader.url(names.ROLE_READER), until=dt.datetime(2010, 1, 1, tzinfo=dt.UTC)
        )
        assert code is Exit.DATA
        assert "has no labelled rows before 2010-01-01 (--until)" in words
