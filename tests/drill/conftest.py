"""Drills kill a stack of their own. They run when they are named (`make drill`), not with the tests.

``DRILL_SEED`` repeats the moments of an earlier run.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from hotclub import names
from stack import service_definitions
from stack.service_environments import MARK
from tests.conftest import ROOT, Database
from tests.drill import batches
from tests.drill.batches import Outcome
from tests.live import HISTORY_FROM, LiveStack, live_stack

#: The first is the demo's own; then one undisturbed, three with a kill, one after all services were killed.
DAYS: Final = [dt.date(2013, 11, number) for number in range(1, 7)]

#: The drills of one run are a chain: files in this order, their tests as written. Any file alone works too.
ORDER: Final = ("test_ingest", "test_batch", "test_services", "test_own_data")

Tell = Callable[[str], None]
_LINES: Final = pytest.StashKey[list[str]]()
_SEED: Final = pytest.StashKey[int]()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the drills out unless their folder was named."""
    here = Path(__file__).parent
    named = ((config.invocation_params.dir / str(arg).partition("::")[0]).resolve() for arg in config.args)
    if here in collection_path.parents and not any(p == here or here in p.parents for p in named):
        return True
    return None


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed."""
    config.stash[_LINES] = []
    config.stash[_SEED] = int(os.environ.get("DRILL_SEED") or random.randrange(1_000_000))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print what was measured once more, together."""
    if not config.stash[_LINES]:
        return
    terminalreporter.section("drills")
    terminalreporter.write_line(f"DRILL_SEED={config.stash[_SEED]}")
    for line in config.stash[_LINES]:
        terminalreporter.write_line(line)


def _place(item: pytest.Item) -> tuple[Any, ...]:
    number = tuple(item.callspec.indices.values()) if hasattr(item, "callspec") else ()
    return ORDER.index(item.path.stem), item.function.__code__.co_firstlineno, number  # type: ignore[attr-defined]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the drills into their declared order, whatever was shuffled: a day's figures build on the days before."""
    drills = [item for item in items if Path(__file__).parent in item.path.parents]
    others = [item for item in items if item not in drills]
    items[:] = [*others, *sorted(drills, key=_place)]


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The number that the moments come from."""
    return pytestconfig.stash[_SEED]


@pytest.fixture(scope="session")
def tell(pytestconfig: pytest.Config) -> Tell:
    """Print a line at once, and again at the end."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        pytestconfig.stash[_LINES].append(line)
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", end="", flush=True)  # noqa: T201  # a drill takes minutes: people want to see it move

    return say


@pytest.fixture(scope="session")
def live(services: None) -> Iterator[LiveStack]:
    """A stack after its first `up`, on a part of the history."""
    with live_stack() as stack:
        yield stack


@pytest.fixture(scope="session")
def undisturbed(live: LiveStack, tell: Tell) -> Outcome:
    """The wide batch, which nobody disturbs."""
    outcome = batches.run(live, "undisturbed")
    assert outcome.entities == outcome.rows
    tell(
        f"{'undisturbed batch':<24} {outcome.seconds:.1f} s, {outcome.rows:,} rows, checksum {outcome.figures.checksum}"
    )
    return outcome


@pytest.fixture(scope="session")
def reference(
    live: LiveStack, provision: Callable[[str], Database], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The figures after each step of an undisturbed run on another server, by `reference.step_name`."""
    folder = tmp_path_factory.mktemp("reference")
    database = provision("drill_reference")
    own = {
        "HOTCLUB_DATABASE_URL": database.url(names.ROLE_APP),
        "HOTCLUB_STAGER_DATABASE_URL": database.url(names.ROLE_STAGER),
        # Nobody listens: what is enqueued here is done here.
        "HOTCLUB_BROKER_URL": "memory://",
        "HOTCLUB_LANDING": str(folder / "landing"),
        "HOTCLUB_ARCHIVE": str(folder / "archive"),
        "DJANGO_SETTINGS_MODULE": "django_app.config.settings.local",
    }
    environment = {**live.stack.django(), **own}
    # Not one of the stack's processes, which are about to be killed.
    del environment[MARK]

    def run(*command: str, **more: str) -> None:
        done = subprocess.run(
            command, env={**environment, **more}, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    run(
        *service_definitions.manage("migrate", "--no-input"),
        HOTCLUB_DATABASE_URL=database.url(names.ROLE_MIGRATOR),
    )
    run(*service_definitions.manage("load_history", "--from", HISTORY_FROM))
    out = folder / "figures.json"
    run(sys.executable, "-m", "tests.drill.reference", str(out), *map(str, DAYS))
    loaded: dict[str, Any] = json.loads(out.read_text())
    return loaded
