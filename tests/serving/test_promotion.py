"""Moving the alias: what goes live, what is refused, what stays."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hotclub import names, package
from hotclub.contract import canonical_json
from hotclub.model_registry import RegisteredVersion
from hotclub.predictor import Predictor
from serving import champion_watcher
from tests.factories import make_contract, make_package
from tests.serving.conftest import MODEL, ROW, MemoryRegistry


def test_alias_moves_the_live_version_and_back(serve, registry: MemoryRegistry, packages) -> None:
    """The version that the alias points to answers after one poll, with its own scores; moving back rolls back."""

    async def test() -> None:
        registry.promote("1")
        async with serve() as running:
            for version, rounds in (("1", 5), ("2", 9), ("1", 5)):
                registry.promote(version)
                await running.watcher.poll()
                body = (await running.predict({"instances": [ROW]})).json()
                expected = Predictor.load(package.read(packages(rounds))).predict_rows([ROW])
                assert (body["version"], body["predictions"]) == (version, expected.scores.tolist())

    asyncio.run(test())


def truncate_model(folder: Path) -> None:
    """Cut the model's file in half, and seal the package as if it were whole."""
    model = (folder / package.MODEL).read_bytes()
    (folder / package.MODEL).write_bytes(model[: len(model) // 2])
    package.seal(folder)


def alter_golden_margin(folder: Path) -> None:
    """Change one golden margin by a hundredth, and seal."""
    table = pq.read_table(folder / package.GOLDEN)
    margins = table["_margin_0"].to_numpy().copy()
    margins[0] += np.float32(0.01)
    place = table.column_names.index("_margin_0")
    pq.write_table(table.set_column(place, "_margin_0", pa.array(margins)), folder / package.GOLDEN)
    package.seal(folder)


def change_fingerprint(folder: Path) -> None:
    """Write another fingerprint into the contract, and seal."""
    contract = json.loads((folder / package.CONTRACT).read_text())
    (folder / package.CONTRACT).write_text(canonical_json({**contract, "fingerprint": "0" * 64}))
    package.seal(folder)


def use_contract_of_another_model(folder: Path) -> None:
    """Put another model's contract in, and seal."""
    (folder / package.CONTRACT).write_text(json.dumps(make_contract("other_model").to_json()))
    package.seal(folder)


BAD = {
    "truncated model": (truncate_model, "no engine gives the golden scores"),
    "altered golden margin": (alter_golden_margin, "golden rows: a margin is off by 0.01"),
    "missing file": (lambda folder: (folder / package.VOCABULARY).unlink(), "vocabulary.json is missing"),
    "wrong fingerprint": (change_fingerprint, "fingerprint"),
    "another model's contract": (use_contract_of_another_model, "is the contract of other_model, not of"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_version_changes_nothing_but_the_status(
    serve, registry: MemoryRegistry, altered: Callable[..., Path], packages, kind: str
) -> None:
    """The old version goes on answering; the reason and its time stand in ``GET /v1/models``."""
    damage, reason = BAD[kind]

    async def test() -> None:
        registry.promote("1")
        async with serve() as running:
            folder = altered()
            registry.add("3", packages(9))
            damage(folder)
            registry.folders[MODEL, "3"] = folder
            if (folder / package.VOCABULARY).exists():
                registry.tag("3", names.TAG_DIGEST, package.digest(folder))
            registry.promote("3")
            await running.watcher.poll()
            status = await running.status()
            assert await running.version() == "1"
            assert (status["version"], status["champion"]) == ("1", "3")
            assert status["failure"].startswith("version 3: ")
            assert reason in status["failure"]
            assert status["failed_at"] is not None
            metrics = (await running.client.get("/metrics")).text
            assert f'hotclub_serving_load_failures_total{{model="{MODEL}"}} 1.0' in metrics
            registry.promote("2")
            await running.watcher.poll()
            status = await running.status()
            assert (status["version"], status["failure"], status["failed_at"]) == ("2", None, None)

    asyncio.run(test())


def test_digest_that_does_not_fit_is_refused(serve, registry: MemoryRegistry, packages) -> None:
    """A package other than the one that was registered does not go live."""

    async def test() -> None:
        registry.promote("1")
        async with serve() as running:
            registry.add("3", packages(9))
            registry.folders[MODEL, "3"] = packages(5)
            registry.promote("3")
            await running.watcher.poll()
            assert await running.version() == "1"
            assert "the registry's tag says" in (await running.status())["failure"]

    asyncio.run(test())


@pytest.mark.parametrize("gates", [names.GATES_FAILED, names.GATES_NONE, ""])
def test_gates_are_required_and_a_reasoned_override_is_enough(
    serve, registry: MemoryRegistry, gates: str
) -> None:
    """A version without passed gates waits until a person tags it with a reason; the tag alone is seen."""

    async def test() -> None:
        registry.promote("1")
        registry.tag("2", names.TAG_GATES, gates)
        async with serve() as running:
            registry.promote("2")
            await running.watcher.poll()
            assert await running.version() == "1"
            assert names.TAG_OVERRIDE in (await running.status())["failure"]
            registry.tag("2", names.TAG_OVERRIDE, "  ")
            await running.watcher.poll()
            assert await running.version() == "1"
            registry.tag("2", names.TAG_OVERRIDE, "the new airport needs it today")
            await running.watcher.poll()
            assert await running.version() == "2"

    asyncio.run(test())


def test_failed_version_is_left_alone_until_something_changes(
    serve, registry: MemoryRegistry, altered, packages
) -> None:
    """A version that failed is not fetched with every poll; after the back-off it is tried again."""

    async def test() -> None:
        folder = altered()
        truncate_model(folder)
        registry.add("3", packages(9))
        registry.folders[MODEL, "3"] = folder
        registry.tag("3", names.TAG_DIGEST, "f" * 64)
        registry.promote("3")
        async with serve() as running:
            for _ in range(5):
                await running.watcher.poll()
            assert registry.downloads == ["3"]
            registry.tag("3", "note", "fixed")
            await running.watcher.poll()
            assert registry.downloads == ["3", "3"]
        async with serve(serving_retry_seconds=1e-6) as running:
            before = len(registry.downloads)
            await running.watcher.poll()
            assert len(registry.downloads) > before

    asyncio.run(test())


def test_alias_taken_away_keeps_serving_and_says_so(serve, registry: MemoryRegistry) -> None:
    """Without a champion the last one answers, and the status tells it; so does a deleted model or version."""

    async def test() -> None:
        registry.promote("1")
        async with serve() as running:
            registry.aliases[MODEL].clear()
            await running.watcher.poll()
            status = await running.status()
            assert status["failure"] == "no version has the alias champion; version 1 goes on answering"
            assert await running.version() == "1"
            registry.promote("9")
            await running.watcher.poll()
            assert "has no version 9" in (await running.status())["failure"]
            registry.aliases.clear()
            await running.watcher.poll()
            assert "no such model any more" in (await running.status())["failure"]
            assert await running.version() == "1"

    asyncio.run(test())


def test_number_that_was_given_again_is_another_version(serve, registry: MemoryRegistry, packages) -> None:
    """A model that was deleted and trained again is version 1 once more; its new package answers, as after a restart."""

    async def test() -> None:
        expected = {
            rounds: Predictor.load(package.read(packages(rounds))).predict_rows([ROW]).scores.tolist()
            for rounds in (5, 9)
        }
        registry.promote("1")
        async with serve() as running:
            registry.add("1", packages(9))
            await running.watcher.poll()
            body = (await running.predict({"instances": [ROW]})).json()
            assert (body["version"], body["predictions"]) == ("1", expected[9])
        registry.add("1", packages(5))
        async with serve() as running:
            body = (await running.predict({"instances": [ROW]})).json()
            assert (body["version"], body["predictions"]) == ("1", expected[5])

    asyncio.run(test())


def test_restart_survives_a_model_that_fails_in_an_unforeseen_way(
    serve, registry: MemoryRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody listed, for the first of two models, keeps neither the other nor the service from starting."""
    fetch = champion_watcher.PackageCache.fetch

    def broken(self: champion_watcher.PackageCache, version: RegisteredVersion) -> package.Package:
        if version.model_name == MODEL:
            raise OSError("input/output error")
        return fetch(self, version)

    async def test() -> None:
        folder = tmp_path / "other"
        make_package(folder, make_contract("other_model", parameters={"num_boost_round": 3}))
        registry.add("7", folder, model="other_model")
        registry.promote("1")
        registry.promote("7", "other_model")
        async with serve():
            pass
        registry.down = True
        monkeypatch.setattr(champion_watcher.PackageCache, "fetch", broken)
        async with serve() as running:
            assert (await running.predict({"instances": [ROW]}, "other_model")).json()["version"] == "7"
            assert "OSError: input/output error" in (await running.status())["failure"]

    asyncio.run(test())


def test_version_is_remembered_before_it_is_live(
    serve, registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the new version first answers, the state file has it: after a kill the older one is never live again."""

    async def test() -> None:
        registry.promote("1")
        async with serve() as running:
            served_model = running.watcher.served[MODEL]
            swap, remembered = served_model.swap, []

            def look(loaded: object) -> object:
                remembered.extend(v.version for v in running.watcher._state.read())
                return swap(loaded)

            monkeypatch.setattr(served_model, "swap", look)
            registry.promote("2")
            await running.watcher.poll()
            assert remembered == ["2"]
            assert await running.version() == "2"

    asyncio.run(test())


def test_state_file_that_cannot_be_written_stops_no_promotion(
    serve, registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk costs the memory of what was live, and not the version itself."""

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    async def test() -> None:
        registry.promote("1")
        async with serve() as running:
            await running.watcher.poll()  # the application's own poll is over by now
            monkeypatch.setattr(running.watcher._state, "write", full)
            registry.promote("2")
            await running.watcher.poll()
            assert await running.version() == "2"

    asyncio.run(test())


def test_restart_without_the_registry_serves_the_last_good_version(serve, registry: MemoryRegistry) -> None:
    """What was live comes back from the cache alone, is ready, and follows the alias once the registry is back."""

    async def test() -> None:
        registry.promote("1")
        async with serve() as running:
            assert await running.version() == "1"
        registry.down = True
        async with serve() as running:
            assert await running.version() == "1"
            assert (await running.client.get("/v2/health/ready")).status_code == 200
            answer = (await running.client.get("/v1/models")).json()
            assert answer["registry_failure"] == "the registry is down"
            assert "hotclub_serving_registry_up 0.0" in (await running.client.get("/metrics")).text
            registry.down = False
            registry.promote("2")
            await running.watcher.poll()
            assert await running.version() == "2"

    asyncio.run(test())


@pytest.mark.parametrize("damage", ["state", "package"])
def test_restart_with_damaged_files_starts_all_the_same(
    serve, registry: MemoryRegistry, settings, damage: str
) -> None:
    """An unreadable state file or a damaged package in the cache costs a download and no more."""

    async def test() -> None:
        registry.promote("1")
        async with serve() as running:
            assert await running.version() == "1"
        if damage == "state":
            (settings.cache / "serving.json").write_text("{")
        else:
            digest = registry.registered[MODEL, "1"].digest
            (settings.cache / digest / package.MODEL).write_bytes(b"")
        async with serve() as running:
            assert await running.version() == "1"

    asyncio.run(test())


def test_not_ready_before_the_registry_was_read(serve, registry: MemoryRegistry) -> None:
    """Without a registry and without a past the service lives and is not ready; a model is then unknown."""

    async def test() -> None:
        registry.down = True
        async with serve() as running:
            assert (await running.client.get("/v2/health/live")).json() == {"live": True}
            response = await running.client.get("/v2/health/ready")
            assert response.status_code == 503
            assert response.json()["detail"] == "Not ready: the registry is down."
            registry.down = False
            await running.watcher.poll()
            assert (await running.client.get("/v2/health/ready")).json() == {"ready": True}

    asyncio.run(test())


def test_loading_a_version_does_not_hold_up_requests(
    serve, registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the next version loads, the old one answers."""
    loading, may_finish = threading.Event(), threading.Event()
    load = Predictor.load

    def slow_load(*args: object, **kwargs: object) -> Predictor:
        loading.set()
        assert may_finish.wait(30)
        return load(*args, **kwargs)

    async def test() -> None:
        registry.promote("1")
        async with serve() as running:
            monkeypatch.setattr(champion_watcher.Predictor, "load", slow_load)
            registry.promote("2")
            poll = asyncio.create_task(running.watcher.poll())
            await asyncio.to_thread(loading.wait, 30)
            assert await running.version() == "1"
            may_finish.set()
            await poll
            assert await running.version() == "2"

    asyncio.run(test())


def test_swap_drains_a_slow_version_under_concurrent_requests(
    serve, registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that a slow version has begun end with its answer; those that come after the swap get the new one."""
    begun = threading.Semaphore(0)
    may_finish = threading.Event()

    async def test() -> None:
        registry.promote("1")
        async with serve() as running:
            slow = running.watcher.served[MODEL].live
            predict_rows = slow.predictor.predict_rows

            def slowly(rows):
                begun.release()
                assert may_finish.wait(30)
                return predict_rows(rows)

            monkeypatch.setattr(slow.predictor, "predict_rows", slowly)
            many = {"instances": [ROW] * 40}  # more than what is scored on the event loop
            old = [asyncio.create_task(running.predict(many)) for _ in range(4)]
            for _ in old:
                await asyncio.to_thread(begun.acquire)
            registry.promote("2")
            await running.watcher.poll()
            status = await running.status()
            assert status["version"] == "2"
            assert status["draining"] == [{"version": "1", "in_flight": 4}]
            new = await asyncio.gather(*(running.predict(many) for _ in range(4)))
            assert {r.json()["version"] for r in new} == {"2"}
            may_finish.set()
            done = await asyncio.gather(*old)
            assert {(r.status_code, r.json()["version"]) for r in done} == {(200, "1")}
            await running.watcher.close()
            assert (await running.status())["draining"] == []

    asyncio.run(test())


def test_no_request_fails_and_no_client_sees_a_version_go_back(serve, registry: MemoryRegistry) -> None:
    """Clients that ask without a pause across a move see 200 and versions that only grow."""

    async def test() -> None:
        registry.promote("1")
        async with serve() as running:
            seen: list[list[str]] = [[] for _ in range(4)]

            async def client(versions: list[str]) -> None:
                while versions[-5:] != ["2"] * 5:
                    response = await running.predict({"instances": [ROW]})
                    assert response.status_code == 200, response.text
                    versions.append(response.json()["version"])
                    await asyncio.sleep(
                        0.002
                    )  # over ASGI in memory nothing waits: the thread that loads would starve

            clients = [asyncio.create_task(client(versions)) for versions in seen]
            await asyncio.sleep(0)
            while not all(seen):  # noqa: ASYNC110  # nothing signals a first answer
                await asyncio.sleep(0)
            registry.promote("2")
            await running.watcher.poll()
            await asyncio.gather(*clients)
            assert all(versions == sorted(versions) for versions in seen)

    asyncio.run(test())


def test_two_models_do_not_touch_each_other(serve, registry: MemoryRegistry, tmp_path: Path) -> None:
    """A model that cannot be loaded leaves the other one as it is; each answers under its own contract."""

    async def test() -> None:
        folder = tmp_path / "other"
        make_package(folder, make_contract("other_model", parameters={"num_boost_round": 3}))
        registry.add("7", folder, model="other_model")
        registry.promote("7", "other_model")
        registry.promote("1")
        async with serve() as running:
            assert (await running.predict({"instances": [ROW]}, "other_model")).json()["version"] == "7"
            shutil.rmtree(folder)
            registry.add("3", registry.folders[MODEL, "2"])
            registry.promote("3")
            await running.watcher.poll()
            assert await running.version() == "3"
            assert (await running.status("other_model"))["version"] == "7"

    asyncio.run(test())
