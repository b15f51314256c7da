"""A private Airflow home, contracts, and a small HTTP server that stands where Django's API is.

Airflow reads its settings as it is imported, so the home is chosen here, before any test imports it.
"""

from __future__ import annotations

import atexit
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
_HOME = tempfile.mkdtemp(prefix="hotclub-airflow-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ.update(
    {
        "AIRFLOW_HOME": _HOME,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_HOME}/airflow.db",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
)

from hotclub.contract import (  # noqa: E402  # after the environment
    ColumnSpec,
    FeatureSpec,
    ModelContract,
    ModelPolicy,
    ModelSchema,
    SourceContract,
    SourcePolicy,
    SourceSchema,
    ViewSpec,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Airflow's own deprecations be: they are raised inside its code and its dependencies."""
    for item in items:
        if Path(__file__).parent in Path(str(item.fspath)).parents:
            for ignored in ("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::ResourceWarning"):
                item.add_marker(pytest.mark.filterwarnings(ignored))


@pytest.fixture(scope="session", autouse=True)
def _airflow_home() -> Iterator[None]:
    yield
    import shutil

    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_database(services: None) -> None:
    """Airflow's metadata database, migrated once for the session (14 s)."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def source_contract(name: str = "orders") -> SourceContract:
    """Return the contract of a source with two columns."""
    columns = (
        ColumnSpec("shop", "shop", "text", nullable=False, max_length=5),
        ColumnSpec("number", "number", "integer", nullable=False, minimum=1),
    )
    return SourceContract(
        name=name,
        app="shop",
        version=1,
        schema=SourceSchema("shop.Order", "shop_order", ("shop", "number"), "shop", "shop", "UTC", columns),
        policy=SourcePolicy(checks=(), doc="What a shop sold."),
    )


def model_contract(name: str = "late", schedule: str | None = None) -> ModelContract:
    """Return the contract of a model that is scored on `orders`."""
    return ModelContract(
        name=name,
        app="shop",
        version=1,
        schema=ModelSchema(
            django_model="shop.Order",
            task="binary",
            entity="pk",
            entity_type="bigint",
            tenant_path="shop",
            event_time="ordered_at",
            horizon_seconds=0,
            timezone="America/New_York",
            classes=(),
            features=(FeatureSpec("hour", "number", nullable=False),),
            view=ViewSpec("SELECT 1"),
        ),
        policy=ModelPolicy("roc_auc", {}, (), 1, 1, "orders", schedule, {}, doc="Will it be late?"),
    )


def contract_without_time(name: str = "undated", tenant_path: str | None = None) -> ModelContract:
    """Return the contract of a model whose rows have no time, scored on `orders`."""
    dated = model_contract(name)
    schema = dataclasses.replace(dated.schema, event_time=None, horizon_seconds=0, tenant_path=tenant_path)
    policy = dataclasses.replace(dated.policy, evaluate_days=None, stopping_days=None)
    return dataclasses.replace(dated, schema=schema, policy=policy)


@pytest.fixture
def contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A contract folder with the source `orders` and the models `late` and `nightly`."""
    from hotclub import contract_files

    root = tmp_path / "contracts"
    contract_files.write(source_contract(), root)
    contract_files.write(model_contract(), root)
    contract_files.write(model_contract("nightly", "0 3 * * *"), root)
    monkeypatch.setenv("HOTCLUB_CONTRACTS", str(root))
    return root


@dataclass
class DjangoServer:
    """Answers of an HTTP server by method and path, and what it was asked.

    Each answer is ``(status, body)``; of several the last one stays.
    """

    url: str = ""
    answers: dict[tuple[str, str], list[tuple[int, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)

    def answer(self, method: str, path: str, *answers: tuple[int, Any]) -> None:
        """Set the answers to a method and a path below ``/api/v1/``."""
        self.answers[method, f"/api/v1/{path}"] = list(answers)

    def reply(self, method: str, path: str, body: Any, token: str | None) -> tuple[int, Any]:
        """Note a request and return the answer to it."""
        self.asked.append((method, path.removeprefix("/api/v1/"), body))
        self.tokens.add(token)
        queue = self.answers.get((method, path), [(404, {"title": "Not found"})])
        return queue.pop(0) if len(queue) > 1 else queue[0]


@pytest.fixture
def django_server(services: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[DjangoServer]:
    """A real HTTP server behind the Airflow connection `hotclub_django`."""
    state = DjangoServer()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = state.reply(self.command, self.path, body, self.headers.get("Authorization"))
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _handle  # noqa: N815  # http.server's names

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    connection = {"conn_type": "http", "host": state.url, "password": "the-token"}
    monkeypatch.setenv("AIRFLOW_CONN_HOTCLUB_DJANGO", json.dumps(connection))
    yield state
    server.shutdown()
    thread.join()
    server.server_close()
