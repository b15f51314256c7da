"""What a stranger types, and what then stands on the screen."""

from __future__ import annotations

import argparse
import datetime as dt
import io
import json
import subprocess
import sys

import pytest

from stack import demo, started_with, status
from stack.__main__ import main
from stack.demo import Demo
from stack.errors import StackError
from stack.progress import Progress
from stack.service_environments import Stack
from stack.settings import ROOT
from stack.supervisor import ProcessState, Supervisor


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in the repository."""
    # Inside `make test` a make tells where it enters and leaves.
    return subprocess.run(
        ["make", "--no-print-directory", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.usefixtures("services")
def test_make_alone_lists_every_target() -> None:
    """The list is made from the file itself, and nothing is left out."""
    listed = {line.split()[1] for line in make().stdout.splitlines()}
    targets = (ROOT / "Makefile").read_text().split(".PHONY: ")[1].splitlines()[0].split()
    assert listed == set(targets)


@pytest.mark.usefixtures("services")
def test_make_refuses_a_python_that_is_too_old(tmp_path: object) -> None:
    """Before anything is installed, with the versions that are fine and what to type."""
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    old = tmp_path / "python"
    code = "import sys; sys.version_info = (3, 9, 2); exec(sys.argv[1])"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$2"\n')
    old.chmod(0o755)
    done = make("venv", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    assert "Python 3.9 is too old or too new: 3.11 to 3.13 are supported" in done.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.usefixtures("services")
def test_deliver_without_a_day_says_what_is_missing() -> None:
    """`make deliver` alone is answered with an example."""
    assert "make deliver DAY=2013-11-02" in make("-n", "deliver").stderr


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["up"], "-m stack up"),
        (["up", "FORGET=1"], "-m stack up --forget"),
        (["restart"], "-m stack restart"),
        (["restart", "SERVICE=django worker"], "-m stack restart django worker"),
    ],
)
def test_make_hands_its_variables_on(words: list[str], command: str) -> None:
    """What the guide says to type is what the launcher gets."""
    assert make("-n", *words).stdout.splitlines()[-1].strip().endswith(command)


def test_help_tells_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m stack --help` is where a stranger begins."""
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for word in ("up", "down", "status", "logs", "deliver", "provision", "HOTCLUB_HOME", ".env.example"):
        assert word in text


def test_status_of_nothing_says_what_starts_it(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not running is an answer, and an exit code that scripts can tell from success."""
    monkeypatch.setenv("HOTCLUB_HOME", str(stack.home.root))
    assert main(["status"]) == 3
    assert "make up" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "manage check failed: exit code 1"), (-9, "manage check failed: ended by signal 9")],
)
def test_a_command_of_django_that_fails_says_so(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    """Also one that was killed and could say nothing itself; the exit code is one that a shell has."""
    monkeypatch.setenv("HOTCLUB_HOME", str(stack.home.root))
    done = subprocess.CompletedProcess([], code)
    monkeypatch.setattr("stack.__main__.subprocess.run", lambda *_, **__: done)
    assert main(["manage", "check"]) == (code if code > 0 else 137)
    assert words in capsys.readouterr().err
    done.returncode = 0
    assert main(["manage", "check"]) == 0
    assert capsys.readouterr().err == ""


def test_logs_of_nothing_says_what_starts_it(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty list of names would help nobody."""
    monkeypatch.setenv("HOTCLUB_HOME", str(stack.home.root))
    assert main(["logs"]) == 1
    assert "There is no log" in (said := capsys.readouterr().err)
    assert "`make up`" in said


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("STARTING", "Not everything runs: worker (STARTING). It is starting or stopping"),
        ("STOPPING", "Not everything runs: worker (STOPPING). It is starting or stopping"),
        ("STOPPED", "Not everything runs: worker (STOPPED). `make logs SERVICE=<name>`"),
        ("BACKOFF", "Not everything runs: worker (BACKOFF). `make logs SERVICE=<name>`"),
        ("RUNNING", ""),
    ],
)
def test_status_says_why_it_ends_with_an_error(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, state: str, words: str
) -> None:
    """The exit code 3 of a stack of which something does not run never stands alone."""
    monkeypatch.setenv("HOTCLUB_HOME", str(stack.home.root))
    started_with.write(stack.home, {})
    states = {
        "django": ProcessState("django", "RUNNING", 1, 1, ""), "worker": ProcessState("worker", state, 0, 0, "")
    }  # fmt: skip
    monkeypatch.setattr(Supervisor, "alive", lambda _: True)
    monkeypatch.setattr(Supervisor, "states", lambda _: states)
    monkeypatch.setattr(status, "view_warnings", lambda _: [])
    assert main(["status"]) == (3 if words else 0)
    said = capsys.readouterr().out
    assert words in said
    assert ("Not everything runs" in said) is bool(words)


def test_down_of_nothing_is_fine(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopping twice is no error."""
    monkeypatch.setenv("HOTCLUB_HOME", str(stack.home.root))
    assert main(["down"]) == 0
    assert "Nothing runs" in capsys.readouterr().out


def test_logs_of_an_unknown_service_names_those_there_are(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typing error is answered with the names."""
    monkeypatch.setenv("HOTCLUB_HOME", str(stack.home.root))
    (stack.home.logs / "django.log").touch()
    assert main(["logs", "djagno"]) == 1
    assert "There are: django" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["tomorrow", "2013-10-31", "2014-01-01", "2013-W44-5", "20131101"])
def test_a_day_without_files_is_refused(text: str) -> None:
    """The example has files for November and December 2013."""
    with pytest.raises(argparse.ArgumentTypeError, match="2013-1"):
        demo.day_with_files(text)


def test_a_day_with_files_is_taken() -> None:
    """The first and the last."""
    assert demo.day_with_files("2013-11-01") == dt.date(2013, 11, 1)
    assert demo.day_with_files("2013-12-31") == dt.date(2013, 12, 31)


def test_a_demo_that_was_interrupted_goes_on_where_it_was(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that failed is done again, one that was done is not."""
    ran: list[str] = []

    def fail(_: Demo) -> None:
        ran.append("second")
        raise StackError("killed", "again")

    def second(_: Demo) -> None:
        ran.append("second again")

    monkeypatch.setattr(demo, "STEPS", (("first", lambda _: ran.append("first")), ("second", fail)))
    out = io.StringIO()
    with pytest.raises(StackError):
        demo.run(stack, Progress(out))
    monkeypatch.setattr(demo, "STEPS", (("first", lambda _: ran.append("first")), ("second", second)))
    demo.run(stack, Progress(out))
    demo.run(stack, Progress(out))

    assert ran == ["first", "second", "second again"]
    assert json.loads((stack.home.run / "demo.json").read_text()) == ["first", "second"]
    assert "Passwords" in out.getvalue()


def test_progress_has_the_elapsed_time_on_every_step() -> None:
    """A log of a start shows where the time went, without a terminal's control characters."""
    now = iter([0.0, 1.5, 1.5, 4.0, 13.0, 13.0, 13.0])
    out = io.StringIO()
    progress = Progress(out, clock=lambda: next(now))
    progress.step("postgres", "healthy in 1.5 s")
    progress.waiting("mlflow")
    progress.waiting("mlflow")
    assert out.getvalue().splitlines()[0].split() == ["1.5", "s", "postgres", "healthy", "in", "1.5", "s"]
    assert "waiting for mlflow" in out.getvalue()
    assert "\x1b" not in out.getvalue()
