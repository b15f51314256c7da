"""What a stack was started with is remembered: later commands act on that stack, or refuse with both values."""

from __future__ import annotations

import stat
from typing import Any

import pytest

from stack import demo, lifecycle, preflight, service_definitions, started_with, status, supervisor
from stack.__main__ import main
from stack.errors import StackError
from stack.home import Home
from stack.service_environments import Stack
from stack.settings import Settings

SECRET_URL = "postgresql://root:hush@db.example:5433/postgres?sslmode=require"


class Launcher:
    """The launcher's commands on a home of its own; nothing is started, but everything before that happens."""

    def __init__(self, home: Home, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self.running = False
        self.env_file = home.root / "env"
        self.stacks: list[Stack] = []
        self._patch = patch
        self._capsys = capsys

    def __call__(self, *words: str, code: int = 0, **variables: str) -> str:
        """Run a command with HOTCLUB variables; return what it printed."""
        self._capsys.readouterr()
        with self._patch.context() as patch:
            patch.setenv("HOTCLUB_HOME", str(self.home.root))
            for name, value in variables.items():
                patch.setenv(f"HOTCLUB_{name}", value)
            assert main(list(words)) == code
        said = self._capsys.readouterr()
        return said.out + said.err

    @property
    def last(self) -> Stack:
        """The stack that the last command acted on."""
        return self.stacks[-1]


@pytest.fixture
def launcher(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Launcher:
    """A launcher whose supervisord runs or not, as a test says."""
    made = Launcher(home, monkeypatch, capsys)
    monkeypatch.setitem(Settings.model_config, "env_file", made.env_file)
    monkeypatch.setattr(lifecycle, "running_in", lambda home: made.running)
    monkeypatch.setattr(supervisor.Supervisor, "alive", lambda self: made.running)
    monkeypatch.setattr(lifecycle, "_prepare", lambda stack, progress: None)

    def launch(self: Any, env: dict[str, str]) -> None:
        made.running = True

    monkeypatch.setattr(supervisor.Supervisor, "launch", launch)
    monkeypatch.setattr(lifecycle.startup, "run", lambda *_: [])
    monkeypatch.setattr(demo, "run", lambda *_: None)
    opened = lifecycle.open_stack

    def open_stack(*arguments: Any) -> Stack:
        made.stacks.append(opened(*arguments))
        return made.stacks[-1]

    monkeypatch.setattr(lifecycle, "open_stack", open_stack)
    monkeypatch.setattr(status, "table", lambda stack: ("the table", True))
    monkeypatch.setattr(status, "view_warnings", lambda stack: [])

    def down(home: Home, password: str, progress: object) -> None:
        made.running = False

    monkeypatch.setattr(lifecycle, "down", down)
    return made


def test_what_is_not_set_is_taken_from_the_last_start(launcher: Launcher) -> None:
    """Running or not, no documented command acts on the example where the shop was started."""
    launcher("up", APPS="training, serving", DEMO="no", SERVING_THREADS="2", PORT_SHIFT="600")
    for words in (["status"], ["up", "--no-demo"]):
        launcher(*words)
        assert launcher.last.settings.apps == "training,serving"
        assert launcher.last.settings.demo is False
        assert launcher.last.ports.django == 8600
        assert launcher.last.serving()["HOTCLUB_SERVING_THREADS"] == "2"
    launcher("down")
    said = launcher("up")
    assert launcher.last.settings.apps == "training,serving"
    assert (
        "As at the last start: HOTCLUB_APPS=training,serving HOTCLUB_DEMO=0 HOTCLUB_PORT_SHIFT=600 "
        "HOTCLUB_SERVING_THREADS=2\n" in said
    )


def test_the_same_value_in_other_words_is_no_change(launcher: Launcher) -> None:
    """0, no and false are one answer; so are a default that is set and one that is not."""
    launcher("up", DEMO="0", APPS="training")
    launcher("status", DEMO="false", APPS=" training ,", PORT_SHIFT="0", WORKER_CONCURRENCY="2")


@pytest.mark.parametrize(
    ("name", "other", "said"),
    [
        ("APPS", "serving", "HOTCLUB_APPS is serving in the environment and training in the stack"),
        ("DEMO", "1", "HOTCLUB_DEMO is 1 in the environment and 0 in the stack"),
        ("PORT_SHIFT", "400", "HOTCLUB_PORT_SHIFT is 400 in the environment and 0 in the stack"),
        ("WORKER_CONCURRENCY", "3", "HOTCLUB_WORKER_CONCURRENCY is 3 in the environment and 2 in the stack"),
        ("CONTRACTS", "/c", "HOTCLUB_CONTRACTS is /c in the environment and not set in the stack"),
        (
            "DEMO_HISTORY_FROM",
            "2013-06-01",
            "HOTCLUB_DEMO_HISTORY_FROM is 2013-06-01 in the environment and 2013-01-01",
        ),
        (
            "REDIS_URL",
            "redis://r/1",
            "HOTCLUB_REDIS_URL is redis://r/1 in the environment and not set in the stack",
        ),
        ("SETTINGS", "staging", "HOTCLUB_SETTINGS is staging in the environment and not set in the stack"),
    ],
)
@pytest.mark.parametrize("words", [["status"], ["up"], ["down"], ["logs"], ["manage", "check"], ["deliver", "2013-11-02"]],
                         ids=lambda words: words[0])  # fmt: skip
def test_another_value_is_refused_by_every_command(
    launcher: Launcher, words: list[str], name: str, other: str, said: str
) -> None:
    """Both values, where the new one is from, and the commands that would take it."""
    launcher("up", APPS="training", DEMO="0")
    found = launcher(*words, code=1, **{name: other})
    assert f"runs with other values: {said}" in found
    assert "`make restart`" in found
    assert "`make down` and then `make up`" in found
    assert launcher.running, "nothing was stopped"


def test_on_a_stopped_stack_up_takes_new_values_and_the_others_refuse(launcher: Launcher) -> None:
    """It says what is new and what stays; from then on the new value counts."""
    launcher("up", APPS="training", DEMO="0")
    launcher("down")
    assert "was last started with other values: HOTCLUB_APPS is serving" in launcher(
        "status", code=1, APPS="serving"
    )
    said = launcher("up", APPS="serving", WORKER_CONCURRENCY="4")
    assert "New since the last start: HOTCLUB_APPS=serving (was: training)" in said
    assert "New since the last start: HOTCLUB_WORKER_CONCURRENCY=4 (was: 2)" in said
    assert "As at the last start: HOTCLUB_DEMO=0\n" in said
    launcher("status", APPS="serving")
    assert launcher.last.settings.worker_concurrency == 4


def test_forget_starts_with_what_is_set_now_alone(launcher: Launcher) -> None:
    """And says what is gone; a running stack refuses that too."""
    launcher("up", APPS="training", DEMO="0")
    assert "HOTCLUB_APPS is not set in its default and training in the stack" in launcher(
        "up", "--forget", code=1, DEMO="0"
    )
    launcher("down")
    said = launcher("up", "--forget", "--no-demo")
    assert "New since the last start: HOTCLUB_APPS=not set (was: training)" in said
    assert launcher.last.settings.demo is True
    assert started_with.read(launcher.home) == {}


def test_a_value_of_env_file_counts_as_set(launcher: Launcher) -> None:
    """Its source is named, and `make down`, which the message names, works all the same."""
    launcher("up", APPS="training")
    launcher.env_file.write_text("HOTCLUB_APPS=serving\n")
    assert "HOTCLUB_APPS is serving in .env and training in the stack" in launcher("status", code=1)
    launcher("status", APPS="training")
    launcher("down")
    assert not launcher.running
    launcher("up", "--no-demo")
    assert launcher.last.settings.apps == "serving"


def test_a_server_with_a_password_is_remembered_where_only_its_owner_reads(launcher: Launcher) -> None:
    """In no other file, and in nothing that is printed; another password is a difference too."""
    launcher("up", "--no-demo", POSTGRES_URL=SECRET_URL, MY_API_KEY="hush")
    said = launcher("status")
    secret = launcher.last.settings.postgres_url
    assert secret is not None
    assert secret.get_secret_value() == SECRET_URL
    holders = [
        path for path in launcher.home.root.rglob("*") if path.is_file() and b"hush" in path.read_bytes()
    ]
    assert holders == [launcher.home.secrets / "started_with.json"]
    assert stat.S_IMODE(holders[0].stat().st_mode) == 0o600
    said += launcher("status", code=1, POSTGRES_URL=SECRET_URL.replace("hush", "hush2"))
    assert (
        "postgresql://root:***@db.example:5433/postgres?sslmode=require in the stack (the passwords differ)"
        in said
    )
    launcher("down")
    said += launcher("up", "--no-demo", MY_API_KEY="hush3")
    assert "HOTCLUB_MY_API_KEY=*** (was: ***)" in said
    assert "hush" not in said


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (SECRET_URL, "postgresql://root:***@db.example:5433/postgres?sslmode=require"),
        ("postgresql://root:p@ss/w:rd@db/x", "postgresql://root:***@db/x"),
        ("redis://:hush@r:6379/0", "redis://:***@r:6379/0"),
        ("postgresql://db/x?user=root&password=hush", "postgresql://db/x?user=root&password=***"),
        ("host=db password=hush user=root", "host=db password=*** user=root"),
        ("postgresql://root@db/x", "postgresql://root@db/x"),
        ("shop", "shop"),
        ("", "not set"),
    ],
)
def test_a_value_is_shown_without_its_password(value: str, seen: str) -> None:
    """Whatever the form of the address."""
    assert started_with.shown("HOTCLUB_POSTGRES_URL", value) == seen


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name"),
        ("", "Expecting value"),
        ("[]", "its format is None, and this version reads 1"),
        ('{"format": 2, "variables": {}}', "its format is 2"),
        ('{"format": 1}', "its variables are no texts"),
        ('{"format": 1, "variables": {"HOTCLUB_APPS": 3}}', "its variables are no texts"),
    ],
)
def test_a_file_that_cannot_be_read_is_no_empty_one(launcher: Launcher, text: str, reason: str) -> None:
    """Nothing is guessed: only `down` works, and a start that says all anew."""
    launcher("up", APPS="training", DEMO="0")
    launcher.home.started_with.write_text(text)
    for words in (["status"], ["up"], ["manage", "check"], ["up", "--forget"]):
        said = launcher(*words, code=1)
        assert words[-1] == "--forget" or reason in said, words
    assert "Stopping all the same" in launcher("down")
    assert reason in launcher("up", code=1)
    assert "make up FORGET=1" in launcher("status", code=1)
    launcher("up", "--forget", DEMO="0", APPS="serving")
    assert started_with.read(launcher.home) == {"HOTCLUB_APPS": "serving", "HOTCLUB_DEMO": "0"}


