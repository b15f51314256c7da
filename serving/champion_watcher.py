"""Follows the alias `champion` of every registered model, and swaps what is live.

The alias, polled, is the truth. A version is fetched, verified on its golden rows in a thread, and
only then swapped in; an error on the way changes only the model's status.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Hashable
from dataclasses import dataclass

from hotclub import names
from hotclub.callbacks import Clock
from hotclub.errors import HotclubError, RegistryError
from hotclub.model_registry import ModelRegistry, RegisteredModel, RegisteredVersion
from hotclub.package_cache import PackageCache
from hotclub.predictor import Predictor
from serving.prometheus import Metrics
from serving.served_model import LoadedVersion, ServedModel
from serving.state_file import StateFile

logger = logging.getLogger(__name__)

#: The wait after a failed load doubles up to this many times the first one.
_MAX_WAIT_FACTOR = 10


@dataclass(frozen=True)
class PollIntervals:
    """How often the registry is polled, and how long the watcher waits for loads and for replaced versions.

    Attributes:
        poll_seconds: between two polls.
        retry_seconds: before a failed version is tried again although neither alias nor tags changed.
        drain_seconds: how long a replaced version may go on answering.
    """

    poll_seconds: float = 1.0
    retry_seconds: float = 30.0
    drain_seconds: float = 30.0


@dataclass(frozen=True)
class _FailedLoad:
    """A load that failed, how often in a row, and when it may be tried again although nothing changed.

    Attributes:
        target: the version with its source and tags: another one is loaded at once.
    """

    target: Hashable
    count: int
    retry_at: dt.datetime


class ChampionWatcher:
    """Keeps `served` as the registry says.

    Args:
        registry: the port; called in threads, one call at a time.
        cache: where packages come from.
        state: what was live before.
        metrics: gets swaps and failures.
        intervals: between polls, before a load is retried, and for replaced versions to finish.
        threads: of the engine.
        clock: the time, in UTC.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        cache: PackageCache,
        state: StateFile,
        metrics: Metrics,
        *,
        intervals: PollIntervals,
        threads: int = 1,
        clock: Clock = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.served: dict[str, ServedModel] = {}
        #: Why the registry could not be read at the last poll, or None.
        self.registry_failure: str | None = None
        #: Whether the registry was read once, or something could be restored.
        self.is_ready = False
        self._registry = registry
        self._cache = cache
        self._state = state
        self._metrics = metrics
        self._intervals = intervals
        self._threads = threads
        self._clock = clock
        self._polling = asyncio.Lock()
        self._failed: dict[str, _FailedLoad] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def restore(self) -> None:
        """Load what was live before, from the cache alone if it is there."""
        for registered in await asyncio.to_thread(self._state.read):
            served_model = self._served_model(registered.model_name)
            try:
                self._swap(served_model, await self._load(registered))
            except Exception as error:  # one model's cache or package must not keep the others from starting
                known = isinstance(error, HotclubError)
                reason = str(error) if known else f"{type(error).__name__}: {error}"
                served_model.fail(
                    f"version {registered.version}, live before the restart: {reason}", self._clock()
                )
                logger.warning(
                    "%s: %s", served_model.model_name, served_model.failure, exc_info=None if known else error
                )
        self.is_ready = any(served_model.live for served_model in self.served.values())

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            try:
                await self.poll()
            except Exception:  # a poll that fails in a new way must not be the last one
                logger.exception("the poll of the registry failed")
            await asyncio.sleep(self._intervals.poll_seconds)

    async def poll(self) -> None:
        """Look at every model's alias once and follow it. Polls do not overlap."""
        async with self._polling:
            await self._poll()

    async def _poll(self) -> None:
        try:
            models = await asyncio.to_thread(self._registry.models)
        except RegistryError as error:
            if self.registry_failure is None:
                logger.warning("the registry does not answer; serving what is live: %s", error)
            self.registry_failure = str(error)
            self._metrics.registry_up.set(0)
            return
        if self.registry_failure is not None:
            logger.info("the registry answers again")
        self.registry_failure = None
        self._metrics.registry_up.set(1)
        for model in models:
            await self._follow_alias(model)
        for missing in self.served.keys() - {model.name for model in models}:
            self._note_no_champion(self.served[missing], "the registry has no such model any more")
        self.is_ready = True

    async def close(self) -> None:
        """Wait for replaced versions to finish what they have begun."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._intervals.drain_seconds)

    async def _follow_alias(self, model: RegisteredModel) -> None:
        served_model = self._served_model(model.name)
        served_model.champion = model.aliases.get(names.ALIAS_CHAMPION)
        if served_model.champion is None:
            self._note_no_champion(served_model, f"no version has the alias {names.ALIAS_CHAMPION}")
            return
        try:
            registered = await asyncio.to_thread(self._registry.version, model.name, served_model.champion)
        except RegistryError as error:
            served_model.fail(f"version {served_model.champion}: {error}", self._clock())
            return
        # A number alone is no identity: a model that is deleted and trained again begins at 1 once more.
        if served_model.live is not None and served_model.live.identity == (
            registered.version,
            registered.digest,
        ):
            served_model.clear()
            self._failed.pop(model.name, None)
            return
        target = (registered.version, registered.source, tuple(sorted(registered.tags.items())))
        failed = self._failed.get(model.name)
        if failed is not None and failed.target == target and self._clock() < failed.retry_at:
            return
        await self._switch_to(served_model, registered, target)

    async def _switch_to(
        self, served_model: ServedModel, registered: RegisteredVersion, target: Hashable
    ) -> None:
        try:
            registered.require_gates()
            loaded = await self._load(registered)
        except HotclubError as error:
            self._note_failed_load(served_model, registered, target, str(error))
        except Exception as error:  # a package from outside may fail in ways nobody listed
            logger.exception("%s version %s", served_model.model_name, registered.version)
            self._note_failed_load(served_model, registered, target, f"{type(error).__name__}: {error}")
        else:
            self._failed.pop(served_model.model_name, None)
            await self._save_state(loaded)
            self._swap(served_model, loaded)

    async def _save_state(self, loaded: LoadedVersion) -> None:
        """Write what is about to be live, before it is: a restart after a kill must not serve the older one."""
        live = {
            model: served_model.live.registered
            for model, served_model in self.served.items()
            if served_model.live is not None
        }
        live[loaded.model_name] = loaded.registered
        try:
            await asyncio.to_thread(self._state.write, live.values())
        except OSError as error:
            logger.warning(
                "%s version %s: not written to the state file: %r", loaded.model_name, loaded.version, error
            )

    async def _load(self, registered: RegisteredVersion) -> LoadedVersion:
        def load() -> Predictor:
            return Predictor.load(self._cache.fetch(registered), threads=self._threads)

        predictor = await asyncio.to_thread(load)
        return LoadedVersion(registered, predictor, self._clock())

    def _swap(self, served_model: ServedModel, loaded: LoadedVersion) -> None:
        replaced = served_model.swap(loaded)
        self._metrics.swapped(loaded, replaced)
        before = f", replacing version {replaced.version}" if replaced else ""
        logger.info(
            "%s version %s is live on %s%s",
            served_model.model_name,
            loaded.version,
            loaded.predictor.engine.name,
            before,
        )
        for engine, reason in loaded.predictor.refused.items():
            logger.warning(
                "%s version %s: engine %s refused: %s",
                served_model.model_name,
                loaded.version,
                engine,
                reason,
            )
        if replaced is not None and replaced.in_flight:
            task = asyncio.create_task(self._drain(served_model, replaced))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _drain(self, served_model: ServedModel, replaced: LoadedVersion) -> None:
        try:
            await asyncio.wait_for(replaced.drained(), self._intervals.drain_seconds)
        except TimeoutError:
            logger.warning(
                "%s version %s still answers %d requests",
                served_model.model_name,
                replaced.version,
                replaced.in_flight,
            )
        # The requests keep their own reference: a version is freed when the last of them ends.
        served_model.draining.remove(replaced)

    def _note_failed_load(
        self, served_model: ServedModel, registered: RegisteredVersion, target: Hashable, reason: str
    ) -> None:
        now = self._clock()
        before = self._failed.get(served_model.model_name)
        count = before.count + 1 if before is not None and before.target == target else 1
        wait = self._intervals.retry_seconds * min(2 ** (count - 1), _MAX_WAIT_FACTOR)
        self._failed[served_model.model_name] = _FailedLoad(target, count, now + dt.timedelta(seconds=wait))
        served_model.fail(f"version {registered.version}: {reason}", now)
        self._metrics.load_failures.labels(served_model.model_name).inc()
        logger.warning("%s: %s", served_model.model_name, served_model.failure)

    def _note_no_champion(self, served_model: ServedModel, reason: str) -> None:
        served_model.champion = None
        serving = (
            f"; version {served_model.live.version} goes on answering"
            if served_model.live is not None
            else ""
        )
        served_model.fail(reason + serving, self._clock())

    def _served_model(self, model: str) -> ServedModel:
        return self.served.setdefault(model, ServedModel(model))
