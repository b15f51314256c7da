"""`make restart` with a real supervisord and tiny services: what is restarted, in which order, and with what."""

from __future__ import annotations

import dataclasses
import io
import os
import sys
from pathlib import Path

import pytest

from stack import autoreload, lifecycle, restart, service_definitions, started_with, startup
from stack.errors import StackError
from stack.progress import Progress
from stack.service_definitions import Job, Node, Service
from stack.service_environments import Stack
from stack.settings import ROOT
from stack.started_with import Change
from stack.supervisor import ProcessState, Supervisor

pytestmark = pytest.mark.usefixtures("services")

#: It writes when it starts and when it stops, and answers no signal but TERM.
SERVICE = """
import os, signal, sys, time
def write(word):
    with open(sys.argv[1], "a") as file: file.write(f"{word} {sys.argv[2]} {os.environ['VALUE']}\\n")
def stop(*_): os.unlink(f"{sys.argv[1]}.{sys.argv[2]}"); write("stopped"); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
write("started")
open(f"{sys.argv[1]}.{sys.argv[2]}", "w").close()
while True: time.sleep(0.05)
"""


class Tiny:
    """A stack of tiny services in the shape of ours: data services below, a migration, two services above."""

    def __init__(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stack = stack
        self.value = "first"
        self.broken = False
        self.extra = False
        self.failing_migration = False
        self.problem = ""
        self.out = io.StringIO()
        self._trace = stack.home.root / "trace"
        monkeypatch.setattr(service_definitions, "definitions", lambda _: self.nodes())
        # These services have no code of ours.
        monkeypatch.setattr(autoreload, "import_problem", lambda _: self.problem)
        self.supervisor = Supervisor(stack.home, stack.secrets.supervisor_password)

    def nodes(self) -> list[Node]:
        env = {"PATH": os.environ["PATH"], "VALUE": self.value}
        migrate = f"echo migrated x {self.value} >> {self._trace}"
        if self.failing_migration:
            migrate = "echo no such table; exit 1"
        nodes: list[Node] = [
            self._service("postgres"),
            self._service("redis"),
            Job("migrate", ("/bin/sh", "-c", migrate), env, ("postgres",)),
            self._service("django", "migrate", "redis"),
            self._service("worker", "migrate", "redis"),
            self._service("other"),
            self._service("serving", "migrate"),
        ]
        return [*nodes, self._service("new", "migrate")] if self.extra else nodes

    def _service(self, name: str, *after: str) -> Service:
        # In the environment, and so in its script, whose path is all that supervisord knows of it.
        env = {"PATH": os.environ["PATH"], "VALUE": self.value}
        command = (sys.executable, "-c", SERVICE, str(self._trace), name)
        if self.broken and name == "django":
            command = ("/bin/sh", "-c", "echo SyntaxError in ml.py; exit 1")
        mark = Path(f"{self._trace}.{name}")
        return Service(name, command, mark.exists, env, after, deadline_seconds=30)

    def start(self, *only: str) -> None:
        lifecycle.write_configuration(self.stack)
        started_with.write(self.stack.home, self.stack.variables)
        self.supervisor.launch(self.stack.common())
        startup.run(
            self.stack.home,
            service_definitions.select(self.nodes(), only),
            self.supervisor,
            Progress(self.out),
        )

    def up(self) -> None:
        lifecycle.up(self.stack, [], Progress(self.out))

    def restart(self, *names: str, changes: tuple[Change, ...] = ()) -> list[str]:
        """Restart, and return what happened since the call, in order."""
        before = len(self.trace())
        self.back, _ = restart.run(self.stack, names, changes, Progress(self.out))
        return self.trace()[before:]

    def trace(self) -> list[str]:
        return self._trace.read_text().splitlines()

    def pids(self) -> dict[str, int]:
        return {name: state.pid for name, state in self.states().items() if state.pid}

    def states(self) -> dict[str, ProcessState]:
        return self.supervisor.states()


@pytest.fixture
def tiny(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """Nothing of it runs yet; what runs at the end is ended by the fixture `home`."""
    return Tiny(stack, monkeypatch)


def test_restart_keeps_data_services_and_runs_migrations_before_services(tiny: Tiny) -> None:
    """Whoever writes stops, waiting migrations run, and services come back with the new values, in turns.

    The inference service is away for its own start only, and nobody starts beside it.
    """
    tiny.start()
    before = tiny.pids()
    tiny.value = "second"
    happened = tiny.restart()
    after = tiny.pids()

    assert tiny.back == ["django", "worker", "other", "serving"]
    assert {name for name in before if before[name] == after[name]} == {"postgres", "redis"}
    assert set(happened[:3]) == {f"stopped {name} first" for name in ("django", "worker", "other")}
    assert happened[3:7] == [
        "migrated x second", "started django second", "stopped serving first", "started serving second"
    ]  # fmt: skip
    assert set(happened[7:]) == {"started worker second", "started other second"}
    assert not [line for line in happened if "postgres" in line or "redis" in line]


def test_restart_of_one_service_leaves_the_others(tiny: Tiny) -> None:
    """No job either: `make restart SERVICE=django` is quick."""
    tiny.start()
    before = tiny.pids()
    tiny.value = "second"
    assert tiny.restart("django") == ["stopped django first", "started django second"]
    after = tiny.pids()
    assert {name for name in before if before[name] != after[name]} == {"django"}


def test_restart_of_a_data_service_stops_what_uses_it_first(tiny: Tiny) -> None:
    """And starts it again before them; what does not use it runs on."""
    tiny.start()
    happened = tiny.restart("postgres")
    users = ("django", "worker", "serving")
    assert set(happened[:3]) == {f"stopped {name} first" for name in users}
    assert happened[3:5] == ["stopped postgres first", "started postgres first"]
    assert set(happened[5:]) == {f"started {name} first" for name in users}
    assert tiny.back == ["postgres", "django", "worker", "serving"]


def test_restart_starts_what_is_new_and_leaves_what_only_left_out(tiny: Tiny) -> None:
    """An app that was added brings a service; one that `--only` left out stays out; one that is gone ends."""
    tiny.start("django")
    tiny.extra = True
    tiny.restart()
    assert set(tiny.back) == {"django", "new"}
    assert tiny.pids().keys() == {"postgres", "redis", "django", "new"}
    tiny.extra = False
    tiny.restart()
    assert tiny.states().keys() == {"postgres", "redis", "django", "worker", "other", "serving"}


def test_named_services_are_away_one_after_the_other(tiny: Tiny) -> None:
    """No job runs, so nobody waits for another; those that nobody asks come last."""
    tiny.start()
    assert tiny.restart("worker", "serving", "django") == [
        f"{word} {name} first" for name in ("django", "serving", "worker") for word in ("stopped", "started")
    ]


def test_a_migration_that_fails_leaves_the_inference_service(tiny: Tiny) -> None:
    """The message says which service still has what, and its two commands bring all to the same."""
    tiny.start()
    before = tiny.pids()
    tiny.value = "second"
    tiny.failing_migration = True
    with pytest.raises(StackError, match="no such table") as caught:
        tiny.restart()
    assert "`make up` starts what is stopped" in caught.value.fix
    assert 'before are still in serving: then `make restart SERVICE="serving"`' in caught.value.fix
    assert tiny.pids() == {name: before[name] for name in ("postgres", "redis", "serving")}
    tiny.failing_migration = False
    tiny.up()
    tiny.restart("serving")
    started = {f"started {name} second" for name in ("django", "worker", "other", "serving")}
    assert started <= set(tiny.trace())
    assert tiny.pids().keys() == before.keys()


def test_a_restart_forgets_what_was_wrong_with_the_code(tiny: Tiny) -> None:
    """The code was tried, and both services have it; one of the two is not enough."""
    tiny.start()
    record = autoreload.record_path(tiny.stack.home)
    record.write_text('{"problem": "x"}')
    tiny.restart("django")
    assert record.exists()
    tiny.restart("django", "worker")
    assert not record.exists()


def test_a_service_that_does_not_come_back_fails_the_restart(tiny: Tiny) -> None:
    """With the end of its log; once its code is right, the next restart brings it back."""
    tiny.start()
    tiny.broken = True
    with pytest.raises(StackError, match=r"SyntaxError in ml\.py") as caught:
        tiny.restart("django")
    assert "still in" not in caught.value.fix
    assert caught.value.problem.startswith("django keeps ending (exit status 1). The end of ")
    assert tiny.states()["django"].state in {"STARTING", "BACKOFF"}
    tiny.broken = False
    assert "started django first" in tiny.restart("django")


@pytest.mark.parametrize("names", [(), ("django",), ("worker",), ("postgres",)])
def test_code_that_cannot_be_loaded_stops_nothing(tiny: Tiny, names: tuple[str, ...]) -> None:
    """Services keep the code that they have, and the stack remembers what it runs with."""
    tiny.start()
    before = tiny.pids()
    tiny.problem = "NameError: name 'Oder' is not defined"
    tiny.stack = dataclasses.replace(tiny.stack, variables={"HOTCLUB_APPS": "broken"})
    with pytest.raises(StackError, match="cannot be loaded: NameError: name 'Oder'") as caught:
        tiny.restart(*names)
    assert "Nothing was stopped" in caught.value.fix
    assert tiny.pids() == before
    assert started_with.read(tiny.stack.home) == {}
    assert tiny.restart("other") == ["stopped other first", "started other first"]
    tiny.problem = ""
    assert [line for line in tiny.restart(*names) if line.startswith("started ")]


def test_the_code_that_is_tried_is_that_of_the_apps(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the stack's own settings and no login: a wrong line is named with its file, a wrong import as Python says it."""
    app = tmp_path / "ourshop"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "ml.py").write_text("x = (\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = stack.settings.model_copy(update={"apps": "ourshop", "demo": False})
    own = dataclasses.replace(stack, settings=settings)
    django = next(node for node in service_definitions.definitions(own) if node.name == "django")
    with pytest.raises(StackError, match=rf"{app / 'ml.py'}, line 1"):
        restart._require_loadable(own, [django])
    (app / "ml.py").write_text("x = 1\n")
    environment = {**own.django_bare(), "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    monkeypatch.setattr(type(own), "django_bare", lambda _: environment)
    restart._require_loadable(own, [django])
    (app / "models.py").write_text("import ourshop.missing\n")
    with pytest.raises(StackError, match=r"No module named 'ourshop\.missing'"):
        restart._require_loadable(own, [django])
    other = [node for node in service_definitions.definitions(own) if node.name in ("mlflow", "serving")]
    restart._require_loadable(own, other)


def test_turns_of_our_own_services(stack: Stack) -> None:
    """Predictions are away for one start; what Django and they need is back before them, and Airflow is last."""
    nodes = service_definitions.definitions(stack)
    running = {node.name for node in nodes if isinstance(node, Service)}
    chosen = restart._chosen(nodes, [], running)
    first, django, serving, last = restart._turns(chosen, {"gone"})
    assert first.stop == (running - {"postgres", "redis", "serving"}) | {"gone"}
    services = [{n.name for n in turn.start if isinstance(n, Service)} for turn in (first, django, serving)]
    assert services == [{"mlflow"}, {"django"}, {"serving"}]
    assert serving.stop == {"serving"}
    assert {"airflow-api", "airflow-scheduler", "worker", "beat", "checks"} <= {n.name for n in last.start}
    started = [node.name for turn in (first, django, serving, last) for node in turn.start]
    assert sorted(started) == sorted(node.name for node in chosen)
    # A data service takes its users with it: nothing may run on in turns.
    assert len(restart._turns(restart._chosen(nodes, ["postgres"], running))) == 1


def test_restart_takes_new_values_and_remembers_them(tiny: Tiny) -> None:
    """Both values are shown; later commands compare with the new ones."""
    tiny.start("other")
    tiny.stack = dataclasses.replace(tiny.stack, variables={"HOTCLUB_WORKER_CONCURRENCY": "4"})
    tiny.restart(changes=(Change("HOTCLUB_WORKER_CONCURRENCY", "4", "2", "the environment"),))
    assert "New: HOTCLUB_WORKER_CONCURRENCY=4 (was: 2)" in tiny.out.getvalue()
    assert started_with.read(tiny.stack.home) == {"HOTCLUB_WORKER_CONCURRENCY": "4"}


@pytest.mark.parametrize("name", ["HOTCLUB_PORT_SHIFT", "HOTCLUB_POSTGRES_URL", "HOTCLUB_REDIS_URL"])
def test_restart_refuses_other_ports_and_servers(tiny: Tiny, name: str) -> None:
    """Data services and addresses change with a whole new start only; nothing is stopped."""
    tiny.start("other")
    before = tiny.pids()
    with pytest.raises(StackError, match=f"{name} is new in the environment") as caught:
        tiny.restart(changes=(Change(name, "new", "old", "the environment"),))
    assert "`make down`, and then `make up`" in caught.value.fix
    assert tiny.pids() == before


def test_restart_of_one_service_refuses_new_values(tiny: Tiny) -> None:
    """The other services would keep the old ones."""
    tiny.start("other")
    with pytest.raises(StackError, match=r"HOTCLUB_APPS is b in \.env and a in the stack") as caught:
        tiny.restart("other", changes=(Change("HOTCLUB_APPS", "b", "a", ".env"),))
    assert "`make restart` without SERVICE" in caught.value.fix


def test_restart_refuses_a_name_that_is_none_and_a_stack_that_is_down(tiny: Tiny) -> None:
    """Names are listed; a job is none."""
    with pytest.raises(StackError, match="Nothing runs"):
        restart.run(tiny.stack, [], (), Progress(tiny.out))
    tiny.start("other")
    for name in ("djagno", "migrate"):
        with pytest.raises(StackError, match=f"No such service: {name}") as caught:
            tiny.restart(name)
        assert "django" in caught.value.fix


def test_order_of_our_own_services_at_a_restart(stack: Stack) -> None:
    """Every need of ours that is restarted too comes first, through jobs that are not run."""
    nodes = service_definitions.definitions(stack)
    running = {node.name for node in nodes if isinstance(node, Service)}
    chosen = {node.name: node for node in restart._chosen(nodes, ["postgres"], running)}
    assert chosen.keys() == running - {"redis", "checks"}
    assert "postgres" in chosen["django"].after
    assert "mlflow" in chosen["serving"].after
    assert not [node for node in chosen.values() if not set(node.after) <= chosen.keys()]