def test_a_running_stack_without_the_file_is_not_guessed_at(launcher: Launcher) -> None:
    """Somebody removed it: `down` works, nothing else."""
    launcher("up", DEMO="0")
    launcher.home.started_with.unlink()
    for words in (["status"], ["up"], ["up", "--forget"], ["restart"]):
        assert "which says what it was started with, is missing" in launcher(*words, code=1), words
    launcher("down")


def test_a_remembered_value_that_is_refused_by_now_is_named_so(launcher: Launcher) -> None:
    """A file of before a stricter rule: the value is named, and a new one replaces it."""
    started_with.write(launcher.home, {"HOTCLUB_WORKER_CONCURRENCY": "0", "HOTCLUB_DEMO": "0"})
    assert "HOTCLUB_WORKER_CONCURRENCY (remembered from the last start): " in launcher("up", code=1)
    assert "Stopping all the same" in launcher("down")
    launcher("up", WORKER_CONCURRENCY="1")


def test_an_app_that_is_no_longer_installed(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start says that it is remembered; stopping works; another value replaces it."""
    started_with.write(launcher.home, {"HOTCLUB_APPS": "gone_shop", "HOTCLUB_DEMO": "0"})
    said = launcher("up", code=1)
    assert "As at the last start: HOTCLUB_APPS=gone_shop" in said
    assert "HOTCLUB_APPS names gone_shop, which is not a package of this environment" in said
    launcher("down")
    launcher("up", APPS="training")


def test_what_cannot_be_started_is_not_remembered(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not answer, a taken port: the last good start stays."""
    launcher("up", DEMO="0")
    launcher("down")

    def fail(*_: object) -> None:
        raise StackError("port taken", "free it")

    monkeypatch.setattr(lifecycle, "_prepare", fail)
    launcher("up", code=1, DEMO="0", WORKER_CONCURRENCY="7")
    assert started_with.read(launcher.home) == {"HOTCLUB_DEMO": "0"}


def test_a_start_that_was_killed_goes_on_with_its_values(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are written before the first service runs, so that no moment is without."""
    seen: list[object] = []
    monkeypatch.setattr(
        supervisor.Supervisor, "launch", lambda self, env: seen.append(started_with.read(launcher.home))
    )
    launcher("up", APPS="training", DEMO="0")
    assert seen == [{"HOTCLUB_APPS": "training", "HOTCLUB_DEMO": "0"}]


def test_a_process_of_the_stack_has_the_remembered_values(home: Home) -> None:
    """A job of `up` gets variables that the launcher made up, such as the folders of contracts: no change."""
    started_with.write(home, {"HOTCLUB_APPS": "training"})
    environ = {"HOTCLUB_STACK": home.id, "HOTCLUB_CONTRACTS": "/computed", "HOTCLUB_HOME": str(home.root)}
    assert started_with.resolve(home, environ).variables == {"HOTCLUB_APPS": "training"}
    elsewhere = started_with.resolve(home, {**environ, "HOTCLUB_STACK": "another"})
    assert [change.name for change in elsewhere.changes] == ["HOTCLUB_CONTRACTS"]


def test_deliver_lands_nothing_where_there_is_no_example(launcher: Launcher) -> None:
    """It has the example's files and no others; the message names the folder for one's own."""
    launcher("up", APPS="training", DEMO="0")
    said = launcher("deliver", "2013-11-02", code=1)
    assert "runs without the example (HOTCLUB_DEMO=0)" in said
    assert str(launcher.home.landing) in said


def test_a_command_does_not_run_ahead_of_the_first_start(launcher: Launcher) -> None:
    """`make manage` in the first second of `HOTCLUB_APPS=shop make up` would act on the example."""
    with preflight.only_launcher(launcher.home):
        assert "has just begun" in launcher("manage", "check", code=1)
        started_with.write(launcher.home, {"HOTCLUB_DEMO": "0"})
        launcher("status")
    assert launcher.last.settings.demo is False


def test_status_of_a_stopped_stack_says_what_it_would_start_with(stack: Stack) -> None:
    """So that nobody has to try."""
    shop = lifecycle.open_stack(stack.settings, {"HOTCLUB_APPS": "shop", "HOTCLUB_DEMO": "0"})
    assert status.table(shop)[0].startswith(
        "Not running. `make up` starts it with HOTCLUB_APPS=shop HOTCLUB_DEMO=0."
    )


def test_every_variable_of_the_launcher_is_remembered(home: Home) -> None:
    """A field that is added to the settings is compared too; the folder names the stack and is not in itself."""
    values = {
        "HOTCLUB_PORT_SHIFT": "200", "HOTCLUB_POSTGRES_URL": "postgresql://x/y", "HOTCLUB_REDIS_URL": "redis://x",
        "HOTCLUB_DEMO": "0", "HOTCLUB_DEMO_HISTORY_FROM": "2013-02-03", "HOTCLUB_WORKER_CONCURRENCY": "3",
        "HOTCLUB_APPS": "training", "HOTCLUB_CONTRACTS": "/c",
    }  # fmt: skip
    assert values.keys() == {f"HOTCLUB_{name.upper()}" for name in Settings.model_fields if name != "home"}
    started_with.write(home, started_with.resolve(home, values).variables)
    assert started_with.read(home) == values
    assert started_with.resolve(home, {}).settings == started_with.resolve(home, values).settings


def test_status_shows_what_the_stack_was_started_with(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without passwords, and also when an app is no longer installed."""
    monkeypatch.setattr(supervisor.Supervisor, "alive", lambda self: True)
    monkeypatch.setattr(supervisor.Supervisor, "states", lambda self: {})
    monkeypatch.setattr(status.leftovers, "find", lambda home: [])
    variables = {"HOTCLUB_APPS": "gone_shop", "HOTCLUB_REDIS_URL": "redis://:hush@r/0"}
    shown = lifecycle.open_stack(stack.settings.model_copy(update={"apps": "gone_shop"}), variables)
    text, _ = status.table(shown)
    assert text.splitlines()[0] == "Started with: HOTCLUB_APPS=gone_shop HOTCLUB_REDIS_URL=redis://:***@r/0"
    with pytest.raises(StackError):
        service_definitions.definitions(shown)
