"""Two small stacks from one folder, by the line of the operating guide: each is found again, and reloads its code."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from stack import leftovers
from stack.home import Home
from stack.ports import Ports, shift_problem
from stack.settings import ROOT
from tests.live import copy_tree, wait_until

pytestmark = pytest.mark.timeout(900)

SERVICES = "postgres,redis,django,worker,autoreload"
#: Every process that loads it writes which version it has: the web process, the worker, and the trials of changes.
APP = """
import os, sys
from pathlib import Path
from django.apps import AppConfig
from shop.version import VERSION

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        program = Path(sys.argv[0]).parent.name
        if program in ("gunicorn", "celery"):
            with Path(os.environ["HOTCLUB_HOME"], f"loaded-{program}").open("a") as file:
                file.write(f"{VERSION}\\n")
"""


def documented() -> dict[str, str]:
    """Return the variables of the guide's example of a second stack."""
    page = (ROOT / "docs" / "how-to" / "operate.md").read_text()
    line = re.search(r"`((?:HOTCLUB_\w+=\S+ )+)make up`; a third", page)
    assert line is not None
    return dict(word.split("=", 1) for word in line[1].split())


@dataclass
class Small:
    """A stack of a few services, by its folder alone."""

    tree: Path
    home: Path
    ports: Ports

    def run(self, *words: str, code: int = 0, **variables: str) -> str:
        """Run a command of the launcher; return what it said."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HOTCLUB_", "DJANGO_"))}
        given = {f"HOTCLUB_{name}": value for name, value in variables.items()}
        done = subprocess.run(
            [sys.executable, "-m", "stack", *words],
            env={**kept, **given, "HOTCLUB_HOME": str(self.home), "PYTHONPATH": str(self.tree)},
            cwd=self.tree, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == code, said[-5000:]
        return said

    def ready(self) -> bool:
        """Return whether Django answers on this stack's own port."""
        url = f"{self.ports.url('django')}/health/ready"
        return httpx.get(url, trust_env=False, timeout=60).is_success

    def pids(self) -> dict[str, int]:
        """Return the processes that `status` shows, by service."""
        found = re.findall(r"^(\S+) +RUNNING +(\d+) ", self.run("status", code=3), re.MULTILINE)
        return {name: int(pid) for name, pid in found}

    def settled(self, names: set[str]) -> dict[str, int]:
        """Return the processes once all of ``names`` run: supervisord calls a service RUNNING after two seconds."""
        wait_until(f"{names} to run", lambda: self.pids().keys() == names, 60)
        return self.pids()

    def loaded(self, program: str) -> list[str]:
        """Return the versions of the app's code that the web process or the worker had, one after the other."""
        path = self.home / f"loaded-{program}"
        return path.read_text().split() if path.exists() else []

    def write(self, name: str, text: str) -> None:
        """Write a file of the app."""
        (self.tree / "shop" / name).write_text(text)


def _free_shift(step: int) -> int:
    for _ in range(100):
        shift = random.randrange(20_000, 40_000, 10)
        both = [*Ports.shifted(shift).named().values(), *Ports.shifted(shift + step).named().values()]
        free = shift_problem(shift) is None and shift_problem(shift + step) is None
        for port in both:
            with socket.socket() as probe:
                free = free and probe.connect_ex(("127.0.0.1", port)) != 0
        if free:
            return shift
    raise AssertionError("no free ports")


@pytest.fixture(scope="module")
def stacks(services: None) -> Iterator[tuple[Small, Small]]:
    """The first with an app and without the example, the second beside it as the guide says."""
    with tempfile.TemporaryDirectory(prefix="hotclub-test-") as folder:
        tree = Path(folder) / "tree"
        tree.mkdir()
        copy_tree(tree)
        (tree / "shop").mkdir()
        for name, text in (("__init__.py", ""), ("version.py", "VERSION = 1\n"), ("apps.py", APP)):
            (tree / "shop" / name).write_text(text)
        example = documented()
        step = int(example["HOTCLUB_PORT_SHIFT"])
        shift = _free_shift(step)
        first = Small(tree, Path(folder) / "first", Ports.shifted(shift))
        second = Small(tree, Path(folder) / "second", Ports.shifted(shift + step))
        try:
            first.run("up", "--only", SERVICES, APPS="shop", DEMO="0", PORT_SHIFT=str(shift))
            # The guide's line: a folder, and a shift. Both stacks of this test are moved away from other ones.
            assert example.keys() == {"HOTCLUB_HOME", "HOTCLUB_PORT_SHIFT"}
            second.run("up", "--only", "postgres,redis,django", PORT_SHIFT=str(shift + step))
            # A test compares with what runs as it begins, and a service that has just come up is STARTING for two seconds.
            for small in (first, second):
                wait_until(
                    "every service to run", lambda s=small: "STARTING" not in s.run("status", code=3), 60
                )
            yield first, second
        finally:
            for small in (first, second):
                small.run("down")
                assert leftovers.find(Home(small.home)) == []
            shutil.rmtree(tree)


