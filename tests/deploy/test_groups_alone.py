"""Each deployable installs alone, from the lock's versions, and its part starts there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.services import free_port, process, wait_for_http

pytestmark = pytest.mark.deploy


@dataclass(frozen=True)
class Part:
    """What is started in a bare environment, and what must not be there.

    Attributes:
        command: words after the environment's ``bin``; ``{port}`` is replaced. Must exit 0, unless `health` is given.
        health: a path that must answer 200.
        absent: modules that this deployable must not bring.
    """

    command: tuple[str, ...]
    health: str = ""
    absent: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


PARTS: dict[str, Part] = {
    "web": Part(
        ("gunicorn", "--bind", "127.0.0.1:{port}", "django_app.config.wsgi:application"),
        "/health/live",
        ("airflow", "mlflow", "fastapi", "xgboost", "great_expectations"),
    ),
    "worker": Part(
        ("celery", "-A", "django_app.config.celery:app", "report"),
        absent=("airflow", "mlflow", "fastapi", "great_expectations"),
    ),
    "serving": Part(
        ("uvicorn", "--factory", "serving.app:create_app", "--port", "{port}"),
        "/v2/health/live",
        ("django", "airflow", "mlflow", "great_expectations"),
    ),
    "training": Part(
        ("python", "-c", "import training.fit, training.register, training.plots, training.__main__ as m; m._parser()"),
        absent=("airflow", "great_expectations"),
    ),
    "checks": Part(
        ("python", "-c", "import data_checks.delivery_suite, great_expectations; import data_checks.__main__"),
        absent=("django", "airflow", "mlflow", "xgboost"),
    ),
    "airflow": Part(
        (
            "python",
            "-c",
            ("from airflow.dag_processing.dagbag import DagBag; import dags, pathlib; "
            "b = DagBag(pathlib.Path(dags.__file__).parent); "
            "assert not b.import_errors, b.import_errors; assert len(b.dags) >= 8, b.dags"),
        ),
        absent=("django", "mlflow", "xgboost", "great_expectations"),
        environment={"HOTCLUB_CONTRACTS": str(ROOT / "django_app" / "flights" / "contracts")},
    ),
    "mlflow": Part(
        (
            "mlflow", "server", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1",
            "--backend-store-uri", "sqlite:///mlflow.db",
        ),
        "/health",
        ("airflow", "xgboost", "great_expectations"),
        {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
    ),
    "bento": Part(("python", "-c", "import bentoml, serving.bento"), absent=("airflow", "mlflow", "django")),
    "stack": Part(("python", "-m", "stack", "--help"), absent=("airflow", "mlflow", "django", "xgboost")),
}  # fmt: skip


def _uv() -> str:
    return str(Path(sys.executable).parent / "uv")


def _must(command: list[str], **options: object) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a wheel, built from a copy so that nothing is left in the tree."""
    source = tmp_path_factory.mktemp("source") / "hotclub"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "var", "tests", "__pycache__", "*.egg-info", "build", ".*_cache"
    )
    shutil.copytree(ROOT, source, ignore=ignored)
    target = tmp_path_factory.mktemp("wheel")
    _must([_uv(), "build", "-q", "--wheel", "--out-dir", str(target), str(source)])
    (found,) = target.glob("*.whl")
    return found


@pytest.fixture
def bare(services: None, tmp_path: Path, wheel: Path) -> Callable[[str], Path]:
    """Make an environment with one group and nothing else; returns its ``bin``."""

    def make(group: str) -> Path:
        folder = tmp_path / "env"
        _must([_uv(), "venv", "-q", "--python", sys.executable, str(folder)])
        python = str(folder / "bin" / "python")
        lock = str(ROOT / "requirements.lock")
        _must(
            [
                _uv(),
                "pip",
                "install",
                "-q",
                "--python",
                python,
                "-c",
                lock,
                f"hotclub[{group}] @ {wheel.as_uri()}",
            ]
        )
        return folder / "bin"

    return make


@pytest.mark.parametrize("group", PARTS)
def test_group_starts_alone(group: str, bare: Callable[[str], Path], tmp_path: Path) -> None:
    """The group's own dependencies are enough for its part, and other parts' frameworks do not come along."""
    part = PARTS[group]
    binaries = bare(group)
    check = (
        "import importlib.util as u, sys; sys.exit(', '.join(n for n in sys.argv[1:] if u.find_spec(n)) or 0)"
    )
    _must([str(binaries / "python"), "-c", check, *part.absent], cwd=tmp_path)
    port = str(free_port())
    command = [str(binaries / part.command[0]), *(word.replace("{port}", port) for word in part.command[1:])]
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        **part.environment,
    }
    environment.pop("PYTHONPATH", None)
    environment["HOTCLUB_SECRET_KEY"] = "only for this test"
    if not part.health:
        _must(command, cwd=tmp_path, env=environment)
        return
    log = tmp_path / "log"
    with process(command, log=log, environment=environment, cwd=tmp_path) as started:
        wait_for_http(f"http://127.0.0.1:{port}{part.health}", started, log)
