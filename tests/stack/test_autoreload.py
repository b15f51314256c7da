"""Changed code restarts web and worker, once it can be loaded; everything else restarts nothing."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hotclub import names
from stack import autoreload, lifecycle, service_definitions, status
from stack.autoreload import Reloader
from stack.progress import Progress
from stack.service_environments import Stack
from stack.supervisor import ProcessState


class Watched:
    """A folder of code and a reloader whose trial and restart are counted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fails_with = ""
        self.trials = self.restarts = 0
        self.write("ml.py", "x = 1\n")
        self.write("sub/part.py", "y = 1\n")
        self.reloader = Reloader([folder], self._trial, self._restart)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _trial(self) -> str:
        self.trials += 1
        return self.fails_with

    def _restart(self) -> None:
        self.restarts += 1


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """An app of two files, watched."""
    return Watched(tmp_path / "shop")


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.write("ml.py", "x = 2\n"),
        lambda w: w.write("sub/part.py", "y = 2\n"),
        lambda w: w.write("new.py", "z = 1\n"),
        lambda w: (w.folder / "sub" / "part.py").unlink(),
    ],
    ids=["changed", "changed below", "new", "removed"],
)
def test_a_change_restarts_once(watched: Watched, change: Callable[[Watched], None]) -> None:
    """Also when the same change is looked at again."""
    change(watched)
    assert watched.reloader.look()
    assert not watched.reloader.look()
    assert (watched.trials, watched.restarts) == (1, 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda w: None,
        lambda w: w.write("ml.py", "x = 1\n"),
        lambda w: os.utime(w.folder / "ml.py", (1, 1)),
        lambda w: w.write("migrations/0002_x.py", "broken(\n"),
        lambda w: w.write("contracts/m/0001.json", "{}"),
        lambda w: w.write("tests/test_ml.py", "broken(\n"),
        lambda w: w.write("__pycache__/ml.py", "x"),
    ],
    ids=["nothing", "saved", "touched", "migration", "contract", "test", "cache"],
)
def test_what_no_service_imports_restarts_nothing(
    watched: Watched, change: Callable[[Watched], None]
) -> None:
    """A file that was saved as it was, and files that services do not run."""
    change(watched)
    assert not watched.reloader.look()
    assert (watched.trials, watched.restarts) == (0, 0)


def test_a_syntax_error_keeps_the_services_and_is_named(watched: Watched) -> None:
    """File, line and what is wrong; no import is tried. The next good state restarts."""
    watched.write("sub/part.py", "y = 1\nif True\n")
    assert watched.reloader.look()
    assert watched.reloader.problem == (
        f"SyntaxError: expected ':' ({watched.folder / 'sub' / 'part.py'}, line 2)"
    )
    assert (watched.trials, watched.restarts) == (0, 0)
    watched.write("sub/part.py", "y = 1\n")
    assert watched.reloader.look()
    assert (watched.reloader.problem, watched.restarts) == ("", 1)


def test_code_below_a_link_is_code_too(watched: Watched, tmp_path: Path) -> None:
    """Once, also where a link leads back up."""
    part = tmp_path / "elsewhere" / "part.py"
    part.parent.mkdir()
    part.write_text("z = 1\n")
    (watched.folder / "linked").symlink_to(part.parent)
    for name in ("up", "again"):  # two of them make a path for each order in which they are followed
        (watched.folder / "sub" / name).symlink_to(watched.folder)
    assert watched.reloader.look()
    part.write_text("z = 2\n")
    assert watched.reloader.look()
    names = [path.name for path in autoreload.digests([watched.folder])]
    assert sorted(names) == ["ml.py", "part.py", "part.py"]