def test_both_run_and_each_is_found_by_its_folder_alone(stacks: tuple[Small, Small]) -> None:
    """Ports, apps and processes of the one are not those of the other, with nothing but HOTCLUB_HOME set."""
    first, second = stacks
    assert first.ready()
    assert second.ready()
    assert not set(first.pids().values()) & set(second.pids().values())
    assert "Started with: HOTCLUB_APPS=shop HOTCLUB_DEMO=0 HOTCLUB_PORT_SHIFT=" in first.run("status", code=3)
    for small in stacks:
        assert f"{small.ports.url('django')}/admin/" in small.run("status", code=3)
    code = "from django.apps import apps; print([a for a in ('shop', 'django_app.flights') if apps.is_installed(a)])"
    assert "['shop']" in first.run("manage", "shell", "-v", "0", "-c", code)
    assert "['django_app.flights']" in second.run("manage", "shell", "-v", "0", "-c", code)


def test_other_values_are_refused_and_nothing_changes(stacks: tuple[Small, Small]) -> None:
    """By the real commands, while it runs."""
    first, second = stacks
    before = first.pids()
    for words in (["manage", "migrate"], ["up"], ["down"], ["status"], ["restart", "django"]):
        said = first.run(*words, code=1, APPS="other")
        assert "HOTCLUB_APPS is other in the environment and shop in the stack" in said
    assert "HOTCLUB_PORT_SHIFT is 600" in second.run("down", code=1, PORT_SHIFT="600")
    assert first.pids() == before
    assert second.ready()


def test_up_again_goes_on_with_the_same(stacks: tuple[Small, Small]) -> None:
    """Nothing is set, nothing is restarted."""
    first, _ = stacks
    before = first.pids()
    assert "As at the last start: HOTCLUB_APPS=shop HOTCLUB_DEMO=0" in first.run("up", "--only", SERVICES)
    assert first.pids() == before


def test_restart_brings_one_service_or_all_but_data_back(stacks: tuple[Small, Small]) -> None:
    """Healthy when the command returns; the other stack is not touched."""
    first, second = stacks
    before, beside = first.pids(), second.pids()
    assert "Back: django." in first.run("restart", "django")
    assert first.ready()
    after = first.settled(set(before))
    assert {name for name in before if after[name] != before[name]} == {"django"}

    said = first.run("restart", WORKER_CONCURRENCY="1")
    assert "New: HOTCLUB_WORKER_CONCURRENCY=1 (was: 2)" in said
    assert first.ready()
    last = first.settled(set(before))
    assert {name for name in before if after[name] == last[name]} == {"postgres", "redis"}
    assert "--concurrency 1" in " ".join(psutil.Process(last["worker"]).cmdline())
    assert second.pids() == beside


def test_changed_code_is_loaded_by_web_and_worker(stacks: tuple[Small, Small]) -> None:
    """By itself, once, and without a refused request; a file that is saved without a change loads nothing."""
    first, second = stacks
    before, beside = first.pids(), second.pids()
    log = first.home / "logs" / "autoreload.log"
    reloads = log.read_text().count("reloading")
    answers: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.05):
            try:
                answers.append("ready" if first.ready() else "not ready")
            except httpx.HTTPError as error:
                answers.append(repr(error))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        first.write("version.py", "VERSION = 2\n")
        for program in ("gunicorn", "celery"):
            wait_until(program, lambda p=program: first.loaded(p)[-1:] == ["2"], 60)
        after = first.settled(set(before))
    finally:
        over.set()
        asking.join()
    assert len(answers) > 10
    assert set(answers) == {"ready"}
    assert {name for name in before if after[name] != before[name]} == {"worker"}
    first.write("version.py", "VERSION = 2\n")
    time.sleep(2)  # longer than changes are gathered for
    assert log.read_text().count("reloading") == reloads + 1
    assert first.pids() == after
    assert second.pids() == beside


@pytest.mark.parametrize("broken", ["if True\n", "x = y\n"], ids=["syntax error", "import error"])
def test_broken_code_stops_nothing_and_is_loaded_when_it_is_fixed(
    stacks: tuple[Small, Small], broken: str
) -> None:
    """`status` says what is wrong meanwhile, and the services of before answer."""
    first, _ = stacks
    before = first.pids()
    first.write("ml.py", broken)
    wait_until("a warning", lambda: "changed code of shop is not loaded" in first.run("status", code=3), 60)
    said = first.run("status", code=3)
    assert ("SyntaxError" if "if" in broken else "NameError") in said
    assert first.ready()
    assert first.pids() == before
    first.write("ml.py", "")
    wait_until("no warning", lambda: "is not loaded" not in first.run("status", code=3), 60)
    wait_until("the worker", lambda: first.settled(set(before))["worker"] != before["worker"], 60)
    assert first.ready()


def test_a_service_that_broken_code_keeps_down_comes_back_when_it_is_fixed(
    stacks: tuple[Small, Small],
) -> None:
    """A restart refuses broken code and stops nothing; a service that dies meanwhile comes back with the fix."""
    first, _ = stacks
    before = first.pids()
    first.write("ml.py", "x = y\n")
    assert "NameError" in first.run("restart", "django", code=1)
    assert first.pids() == before
    assert first.ready()
    psutil.Process(before["django"]).kill()
    # While it tries, supervisord calls it STARTING, or RUNNING for a moment on a busy machine.
    wait_until("status to show it", lambda: "django" not in first.pids(), 60)
    first.write("ml.py", "")
    first.settled(set(before))
    wait_until("django", first.ready, 60)
