"""What a failure means to the caller of the command: an exit code that says whether running again can help."""

from __future__ import annotations

import errno
import sys
import traceback
from enum import IntEnum

import psycopg
from pydantic import ValidationError

from hotclub import sqlstate
from hotclub.errors import HotclubError, RegistryError, RegistryRefusedError
from training.errors import RefusedDataError


class Exit(IntEnum):
    """The exit codes of ``python -m training``. Airflow runs a step again after `AWAY` alone."""

    DONE = 0
    #: PostgreSQL or MLflow is away, or too busy: it passes.
    AWAY = 1
    #: The call, a setting, the contract or the machine (no room, no right) has to be changed first.
    CHANGE = 2
    #: The rows are refused.
    DATA = 3
    #: An unexpected error. Python's own code for that is 1, which would be tried again.
    FAULT = 4
    #: Ctrl-C, as a shell numbers it.
    INTERRUPTED = 130


#: Classes of SQLSTATE that the rows themselves cause: cardinality, data, constraints.
_DATA_CLASSES = ("21", "22", "23")
#: A connection that fails has no SQLSTATE: what the server said is all there is.
_REFUSED_LOGIN = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied",
    "not permitted",
)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def judge(error: Exception) -> tuple[Exit, str]:
    """Return the exit code that an error deserves, and the message."""
    if isinstance(error, ValidationError):
        return Exit.CHANGE, _settings(error)
    if isinstance(error, HotclubError):
        return _own(error), str(error)
    if isinstance(error, psycopg.Error):
        return _postgres(error), f"PostgreSQL: {str(error).strip() or type(error).__name__}"
    library = _library(error)
    if library is not None:
        return library
    if isinstance(error, OSError):
        return _system(error)
    return Exit.FAULT, "".join(traceback.format_exception(error)).rstrip()


def _own(error: HotclubError) -> Exit:
    if isinstance(error, RefusedDataError):
        return Exit.DATA
    if isinstance(error, RegistryError) and not isinstance(error, RegistryRefusedError):
        return Exit.AWAY
    return Exit.CHANGE


def _postgres(error: psycopg.Error) -> Exit:
    state = error.sqlstate
    if state is None:
        refused = any(words in str(error) for words in _REFUSED_LOGIN)
        passes = isinstance(error, psycopg.OperationalError) and not refused
        return Exit.AWAY if passes else Exit.CHANGE
    if sqlstate.passes(state):
        return Exit.AWAY
    return Exit.DATA if state.startswith(_DATA_CLASSES) else Exit.CHANGE


def _library(error: Exception) -> tuple[Exit, str] | None:
    """Judge errors of libraries that may not be imported yet: one that is not cannot have raised."""
    xgboost = sys.modules.get("xgboost.core")
    if xgboost is not None and isinstance(error, xgboost.XGBoostError):
        return (
            Exit.CHANGE,
            f"XGBoost refuses these parameters or rows: {str(error).split('Stack trace')[0].strip()}",
        )
    requests = sys.modules.get("requests.exceptions")
    if requests is not None and isinstance(error, requests.RequestException):
        return Exit.AWAY, f"MLflow does not answer: {error}"
    mlflow = sys.modules.get("mlflow.exceptions")
    if mlflow is not None and isinstance(error, mlflow.MlflowException):
        status = error.get_http_status_code()
        refused = 400 <= status < 500 and status not in (408, 425, 429)
        return (Exit.CHANGE if refused else Exit.AWAY), f"MLflow: {error.message}"
    return None


def _system(error: OSError) -> tuple[Exit, str]:
    if isinstance(error, ConnectionError | TimeoutError):
        return Exit.AWAY, f"a service does not answer: {error}"
    if error.errno in _NO_ROOM:
        return Exit.CHANGE, f"no room is left on the disk: {error}; free some space, then run the step again"
    return Exit.CHANGE, f"a file or folder cannot be used: {error}"


def _settings(error: ValidationError) -> str:
    wrong = [
        f"HOTCLUB_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
        # What was given may be a secret.
        for problem in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    return "settings: " + "; ".join(wrong)
