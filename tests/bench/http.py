"""The endpoint beside `mlflow models serve` and a bare ASGI application, all up, in interleaved rounds."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pyarrow as pa

from hotclub import names, package
from hotclub.mlflow_rest import MlflowRegistry
from tests.bench.table import table
from tests.services import free_port, process, tool, wait_for_http

CONNECTIONS = 16
SLICE_SECONDS = 3.0
ROUNDS = 3
MODEL = "arrival_delay"
BARE = """
import json
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = b""
    more = scope["method"] == "POST"
    while more:
        message = await receive()
        body += message["body"]
        more = message.get("more_body", False)
    if body:
        json.loads(body)
    answer = b'{"predictions":[0.1]}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
"""


async def _connection(port: int, path: str, bodies: list[bytes], until: float, taken: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    place = 0
    while time.perf_counter() < until:
        body = bodies[place % len(bodies)]
        place += 1
        started = time.perf_counter()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"{path}: {answer.decode()[:200]}")
        length = next(
            int(line.split(b":")[1])
            for line in answer.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
        taken.append(time.perf_counter() - started)
    writer.close()


async def _slice(port: int, path: str, bodies: list[bytes]) -> tuple[float, float]:
    taken: list[float] = []
    until = time.perf_counter() + SLICE_SECONDS
    await asyncio.gather(*(_connection(port, path, bodies, until, taken) for _ in range(CONNECTIONS)))
    return len(taken) / SLICE_SECONDS, float(np.quantile(taken, 0.99)) * 1000


def _register(url: str, folder: Path) -> None:
    mlflow.set_tracking_uri(url)
    found = package.read(folder)
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="model", loader_module="hotclub.pyfunc", data_path=str(folder), pip_requirements=["hotclub"]
        )
    tags = {
        names.TAG_DIGEST: found.digest,
        names.TAG_FINGERPRINT: found.contract.fingerprint,
        names.TAG_GATES: names.GATES_PASSED,
    }
    version = mlflow.register_model(info.model_uri, MODEL, tags=tags).version
    mlflow.MlflowClient().set_registered_model_tag(MODEL, names.TAG_KIND, "model")
    registry = MlflowRegistry(url)
    registry.set_alias(MODEL, names.ALIAS_CHAMPION, str(version))
    registry.close()


def report(folder: Path, url: str, packaged: Path, rows: pa.Table, say: Callable[[str], None]) -> str:
    """Return requests per second and 99th percentile of each server, and their ratio to ours."""
    contract = package.read(packaged).contract
    instances: list[dict[str, Any]] = rows.select(contract.feature_names).to_pylist()
    ours = [json.dumps({"instances": [row]}).encode() for row in instances]
    theirs = [json.dumps({"dataframe_records": [row]}).encode() for row in instances]
    with ExitStack() as running:
        _register(url, packaged)
        say("servers start")
        ports = {name: free_port() for name in ("ours", "mlflow", "bare")}
        (folder / "bare.py").write_text(BARE)
        uvicorn = [tool("uvicorn"), "--host", "127.0.0.1", "--no-access-log", "--log-level", "warning"]
        commands = {
            "ours": [*uvicorn, "--factory", "serving.app:create_app", "--port", str(ports["ours"])],
            "mlflow": [tool("mlflow"), "models", "serve", "-m", f"models:/{MODEL}@champion", "--env-manager", "local",
                       "--port", str(ports["mlflow"]), "--workers", "1"],
            "bare": [*uvicorn, "bare:app", "--port", str(ports["bare"])],
        }  # fmt: skip
        environment = {"MLFLOW_TRACKING_URI": url, "HOTCLUB_MLFLOW_URL": url, "HOTCLUB_CACHE": str(folder / "served"),
                       "PYTHONPATH": f"{Path.cwd()}:{folder}", "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}  # fmt: skip
        health = {"ours": "/v2/health/ready", "mlflow": "/ping", "bare": "/"}
        for name, command in commands.items():
            log = folder / f"{name}.log"
            started = running.enter_context(process(command, log=log, environment=environment, cwd=folder))
            wait_for_http(f"http://127.0.0.1:{ports[name]}{health[name]}", started, log, 120)
        say("all servers answer")
        targets = {
            "ours": (f"/v1/models/{MODEL}/predict", ours),
            "mlflow": ("/invocations", theirs),
            "bare": ("/", ours),
        }
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in targets}
        for _ in range(ROUNDS):
            for name, (path, bodies) in targets.items():
                measured[name].append(asyncio.run(_slice(ports[name], path, bodies)))
    rates = {name: statistics.median(r for r, _ in values) for name, values in measured.items()}
    shown = {
        "ours": "hotclub endpoint",
        "mlflow": "mlflow models serve",
        "bare": "bare ASGI, no model (this client's limit)",
    }
    lines = [
        [
            shown[name],
            f"{rates[name]:.0f}",
            f"{statistics.median(t for _, t in values):.1f}",
            f"{rates['ours'] / rates[name]:.2f}",
        ]
        for name, values in measured.items()
    ]
    return table(["server", "requests/s", "p99 ms", "ours / it"], lines)
