"""The alias `champion`: moved in the MLflow UI, under load, and to versions that must not serve."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import mlflow
import pytest

from hotclub import names, package
from hotclub.model_registry import RegisteredVersion
from hotclub.package_cache import PackageCache
from tests.e2e.browser import Browser
from tests.e2e.conftest import MODEL
from tests.hotclub.test_package import DAMAGE
from tests.live import LiveStack, wait_until

pytestmark = pytest.mark.e2e
CLIENTS = 4
RATE = 50  # requests per second, of all clients together
SECONDS = 30


@dataclass
class Load:
    """Clients that ask at a steady rate and write down what they got."""

    url: str
    entity: str
    stop: threading.Event = field(default_factory=threading.Event)
    answers: list[list[tuple[float, int, str]]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def _client(self, log: list[tuple[float, int, str]]) -> None:
        with httpx.Client(timeout=10) as client:
            due = time.monotonic()
            while not self.stop.is_set():
                due += CLIENTS / RATE
                try:
                    answer = client.post(self.url, json={"entities": [self.entity]})
                    version = answer.json()["version"] if answer.is_success else answer.text
                    log.append((time.monotonic(), answer.status_code, version))
                except httpx.HTTPError as error:
                    self.errors.append(repr(error))
                time.sleep(max(0.0, due - time.monotonic()))

    def start(self) -> None:
        """Start the clients."""
        for _ in range(CLIENTS):
            log: list[tuple[float, int, str]] = []
            self.answers.append(log)
            thread = threading.Thread(target=self._client, args=(log,), daemon=True)
            thread.start()
            self.threads.append(thread)

    def end(self) -> None:
        """Stop the clients and wait for them."""
        self.stop.set()
        for thread in self.threads:
            thread.join(15)


@pytest.fixture
def entity(live: LiveStack) -> str:
    """A flight of the first day."""
    batch = next(b for b in live.pages("/batches/") if b["model"] == MODEL and b["status"] == "done")
    return str(next(live.pages(f"/batches/{batch['id']}/results/"))["entity"])


@pytest.mark.browser
def test_alias_moved_in_the_browser_under_load(
    first_day: LiveStack, second: str, entity: str, browser: Browser
) -> None:
    """An ML engineer moves `champion` in MLflow's UI: the new version answers, no request fails, none goes back."""
    load = Load(f"{first_day.url('serving')}/v1/models/{MODEL}/predict", entity)
    started = time.monotonic()
    load.start()
    moved = browser.move_alias(first_day.url("mlflow"), MODEL, second, names.ALIAS_CHAMPION)
    wait_until("the new version", lambda: first_day.model(MODEL)["version"] == second, 30)
    time.sleep(max(0.0, SECONDS - (time.monotonic() - started)))
    load.end()
    assert load.errors == []
    assert {status for log in load.answers for _, status, _ in log} == {200}
    assert sum(map(len, load.answers)) > 0.8 * RATE * SECONDS
    for log in load.answers:
        versions = [version for _, _, version in log]
        assert versions == sorted(versions, key=int), "a connection saw the version go back"
        assert (versions[0], versions[-1]) == ("1", second)
    first = min(at for log in load.answers for at, _, version in log if version == second)
    print(f"the new version answered {first - moved:.2f} s after the click")  # noqa: T201  # a figure for people; no test of it


def _register(live: LiveStack, folder: Path, digest: str, good: RegisteredVersion) -> str:
    """Register a package as training does, whatever is in it; return the version."""
    mlflow.set_tracking_uri(live.url("mlflow"))
    mlflow.set_experiment("damaged")
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="model", loader_module="hotclub.pyfunc", data_path=str(folder), pip_requirements=["hotclub"]
        )
    tags = {
        names.TAG_DIGEST: digest,
        names.TAG_FINGERPRINT: good.tags[names.TAG_FINGERPRINT],
        names.TAG_GATES: names.GATES_PASSED,
        names.TAG_CONTRACT_VERSION: good.tags[names.TAG_CONTRACT_VERSION],
    }
    return str(mlflow.register_model(info.model_uri, MODEL, tags=tags).version)


def _missing(folder: Path) -> None:
    (folder / package.VOCABULARY).unlink()


BAD: dict[str, tuple[Callable[[Path], None], str, bool]] = {
    **{
        name: (change, words.split("by 0.01")[0].split("000000000000")[0], True)
        for name, (change, words) in DAMAGE.items()
    },
    "missing file": (_missing, "vocabulary.json is missing", False),
}


@pytest.mark.parametrize("damage", BAD)
def test_bad_version_changes_nothing_but_a_reason(
    live: LiveStack, promoted: str, damage: str, tmp_path: Path
) -> None:
    """`champion` on a damaged version: the old one goes on answering, and GET /v1/models has the reason."""
    change, words, sealed = BAD[damage]
    good = live.registry.version(MODEL, promoted)
    source = PackageCache(tmp_path / "cache", live.registry).fetch(good).path
    folder = tmp_path / names.PACKAGE_FOLDER
    shutil.copytree(source, folder)
    change(folder)
    digest = package.seal(folder) if sealed else str(good.digest)[::-1]
    version = _register(live, folder, digest, good)
    live.registry.set_alias(MODEL, names.ALIAS_CHAMPION, version)
    try:
        told = wait_until("the reason", lambda: words in (text := json.dumps(live.model(MODEL))) and text, 30)
        assert version in told
        assert live.model(MODEL)["version"] == promoted
    finally:
        live.registry.set_alias(MODEL, names.ALIAS_CHAMPION, promoted)


@pytest.fixture
def failed(live: LiveStack) -> Iterator[str]:
    """Version 1, whose gates failed as long as the test runs."""
    client = mlflow.MlflowClient(live.url("mlflow"))
    live.registry.set_version_tag(MODEL, "1", names.TAG_GATES, names.GATES_FAILED)
    yield "1"
    live.registry.set_version_tag(MODEL, "1", names.TAG_GATES, names.GATES_PASSED)
    client.delete_model_version_tag(MODEL, "1", names.TAG_OVERRIDE)


def test_failed_gates_need_a_reason(live: LiveStack, promoted: str, failed: str) -> None:
    """A version whose gates failed is refused until a person tags the reason; then it serves."""
    live.registry.set_alias(MODEL, names.ALIAS_CHAMPION, failed)
    wait_until("the refusal", lambda: names.TAG_OVERRIDE in json.dumps(live.model(MODEL)), 30)
    assert live.model(MODEL)["version"] == promoted
    live.registry.set_version_tag(MODEL, failed, names.TAG_OVERRIDE, "the newer one is being looked at")
    wait_until("the roll back", lambda: live.model(MODEL)["version"] == failed, 60)
    live.promote(MODEL, promoted)
