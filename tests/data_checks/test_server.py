"""Commands in a fork of a process that stays up: as if they ran by themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data_checks import server

ROOT = Path(__file__).parents[2]
#: A server whose commands say what they see, and do what they are told.
SERVER = """
import os, sys, time
from pathlib import Path
from data_checks import server

def main(arguments):
    word = arguments[0]
    if word == "see":
        print(os.environ.get("SEEN"), os.getcwd(), arguments[1:], os.environ.get("OF_THE_SERVER"))
        print("on stderr", file=sys.stderr)
        return 0
    if word == "exit":
        return int(arguments[1])
    if word == "raise":
        raise RuntimeError("broken")
    if word == "leave":
        sys.exit(2)
    if word == "crash":
        os.kill(os.getpid(), 9)
    if word == "sleep":
        Path(arguments[1]).write_text(str(os.getpid()))
        time.sleep(60)

server.serve(Path(sys.argv[1]), main)
"""
CALL = """
import sys
from pathlib import Path
from data_checks import server
code = server.call(Path(sys.argv[1]), sys.argv[2:])
sys.exit(99 if code is None else code)
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def socket_path(services: None) -> Iterator[Path]:
    """A running server."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checks.sock"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OF_THE_SERVER": "its own"}
        started = subprocess.Popen([sys.executable, "-c", SERVER, str(path)], env=environment)
        try:
            _wait(path.exists)
            yield path
        finally:
            started.terminate()
            assert started.wait(30) == 0


@pytest.fixture
def run(socket_path: Path, tmp_path: Path) -> Run:
    """Call a command as a task would."""

    def call(*words: str, path: Path = socket_path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", CALL, str(path), *words],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SEEN": "yes"},
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return call


def test_a_command_sees_its_callers_world(run: Run, tmp_path: Path) -> None:
    """Environment, folder, arguments, output: nothing of the server's own."""
    done = run("see", "--a", "ü b")
    assert (done.returncode, done.stderr) == (0, "on stderr\n")
    assert done.stdout == f"yes {tmp_path} ['--a', 'ü b'] None\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("exit", "0"), 0, ""),
        (("exit", "3"), 3, ""),
        (("leave",), 2, ""),
        (("raise",), 1, "RuntimeError: broken"),
        (("crash",), 1, "ended without a result"),
    ],
)
def test_exit_codes_are_the_commands(run: Run, words: tuple[str, ...], code: int, said: str) -> None:
    """Also of one that raises, leaves early or is killed; the server goes on."""
    for _ in range(2):
        done = run(*words)
        assert (done.returncode, said in done.stderr) == (code, True)
    assert run("exit", "0").returncode == 0


def test_a_command_ends_with_its_caller(socket_path: Path, tmp_path: Path) -> None:
    """A task that is killed leaves nothing behind."""
    told = tmp_path / "pid"
    caller = subprocess.Popen(
        [sys.executable, "-c", CALL, str(socket_path), "sleep", str(told)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    _wait(lambda: told.exists() and bool(told.read_text()))
    pid = int(told.read_text())
    assert _lives(pid)
    caller.send_signal(signal.SIGKILL)
    caller.wait(30)
    _wait(lambda: not _lives(pid))


def test_nobody_listens(run: Run, tmp_path: Path) -> None:
    """The caller runs the command itself: no file, a file of a dead server, no socket at all."""
    assert run("exit", "0", path=tmp_path / "none.sock").returncode == 99
    (tmp_path / "file.sock").write_text("")
    assert run("exit", "0", path=tmp_path / "file.sock").returncode == 99


def test_only_its_user_may_call(socket_path: Path) -> None:
    """The socket is open to nobody else, and a call that is no call harms nothing."""
    assert socket_path.stat().st_mode & 0o777 == 0o600
    import socket

    for nonsense in (b"", b"\xff\xff\xff\xff", b"\0\0\0\x02{}"):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(socket_path))
            stranger.sendall(nonsense)
    with tempfile.TemporaryDirectory() as folder:
        assert server.call(Path(folder) / "x.sock", ["exit"]) is None
