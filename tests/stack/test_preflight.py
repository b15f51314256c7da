"""What stops the launcher before anything starts, and what it then says."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stack import lifecycle, preflight, settings
from stack.errors import StackError
from stack.home import Home
from stack.ports import EXAMPLE_SHIFT, Ports, shift_problem
from stack.settings import ROOT


@pytest.mark.usefixtures("services")
def test_a_taken_port_is_named_with_its_holder_and_the_variable(free_port: int) -> None:
    """The message has the port, who holds it, and what shifts all of ours."""
    ports = Ports(django=free_port, serving=1, airflow=1, mlflow=1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        with pytest.raises(StackError) as caught:
            ports.require_free()
    assert f"{free_port} (django)" in caught.value.problem
    assert "by process" in caught.value.problem
    assert "HOTCLUB_PORT_SHIFT" in caught.value.fix


def test_the_shift_moves_every_port() -> None:
    """No port stays where the other stack has it."""
    first, second = Ports.shifted(0).named(), Ports.shifted(EXAMPLE_SHIFT).named()
    assert {name: port + EXAMPLE_SHIFT for name, port in first.items()} == second
    assert Ports.shifted(5).url("mlflow") == "http://127.0.0.1:5005"


def test_a_shift_that_brings_two_stacks_together_is_refused() -> None:
    """Found by looking at every pair of ports of two stacks, for every shift there is."""
    unshifted = set(Ports.shifted(0).named().values())
    for shift in range(1, 5000):
        meet = unshifted & set(Ports.shifted(shift).named().values())
        problem = shift_problem(shift)
        assert not meet or (problem is not None and str(meet.pop()) in problem), shift
    assert shift_problem(100) == "django would have port 8100, which is serving's in a stack without a shift"
    assert {s for s in range(4000) if "without a shift" in str(shift_problem(s))} == {
        20,
        80,
        100,
        3000,
        3080,
        3100,
    }


def test_a_shift_to_a_port_that_browsers_block_is_refused() -> None:
    """Chromium and Firefox answer ERR_UNSAFE_PORT for 6000: MLflow's pages could not be opened."""
    assert shift_problem(1000) == "mlflow would have port 6000, on which browsers open no page"


def test_the_documented_shift_works_for_several_stacks() -> None:
    """Its first multiples keep apart, so that one rule is enough: one more for each stack."""
    stacks = [set(Ports.shifted(n * EXAMPLE_SHIFT).named().values()) for n in range(5)]
    assert len(set.union(*stacks)) == sum(map(len, stacks))
    assert [shift_problem(n * EXAMPLE_SHIFT) for n in range(5)] == [None] * 5


def test_the_pages_name_the_documented_shift_and_no_other() -> None:
    """Whoever copies a line gets a stack that starts."""
    pages = [ROOT / "README.md", ROOT / ".env.example", *(ROOT / "docs").rglob("*.md")]
    found = [m for page in pages for m in re.findall(r"HOTCLUB_PORT_SHIFT=(\d+)", page.read_text())]
    assert set(found) <= {"0", str(EXAMPLE_SHIFT)}
    assert str(EXAMPLE_SHIFT) in found


@pytest.mark.parametrize("shift", ["100", "80", "20", "3000", "3080", "3100", "1000"])
def test_a_shift_that_does_not_fit_is_refused_with_one_that_does(shift: str) -> None:
    """As the user wrote it, and what to write instead."""
    with pytest.raises(StackError, match=rf"HOTCLUB_PORT_SHIFT: {shift} does not fit") as caught:
        settings.load({"HOTCLUB_PORT_SHIFT": shift})
    suggested = re.search(r"(\d+) does$", caught.value.problem)
    assert suggested is not None
    assert shift_problem(int(suggested[1])) is None


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_an_unsupported_python_is_refused(version: tuple[int, int]) -> None:
    """Too old and too new alike; the message says which are fine."""
    with pytest.raises(StackError, match=rf"Python 3.{version[1]} is not supported: 3.11 to 3.13 are"):
        preflight.check_python(version)


def test_this_python_is_fine() -> None:
    """The tests run on a Python that the launcher accepts."""
    preflight.check_python()


def test_a_full_disk_is_refused_with_the_numbers(tmp_path: Path) -> None:
    """What is free, what is needed, and the variable that moves the data."""
    with pytest.raises(StackError, match="GiB free; 1048576 GiB are needed") as caught:
        preflight.check_disk(tmp_path, 1024**5)
    assert "HOTCLUB_HOME" in caught.value.fix
    preflight.check_disk(tmp_path, 1)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file stands where the folder should be: root could write anywhere else."""
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match="cannot be written") as caught:
        Home(tmp_path / "file" / "var").make()
    assert "HOTCLUB_HOME" in caught.value.fix


@pytest.mark.usefixtures("services")
def test_a_second_launcher_is_refused_and_the_lock_dies_with_its_holder(home: Home) -> None:
    """The message names the first launcher's process; when that is killed, the lock is free."""
    code = (
        "import sys, pathlib, time\n"
        "from stack import preflight, home\n"
        "with preflight.only_launcher(home.Home(pathlib.Path(sys.argv[1]))):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(home.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(StackError, match=rf"process {first.pid}"), preflight.only_launcher(home):
            pass
        first.kill()
    with preflight.only_launcher(home):
        pass


def _refused(variable: str, value: str, words: str) -> None:
    with pytest.raises(StackError, match=words) as caught:
        lifecycle._require_reachable(settings.Settings(**{variable: value}))
    assert f"HOTCLUB_{variable.upper()}" in caught.value.problem
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("postgres_url", "nonsense:hush", "no address of a PostgreSQL"),
        ("postgres_url", "mysql://u:hush@x", "no address of a PostgreSQL"),
        ("postgres_url", "postgresql://u:hush%zz@127.0.0.1:1/x", "no address of a PostgreSQL"),
        ("redis_url", "nonsense", "no address of a Redis"),
        ("redis_url", "amqp://u:hush@x", "no address of a Redis"),
        ("redis_url", "redis://:hush@127.0.0.1:notaport/0", "no address of a Redis"),
        ("redis_url", "redis://:hush@[::1/0", "no address of a Redis"),
    ],
)
def test_an_address_of_no_server_is_refused(variable: str, value: str, words: str) -> None:
    """Before anything starts, with the variable, and without the password."""
    _refused(variable, value, words)


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("postgres_url", "postgresql://u:hush@127.0.0.1:1/x", "refuses the login"),
        ("redis_url", "redis://:hush@127.0.0.1:1/0", "does not answer"),
    ],
)
def test_a_server_that_does_not_answer_is_named(variable: str, value: str, words: str) -> None:
    """So, too."""
    _refused(variable, value, words)


def test_a_redis_of_this_machine_may_have_a_socket() -> None:
    """As the embedded one has."""
    lifecycle._require_reachable(settings.Settings(redis_url="redis+socket:///run/redis.sock"))
