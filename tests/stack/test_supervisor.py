"""supervisord with a tiny real service: started by health, restarted when it dies, stopped whole."""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from stack import leftovers, lifecycle, probes, startup
from stack.errors import StackError
from stack.progress import Progress
from stack.service_definitions import Job, Service
from stack.service_environments import Stack
from stack.supervisor import Supervisor, configuration_path, configure

pytestmark = pytest.mark.usefixtures("services")

#: Its first process does nothing but start a second one, in whose hands the port is: as MLflow does.
TWO_PROCESSES = """
import subprocess, sys
server = "from http.server import *; HTTPServer(('127.0.0.1', int(__import__('sys').argv[1])), SimpleHTTPRequestHandler).serve_forever()"
subprocess.run([sys.executable, "-c", server, sys.argv[1]])
"""


def web(port: int, **options: object) -> Service:
    """Return a service of two processes that listens on ``port``."""
    values: dict[str, object] = {
        "name": "web",
        "command": (sys.executable, "-c", TWO_PROCESSES, str(port)),
        "probe": probes.http(f"http://127.0.0.1:{port}/"),
        "env": {"GREETING": 'it\'s 100% "quoted"; # and more', "PATH": os.environ["PATH"]},
        "deadline_seconds": 30,
        **options,
    }
    return Service(**values)  # type: ignore[arg-type]


def launched(stack: Stack, *services: Service) -> Supervisor:
    """Return a supervisord that knows ``services`` and runs none of them yet."""
    configure(stack.home, services, stack.secrets.supervisor_password)
    supervisor = Supervisor(stack.home, stack.secrets.supervisor_password)
    supervisor.launch(stack.common())
    return supervisor


def quiet() -> Progress:
    """Return a progress that nobody sees."""
    return Progress(io.StringIO())


def until(condition: Callable[[], bool], seconds: float = 40) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_service_is_started_restarted_with_its_orphans_ended_and_stopped_whole(
    stack: Stack, free_port: int
) -> None:
    """`kill -9` of the first process leaves one that holds the port; it comes back all the same."""
    service = web(free_port)
    supervisor = launched(stack, service)
    startup.run(stack.home, [service], supervisor, quiet())
    first = supervisor.states()["web"].pid
    (orphan,) = psutil.Process(first).children()

    os.kill(first, signal.SIGKILL)
    until(lambda: supervisor.states()["web"].pid not in {0, first} and service.probe())
    until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)
    until(service.probe)

    lifecycle.down(stack.home, stack.secrets.supervisor_password, quiet())
    assert not service.probe()
    assert leftovers.find(stack.home) == []
    assert not list(stack.home.sockets.glob("*")) if stack.home.sockets.exists() else True


def test_what_a_killed_supervisord_leaves_is_ended_before_the_next_start(
    stack: Stack, free_port: int
) -> None:
    """After `kill -9` of supervisord the port is free again, and a new one can be launched."""
    service = web(free_port)
    supervisor = launched(stack, service)
    startup.run(stack.home, [service], supervisor, quiet())
    os.kill(int((stack.home.run / "supervisord.pid").read_text()), signal.SIGKILL)
    until(lambda: not supervisor.alive())
    socket.create_connection(("127.0.0.1", free_port), 5).close()

    assert leftovers.end(stack.home) >= 2

    assert not service.probe()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", free_port))
    assert launched(stack, service).alive()


def test_the_environment_reaches_the_service_as_it_is_and_stays_private(stack: Stack) -> None:
    """Quotes, percent signs and semicolons arrive; the file that holds them is its owner's."""
    told = stack.home.root / "told"
    service = web(
        0,
        command=("/bin/sh", "-c", f'printf %s "$GREETING" > {told}; exec sleep 60'),
        probe=told.exists,
    )
    startup.run(stack.home, [service], launched(stack, service), quiet())

    until(lambda: told.read_text() != "")
    assert told.read_text() == service.env["GREETING"]
    script = stack.home.run / "services" / "web.sh"
    assert script.stat().st_mode & 0o077 == 0
    assert configuration_path(stack.home).stat().st_mode & 0o077 == 0
    assert service.env["GREETING"] not in configuration_path(stack.home).read_text()


def test_supervisord_answers_nobody_without_the_password(stack: Stack, free_port: int) -> None:
    """The socket is private, and it asks for the password too."""
    launched(stack, web(free_port))
    assert not Supervisor(stack.home, "wrong").alive()


