"""How long the watcher leaves a version alone that failed: a clock of the test's own, no server."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from pathlib import Path

import pytest

from hotclub import names
from hotclub.model_registry import RegisteredVersion
from hotclub.package_cache import PackageCache
from serving.champion_watcher import ChampionWatcher, PollIntervals
from serving.prometheus import Metrics
from serving.state_file import StateFile
from tests.serving.conftest import MODEL, MemoryRegistry

RETRY = 30.0


@pytest.fixture
def broken() -> MemoryRegistry:
    """A registry whose champion has a package that is not what its tag says."""
    registry = MemoryRegistry()
    registry.registered[MODEL, "1"] = RegisteredVersion(
        MODEL, "1", "run", "source", tags={names.TAG_GATES: names.GATES_PASSED, names.TAG_DIGEST: "f" * 64}
    )
    registry.aliases[MODEL] = {names.ALIAS_CHAMPION: "1"}
    return registry


def _download(registry: MemoryRegistry, folder: Path) -> None:
    """Let a download leave an empty folder, which is no package."""

    def download(version: RegisteredVersion, destination: Path) -> None:
        registry.downloads.append(version.version)

    registry.download = download  # type: ignore[method-assign]  # of this instance alone


def test_the_wait_after_a_failure_doubles_to_ten_times_the_first(
    broken: MemoryRegistry, tmp_path: Path
) -> None:
    """30, 60, 120, 240, 300, 300 s: not every poll, and never for ever."""
    _download(broken, tmp_path)
    seconds = 0.0

    def clock() -> dt.datetime:
        return dt.datetime(2013, 11, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)

    watcher = ChampionWatcher(
        broken, PackageCache(tmp_path / "cache", broken), StateFile(tmp_path / "state.json"), Metrics(),
        intervals=PollIntervals(retry_seconds=RETRY), clock=clock,
    )  # fmt: skip

    async def attempts(until: float) -> list[float]:
        nonlocal seconds
        at: list[float] = []
        while seconds < until:
            before = len(broken.downloads)
            await watcher.poll()
            if len(broken.downloads) > before:
                at.append(seconds)
            seconds += 10
        return at

    at = asyncio.run(attempts(1500))
    waits = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert waits[:6] == [30, 60, 120, 240, 300, 300]


def test_another_tag_is_tried_at_once_and_waits_from_the_beginning(
    broken: MemoryRegistry, tmp_path: Path
) -> None:
    """What changed is another matter: its waits begin at the first one again."""
    _download(broken, tmp_path)
    now = dt.datetime(2013, 11, 1, tzinfo=dt.UTC)
    watcher = ChampionWatcher(
        broken, PackageCache(tmp_path / "cache", broken), StateFile(tmp_path / "state.json"), Metrics(),
        intervals=PollIntervals(retry_seconds=RETRY), clock=lambda: now,
    )  # fmt: skip

    async def test() -> list[int]:
        nonlocal now
        counts = []
        for wait in (0, 30, 60):  # fails three times: the next wait is 120 s
            now += dt.timedelta(seconds=wait)
            await watcher.poll()
        broken.tag("1", "note", "fixed")
        for wait in (0, 29, 1):
            now += dt.timedelta(seconds=wait)
            await watcher.poll()
            counts.append(len(broken.downloads))
        return counts

    assert asyncio.run(test()) == [4, 4, 5]
