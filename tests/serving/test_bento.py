"""The BentoML bundle: built by its command, served by BentoML itself, from its own copy of the code."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from hotclub import answers, package
from hotclub.predictor import Predictor
from tests.factories import make_contract, make_package
from tests.serving.conftest import ROW

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(services: None, tmp_path: Path) -> dict[str, str]:
    """A store of its own, and this tree's code."""
    return {**os.environ, "BENTOML_HOME": str(tmp_path / "bentoml"), "PYTHONPATH": str(ROOT)}


def build(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the build command."""
    command = [sys.executable, "-m", "serving.bento", "build", "--package", str(folder), "--version", "3"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(params=[(), ("on time", "late")], ids=["without classes", "with classes"])
def folder(request: pytest.FixtureRequest, packages: Callable[[int], Path], tmp_path: Path) -> Path:
    """A package of a model without classes, and one of a model with two."""
    if not request.param:
        return packages(5)
    made = tmp_path / "named"
    make_package(made, make_contract(classes=request.param, parameters={"num_boost_round": 5}))
    return made


@pytest.fixture
def served(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """The address of ``bentoml serve`` over a fresh bundle, which does not see this tree's code."""
    done = build(folder, environment)
    assert done.returncode == 0, done.stderr
    bundle = json.loads(done.stdout.splitlines()[-1])["path"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "bentoml", "serve", bundle, "--host", "127.0.0.1", "--port", str(port)]
    alone = {key: value for key, value in environment.items() if key != "PYTHONPATH"}
    process = subprocess.Popen(command, env=alone, cwd=environment["BENTOML_HOME"], start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None, "bentoml serve ended"
            assert time.monotonic() < deadline, "bentoml serve does not answer"
            try:
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        yield url
    finally:
        # Its workers have sessions of their own, and outlive it.
        workers = psutil.Process(process.pid).children(recursive=True)
        for each in (process, *workers):
            each.kill()
        process.wait()
        psutil.wait_procs(workers, timeout=10)


def test_bundle_answers_as_the_package_does(served: str, folder: Path) -> None:
    """The bundle gives the package's answers, as the inference service does, and its version; a wrong row is refused."""
    answer = httpx.post(f"{served}/predict", json={"instances": [ROW]}, timeout=60)
    predictor = Predictor.load(package.read(folder))
    expected = answers.of_scores(predictor.contract, predictor.predict_rows([ROW]).scores.tolist())
    assert answer.json() == {
        "model": "arrival_delay", "version": "3", "predictions": expected, "engine": "pylignum", "unseen": {},
    }  # fmt: skip
    refused = httpx.post(f"{served}/predict", json={"instances": [{**ROW, "hour": 99}]}, timeout=60)
    assert refused.status_code == 400
    assert "instances.0.hour" in refused.text


@pytest.mark.parametrize("damage", [package.MODEL, package.GOLDEN])
def test_damaged_package_is_not_bundled(altered, environment: dict[str, str], damage: str) -> None:
    """The build verifies first, and says what is wrong."""
    folder = altered()
    (folder / damage).write_bytes(b"")
    done = build(folder, environment)
    assert done.returncode == 2
    assert f"{damage} is not the file that was packaged" in done.stderr