def test_a_service_that_keeps_ending_fails_with_the_end_of_its_log(stack: Stack) -> None:
    """The person sees why, and where to read on."""
    service = web(0, command=("/bin/sh", "-c", "echo no such table; exit 3"))
    supervisor = launched(stack, service)
    with pytest.raises(StackError) as caught:
        startup.run(stack.home, [service], supervisor, quiet())
    assert "no such table" in caught.value.problem
    assert str(stack.home.logs / "web.log") in caught.value.problem
    assert "web keeps ending (exit status 3). " in caught.value.problem


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("kill -9 $$", "terminated by SIGKILL"),
        ("exit 0", "exit status 0"),
        ("exec /no/such/program", "exit status"),
    ],
)
def test_why_a_service_keeps_ending_is_never_empty(stack: Stack, command: str, why: str) -> None:
    """However it ends; a log that it did not write is called empty."""
    service = web(0, command=("/bin/sh", "-c", command))
    with pytest.raises(StackError, match=rf"web keeps ending \({why}") as caught:
        startup.run(stack.home, [service], launched(stack, service), quiet())
    assert ("(the log is empty)" in caught.value.problem) is ("exec" not in command)


def test_a_service_that_cannot_be_started_says_so(stack: Stack) -> None:
    """It has no process that could have ended: supervisord's words are given."""
    service = web(0, env={}, command=("/no/such/program",), deadline_seconds=3)
    with pytest.raises(StackError, match=r"web (keeps ending|was not healthy after 3 s) \(.*\w"):
        startup.run(stack.home, [service], launched(stack, service), quiet())


def test_a_supervisord_that_ends_is_said_in_words(stack: Stack) -> None:
    """A command that was asking it ends with a line of why, and no traceback."""
    with pytest.raises(StackError, match="supervisord does not answer any more"):
        Supervisor(stack.home, "any").states()


def test_a_service_that_is_never_healthy_fails_at_its_deadline(stack: Stack) -> None:
    """Running is not healthy."""
    service = web(0, command=("sleep", "60"), deadline_seconds=1)
    with pytest.raises(StackError, match="web was not healthy after 1 s"):
        startup.run(stack.home, [service], launched(stack, service), quiet())


def test_a_failed_job_stops_the_start_with_the_end_of_its_log(stack: Stack, free_port: int) -> None:
    """What needs the job is not started."""
    job = Job("migrate", ("/bin/sh", "-c", "echo relation is missing; exit 1"), {})
    service = web(free_port, after=("migrate",))
    supervisor = launched(stack, service)
    with pytest.raises(StackError, match="relation is missing"):
        startup.run(stack.home, [job, service], supervisor, quiet())
    assert supervisor.states()["web"].pid == 0


def test_a_job_that_warns_is_done_and_its_warnings_come_back(stack: Stack) -> None:
    """What it warned of, with the lines that explain it, and nothing else of its log."""
    script = "echo begin; echo 'WARNING: late version 1'; echo '  fix it'; echo '  or not'; echo; echo '  no part'; echo 'WARNING: b'"
    seen = io.StringIO()
    found = startup.run(
        stack.home, [Job("migrate", ("/bin/sh", "-c", script), {})], launched(stack), Progress(seen)
    )
    assert found == ["WARNING: late version 1\n  fix it\n  or not", "WARNING: b"]
    assert "with a warning" in seen.getvalue()
    assert startup.run(stack.home, [Job("silent", ("/bin/true",), {})], launched(stack), quiet()) == []


def test_order_follows_needs(stack: Stack, tmp_path: Path) -> None:
    """A job runs after what it needs, and independent ones side by side."""
    trace = tmp_path / "trace"
    env = {"PATH": os.environ["PATH"]}

    def job(name: str, *after: str) -> Job:
        # "left" waits for "right" to have begun: one after the other would never end.
        wait = f"while ! grep -q right {trace}; do sleep 0.1; done;" if name == "left" else ""
        return Job(name, ("/bin/sh", "-c", f"{wait} echo {name} >> {trace}"), env, after, 20)

    supervisor = launched(stack, web(0))
    jobs = [job("last", "left", "right"), job("left", "first"), job("right", "first"), job("first")]
    startup.run(stack.home, jobs, supervisor, quiet())

    assert trace.read_text().split() == ["first", "right", "left", "last"]


def test_what_a_job_warns_of_is_returned(stack: Stack) -> None:
    """A job that ended well has its warnings repeated by the launcher, where a person looks."""
    code = "print('all is well'); print('WARNING: the token had been changed')"
    job = Job("accounts", (sys.executable, "-c", code), {**stack.common()})
    warned = startup.run(stack.home, [job], launched(stack, web(0)), quiet())
    assert warned == ["WARNING: the token had been changed"]
