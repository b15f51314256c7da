"""An application over a registry in memory and real packages, polled by hand."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from hotclub import names, package
from hotclub.errors import RegistryError, RegistryNotFoundError
from hotclub.model_registry import RegisteredModel, RegisteredVersion
from serving.app import create_app
from serving.settings import Settings
from tests.factories import make_package

MODEL = "arrival_delay"
ROW = {"carrier": "AA", "hour": 8, "wind_speed": 10.5, "holiday": False}


@dataclass
class MemoryRegistry:
    """The registry port in memory: versions are folders with packages, aliases are moved by hand.

    Attributes:
        down: whether every call fails.
        downloads: versions whose package was asked for.
    """

    folders: dict[tuple[str, str], Path] = field(default_factory=dict)
    registered: dict[tuple[str, str], RegisteredVersion] = field(default_factory=dict)
    aliases: dict[str, dict[str, str]] = field(default_factory=dict)
    down: bool = False
    downloads: list[str] = field(default_factory=list)

    def add(self, version: str, folder: Path, *, model: str = MODEL, **tags: str) -> None:
        """Register a version of the package in a folder, with the tags that training sets; `tags` replace them."""
        contract = package.read(folder).contract
        own = {
            names.TAG_DIGEST: package.digest(folder),
            names.TAG_FINGERPRINT: contract.fingerprint,
            names.TAG_GATES: names.GATES_PASSED,
        }
        self.folders[model, version] = folder
        self.registered[model, version] = RegisteredVersion(
            model, version, "run", "source", tags={**own, **tags}
        )
        self.aliases.setdefault(model, {})

    def tag(self, version: str, key: str, value: str) -> None:
        """Set a tag of a version."""
        known = self.registered[MODEL, version]
        self.registered[MODEL, version] = replace(known, tags={**known.tags, key: value})

    def promote(self, version: str, model: str = MODEL) -> None:
        """Move the alias `champion`."""
        self.aliases[model][names.ALIAS_CHAMPION] = version

    def _require_up(self) -> None:
        if self.down:
            raise RegistryError("the registry is down")

    def models(self) -> list[RegisteredModel]:
        """See `ModelRegistry`."""
        self._require_up()
        return [RegisteredModel(m, dict(a), {names.TAG_KIND: "model"}) for m, a in self.aliases.items()]

    def version(self, model: str, version: str) -> RegisteredVersion:
        """See `ModelRegistry`."""
        self._require_up()
        if (model, version) not in self.registered:
            raise RegistryNotFoundError(f"{model} has no version {version}")
        return self.registered[model, version]

    def version_by_alias(self, model: str, alias: str) -> RegisteredVersion:
        """See `ModelRegistry`."""
        return self.version(model, self.aliases[model][alias])

    def versions(self, model: str) -> list[RegisteredVersion]:
        """See `ModelRegistry`."""
        self._require_up()
        return [v for (m, _), v in self.registered.items() if m == model]

    def download(self, version: RegisteredVersion, destination: Path) -> None:
        """See `ModelRegistry`."""
        self._require_up()
        self.downloads.append(version.version)
        shutil.copytree(self.folders[version.model_name, version.version], destination, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A function from a number of rounds to a package of `arrival_delay`, fitted once per session."""
    root = tmp_path_factory.mktemp("packages")

    def fitted(rounds: int) -> Path:
        folder = root / str(rounds)
        if not folder.exists():
            make_package(folder, rounds=rounds)
        return folder

    return fitted


@pytest.fixture
def registry(packages: Callable[[int], Path]) -> MemoryRegistry:
    """A registry with two good versions, of which none is champion."""
    registry = MemoryRegistry()
    registry.add("1", packages(5))
    registry.add("2", packages(9))
    return registry


@dataclass
class Running:
    """A running application and a client of it."""

    app: Any
    client: httpx.AsyncClient

    @property
    def watcher(self) -> Any:
        """Its watcher, to poll by hand."""
        return self.app.state.watcher

    async def predict(self, body: Any, model: str = MODEL) -> httpx.Response:
        """Post a predict request."""
        return await self.client.post(f"/v1/models/{model}/predict", json=body)

    async def status(self, model: str = MODEL) -> dict[str, Any]:
        """Return a model's entry in ``GET /v1/models``."""
        answer = (await self.client.get("/v1/models")).json()
        return next(m for m in answer["models"] if m["name"] == model)

    async def version(self) -> str:
        """Return the version that answers."""
        response = await self.predict({"instances": [ROW]})
        assert response.status_code == 200, response.text
        return response.json()["version"]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a cache of their own and polls so rare that tests poll by hand."""
    monkeypatch.delenv("HOTCLUB_SERVING_DATABASE_URL", raising=False)
    return Settings(cache=tmp_path / "cache", serving_poll_seconds=3600, serving_drain_seconds=5)


@pytest.fixture
def serve(settings: Settings, registry: MemoryRegistry):
    """A function that starts the application in its lifespan, polled once, with a client over ASGI."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[Running]:
        app = create_app(settings.model_copy(update=changes), registry)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://serving") as client:
                await app.state.watcher.poll()
                yield Running(app, client)

    return start


@pytest.fixture
def altered(packages: Callable[[int], Path], tmp_path: Path):
    """A function that copies a good package and returns the copy's folder, to be damaged."""

    def copy(rounds: int = 9) -> Path:
        return Path(shutil.copytree(packages(rounds), tmp_path / "altered"))

    return copy