def test_a_change_without_an_event_is_seen(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of files in a folder that was put in the place of the watched one, by git or by hand."""
    monkeypatch.setattr(autoreload, "_LOOK_EVERY_MS", 100)
    looks = autoreload.looks([watched.folder])

    def seen() -> bool:
        return any(watched.reloader.look() for _ in zip(range(100), looks, strict=False))

    next(looks)
    shutil.rmtree(watched.folder)
    watched.write("ml.py", "x = 2\n")
    assert seen()
    watched.write("ml.py", "x = 3\n")
    assert seen()
    watched.write("new/part.py", "x = 4\n")
    assert seen()


def test_a_file_that_is_no_text_is_a_problem_too(watched: Watched) -> None:
    """Of every kind that Python refuses, without an end of the reloader."""
    (watched.folder / "ml.py").write_bytes(b"x = '\xff'\n")
    watched.reloader.look()
    assert "ml.py" in watched.reloader.problem
    (watched.folder / "ml.py").write_bytes(b"x = 1\0\n")
    watched.reloader.look()
    assert "null bytes" in watched.reloader.problem


def test_code_that_cannot_be_loaded_keeps_the_services(watched: Watched) -> None:
    """What the trial says is the problem; another change is tried anew."""
    watched.fails_with = "NameError: name 'x' is not defined"
    watched.write("ml.py", "y = x\n")
    watched.reloader.look()
    assert (watched.reloader.problem, watched.restarts) == (watched.fails_with, 0)
    watched.fails_with = ""
    watched.write("ml.py", "y = 1\n")
    watched.reloader.look()
    assert (watched.reloader.problem, watched.restarts) == ("", 1)


class Supervised:
    """Services in the states that a test says; keeps what is asked of it."""

    def __init__(self, **states: str) -> None:
        self._states = states
        self.asked: list[str] = []

    def states(self) -> dict[str, ProcessState]:
        return {name: ProcessState(name, state, 1, 1, "") for name, state in self._states.items()}

    def signal(self, name: str, signal_name: str) -> None:
        self.asked.append(f"{signal_name} {name}")

    def stop(self, names: list[str]) -> None:
        self.asked += [f"stop {name}" for name in names]

    def start(self, name: str) -> None:
        self.asked.append(f"start {name}")


@pytest.mark.parametrize(
    ("django", "worker", "asked"),
    [
        ("RUNNING", "RUNNING", ["HUP django", "stop worker", "start worker"]),
        ("BACKOFF", "STARTING", ["stop django", "start django", "stop worker", "start worker"]),
        ("STOPPED", "STOPPED", []),
        ("FATAL", "STOPPED", ["stop django", "start django"]),
    ],
)
def test_what_a_restart_does_follows_the_state(django: str, worker: str, asked: list[str]) -> None:
    """A web process that runs keeps its port; what keeps ending is tried at once; what was stopped stays so."""
    found = Supervised(django=django, worker=worker, beat="RUNNING")
    autoreload.restart(found)  # type: ignore[arg-type]
    assert found.asked == asked


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("ml.py", "x = 1\n", ""),
        ("ml.py", "x = y\n", "NameError: name 'y' is not defined"),
        (
            "models.py",
            "from nowhere_at_all import x\n",
            "ModuleNotFoundError: No module named 'nowhere_at_all'",
        ),
        ("admin.py", "1 / 0\n", "ZeroDivisionError: division by zero"),
        ("tasks.py", "1 / 0\n", "ZeroDivisionError: division by zero"),
    ],
)
def test_the_trial_loads_all_that_services_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, problem: str
) -> None:
    """Each module that Django or Celery finds by its name in an app."""
    app = tmp_path / "trial_shop"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / name).write_text(text)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setenv("HOTCLUB_APPS", "trial_shop")
    monkeypatch.setenv("HOTCLUB_DEMO", "0")
    monkeypatch.setenv("HOTCLUB_SETTINGS", "local")
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    assert autoreload.import_problem() == problem


def test_there_is_a_reloader_for_own_apps_on_a_developers_machine_only(stack: Stack) -> None:
    """It knows the apps; no secret but Django's key, and no login."""

    def service(**update: str) -> object:
        made = Stack(
            stack.settings.model_copy(update={"apps": update.get("apps", "training,serving")}),
            stack.home, stack.ports, stack.secrets,
            {"HOTCLUB_SETTINGS": update["mode"]} if "mode" in update else {},
        )  # fmt: skip
        return {n.name: n for n in service_definitions.definitions(made)}.get("autoreload")

    found = service()
    assert isinstance(found, service_definitions.Service)
    assert found.command[-3:] == ("stack.autoreload", "training", "serving")
    assert not [
        name for name in found.env if name.endswith(("_URL", "_PASSWORD")) and "postgres" in found.env[name]
    ]
    assert service(mode="local") is not None
    assert service(mode="staging") is None
    assert service(mode="production") is None
    assert service(apps="") is None


class Shown:
    """A stack with an app whose changed code cannot be loaded, and services in the states that a test says."""

    def __init__(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = stack.settings.model_copy(update={"apps": "shop"})
        self.shop = Stack(settings, stack.home, stack.ports, stack.secrets, {})
        self.states = {"django": "RUNNING", "worker": "RUNNING", "autoreload": "RUNNING"}
        self.alive = True
        monkeypatch.setattr(status.Supervisor, "alive", lambda _: self.alive)
        monkeypatch.setattr(status.Supervisor, "states", lambda _: Supervised(**self.states).states())
        self.record = autoreload.record_path(stack.home)
        self.record.write_text('{"problem": "x"}')

    def warnings(self) -> list[str]:
        return status.code_warnings(self.shop)


@pytest.fixture
def shown(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Everything runs at first."""
    return Shown(stack, monkeypatch)


def test_status_says_that_changed_code_is_not_loaded(stack: Stack, shown: Shown) -> None:
    """As long as it is so, and only where there are apps of one's own."""
    for text, warned in (('{"problem": "x"}', True), ('{"problem": ""}', False), ("{", False), ("[]", False)):
        shown.record.write_text(text)
        found = shown.warnings()
        assert bool(found) is warned, text
        assert not warned or found[0].startswith(f"{names.WARNING}changed code of shop is not loaded: x\n")
    shown.record.write_text('{"problem": "x"}')
    assert status.code_warnings(stack) == []
    shown.alive = False
    assert shown.warnings() == []
    shown.alive = True
    shown.record.unlink()
    assert shown.warnings() == []


@pytest.mark.parametrize("state", ["STOPPED", "STOPPING", "FATAL", "BACKOFF", "EXITED", ""])
def test_what_a_reloader_found_that_runs_no_more_is_no_warning(shown: Shown, state: str) -> None:
    """Nobody has looked at the code since: it may be fixed, and nobody would load it."""
    shown.states["autoreload"] = state
    if not state:
        del shown.states["autoreload"]
    assert shown.warnings() == []


@pytest.mark.parametrize(
    ("django", "worker", "text"),
    [
        ("RUNNING", "RUNNING", "Run with the code of before: django, worker. By themselves django and worker load it when it is fixed."),
        ("BACKOFF", "RUNNING", "Run with the code of before: worker. Do not run: django. By themselves worker and django load it when it is fixed."),
        ("FATAL", "STARTING", "Do not run: django, worker. By themselves django and worker load it when it is fixed."),
        ("RUNNING", "STOPPED", "Run with the code of before: django. By themselves django load it when it is fixed. Stopped: worker; `make up` starts what is stopped."),
        ("STOPPED", "STOPPED", "Stopped: django, worker; `make up` starts what is stopped."),
    ],
)  # fmt: skip
def test_the_warning_says_what_is_true_of_each_service(
    shown: Shown, django: str, worker: str, text: str
) -> None:
    """What does not run has no code of before, and the reloader leaves alone what is stopped."""
    shown.states |= {"django": django, "worker": worker}
    [warning] = shown.warnings()
    assert warning.splitlines()[1].strip() == text


@pytest.mark.parametrize(("fails_with", "restarts"), [("", 1), ("NameError: y", 0)])
def test_a_reloader_that_starts_again_tries_what_the_last_could_not_load(
    watched: Watched, fails_with: str, restarts: int
) -> None:
    """Services run on with the code of before while it is away, fixed or not."""
    watched.fails_with = fails_with
    reloader = Reloader([watched.folder], watched._trial, watched._restart, "NameError: x")
    assert reloader.problem == "NameError: x"
    assert reloader.look()
    assert (reloader.problem, watched.restarts) == (fails_with, restarts)
    assert not reloader.look()
    assert watched.trials == 1


def test_a_start_forgets_what_was_wrong_with_the_code(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Services that all start now have the code of now."""
    for module in (lifecycle.postgres, lifecycle.redis):
        monkeypatch.setattr(module, "prepare", lambda *_: None)
    monkeypatch.setattr(type(stack.ports), "require_free", lambda _: None)
    autoreload.record_path(stack.home).write_text('{"problem": "x"}')
    lifecycle._prepare(stack, Progress(io.StringIO()))
    assert autoreload.problem(stack.home) == ""
