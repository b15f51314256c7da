"""Runs ``python -m training`` on this project's own database, for commands of a laptop.

Django knows nothing of training's code: it compiles the declaration to a contract, and starts the program that the DAG
starts too. Neither a contract file nor a view has to be there.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.conninfo import make_conninfo

import hotclub
from django_app.contracts.compilation import model_compiler
from django_app.contracts.validation.declaration_problems import Problems
from hotclub import command_result, contract_files, declarations, names
from hotclub.contract import ModelContract
from hotclub.errors import HotclubError, UnknownContractError

#: What the extra `training` installs and this needs; MLflow, which it installs too, is needed for registering alone.
_NEEDED: Final = ("xgboost", "sklearn", "matplotlib", "pydantic_settings")
_GRACE_SECONDS: Final = 5


class TrainingStoppedError(HotclubError):
    """The program ended without a result.

    Attributes:
        exit_code: its own; see ``python -m training --help``.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Finished:
    """What the program left.

    Attributes:
        result: what the command gives.
        folder: the files of its run, which may go after the command.
    """

    result: dict[str, Any]
    folder: Path


def compile_named(name: str) -> ModelContract:
    """Return the contract of a declared model, compiled now.

    Raises:
        UnknownContractError: no model of this name is declared; the message lists those that are.
        DeclarationError: it cannot be compiled; with every problem.
    """
    cls = declarations.models.get(name)
    if cls is None:
        known = (
            ", ".join(sorted(declarations.models)) or "none: no installed app has an ml.py with an MLModel"
        )
        raise UnknownContractError(f"no model named {name!r} is declared; there are: {known}")
    problems = Problems(cls)
    contract = None
    with problems.of("name"):
        contract = model_compiler.compile_model(cls, version=1, policy_revision=1)
    problems.raise_any()
    assert contract is not None  # noqa: S101  # else there is a problem, and it was raised
    return contract


def database_url(connection: BaseDatabaseWrapper) -> str:
    """Return the connection of Django's own settings in the form that libpq reads: with host or socket, TLS and service.

    Raises:
        HotclubError: the database is not PostgreSQL, or its settings name none.
    """
    if connection.vendor != "postgresql":
        raise HotclubError(
            f"DATABASES[{connection.alias!r}] is {connection.vendor}: feature views are PostgreSQL's, so rows are read "
            "from PostgreSQL alone"
        )
    try:
        given = connection.get_connection_params()
    except ImproperlyConfigured as error:
        raise HotclubError(f"DATABASES[{connection.alias!r}]: {error}") from error
    libpq = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    # The others are for psycopg or Django: cursors, pools, prepared statements.
    kept = {key: str(value) for key, value in given.items() if key in libpq and value is not None}
    role = connection.settings_dict["OPTIONS"].get("assume_role")
    if role:
        escaped = str(role).replace("\\", "\\\\").replace(" ", "\\ ")
        kept["options"] = f"{kept.get('options', '')} -c role={escaped}".strip()
    return make_conninfo("", **kept)


@contextmanager
def training(
    contract: ModelContract,
    connection: BaseDatabaseWrapper,
    command: str,
    options: Sequence[str],
    *,
    folder: Path | None,
    progress: Callable[[str], None],
) -> Iterator[Finished]:
    """Run a command of training; its files are there until the end of the block, longer in a folder that is given.

    Args:
        contract: what is trained.
        connection: where the rows are.
        command: ``run`` or ``inspect``.
        options: its own, in addition to those that every run on a laptop has.
        folder: where snapshots and packages go; a temporary one by default.
        progress: called with each line that the program says.

    Raises:
        TrainingStoppedError: it ended without a result; with its message.
        HotclubError: it cannot be started.
    """
    root = _require_training()
    with _ends_on_sigterm(), tempfile.TemporaryDirectory(prefix="hotclub-") as made:
        temporary = Path(made)
        contracts, result = temporary / "contracts", temporary / "result.json"
        contract_files.write(contract, contracts)
        runs = (folder or temporary / "runs").resolve()
        key = "laptop-" + temporary.name.removeprefix("hotclub-")
        environment = {
            **os.environ,
            names.VARIABLE_CONTRACTS: str(contracts),
            # By the environment: a command line is there for every user of the machine to read.
            names.VARIABLE_READER_URL: database_url(connection),
            names.VARIABLE_RESULT_FILE: str(result),
            names.VARIABLE_PARENT_PIPE: "1",
            "HOTCLUB_SNAPSHOTS": str(runs),
            "HOTCLUB_CACHE": str(temporary / "cache"),
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": _search_path(root),
        }
        # -P: a folder of the project that is named training is not the program.
        arguments = [
            sys.executable,
            "-P",
            "-m",
            "training",
            command,
            "--model",
            contract.name,
            "--run-key",
            key,
        ]
        arguments += ["--from-declaration", "--no-champion", *options]
        _run(arguments, environment, progress, f"training {command} {contract.name}: ")
        found = command_result.read(result)
        if found is None:
            raise TrainingStoppedError(f"training {command} gave no result", 4)
        yield Finished(found, runs / contract.name / key)


@contextmanager
def _ends_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as an exception does: the rows in the temporary folder are deleted then."""
    # Python allows handlers in the main thread alone; one that the project has set stays.
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if ours:
        signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _leave(number: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(128 + number)


def _run(
    arguments: list[str], environment: dict[str, str], progress: Callable[[str], None], prefix: str
) -> None:
    """Run the program to its end; what it says after `prefix` is why it stopped."""
    reason: list[str] = []
    last = ""
    process = subprocess.Popen(
        arguments,
        env=environment,
        # Nothing is written to it. The system closes it when this process ends, and the program ends then too.
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        assert process.stderr is not None  # noqa: S101  # it is a pipe
        for line in process.stderr:
            if reason or line.startswith(prefix):
                reason.append(line.removeprefix(prefix))
            else:
                last = line.rstrip("\n")
                progress(last)
        code = process.wait()
    finally:
        # Ctrl-C reaches this process alone where a program, not a terminal, sends it.
        _end(process)
    if code:
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        otherwise = f"training ended with {how}: {last or 'it said nothing'}"
        raise TrainingStoppedError("".join(reason).strip() or otherwise, code)


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stderr):
        if pipe is not None:
            pipe.close()
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _require_training() -> Path:
    """Return the folder that the program is imported from: that of Hotclub itself.

    Raises:
        HotclubError: it, or a package that it needs, is not installed; with the extra to install.
    """
    root = Path(hotclub.__file__).resolve().parents[1]
    missing = [name for name in _NEEDED if not _is_installed(name)]
    if not (root / "training" / "__main__.py").is_file():
        missing.append("training")
    if missing:
        raise HotclubError(
            f"training needs packages that are not installed ({', '.join(missing)}): "
            "install the extra with `pip install 'hotclub[training]'`"
        )
    return root


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (
        ValueError
    ):  # a module of that name is there without a specification: somebody keeps it from being imported
        return False


def _search_path(root: Path) -> str:
    """Return PYTHONPATH with Hotclub's own folder first, where Python would not find it, or not first."""
    given = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    installed = str(root) in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return os.pathsep.join(given if installed and not given else [str(root), *given])
