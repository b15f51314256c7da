"""CommandOperator runs real processes: output, result, failure, kill."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest


@pytest.fixture
def module(services: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that writes a module `toy` and returns an operator that runs it."""

    def write(code: str, **options: str):
        from dags.operators import CommandOperator

        (tmp_path / "toy.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return CommandOperator(task_id="toy", module="toy", command="go", options=options)

    return write


GIVE = "from hotclub.command_result import give\n"


def test_every_line_is_logged_and_the_result_is_what_was_given(
    module, capfd: pytest.CaptureFixture[str]
) -> None:
    """Lines of both streams reach the log; the result is the one that was given, whatever is printed after it."""
    operator = module(
        f"{GIVE}import sys\nprint('working')\nprint('careful', file=sys.stderr)\n"
        "give({'rows': 3, 'argv': sys.argv[1:]})\nprint('a library says goodbye')\nprint('{}', file=sys.stderr)",
        model="late",
        nothing="",
        tenant="None",
    )
    # A tenant may be called so: only what is empty is left out.
    argv = ["go", "--model", "late", "--tenant", "None"]
    assert operator.execute({}) == {"rows": 3, "argv": argv}
    logged = "".join(capfd.readouterr())
    for line in ("working", "careful", "a library says goodbye"):
        assert line in logged


def test_much_output_on_both_streams_does_not_block(module) -> None:
    """A command that fills both streams many times over still ends."""
    operator = module(
        f"{GIVE}import sys\nfor i in range(20000):\n print('o' * 80)\n print('e' * 80, file=sys.stderr)\ngive({{'n': 1}})"
    )
    assert operator.execute({}) == {"n": 1}


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_failure_says_how_and_what_was_printed_last(module, code: int) -> None:
    """A non-zero exit fails the task; what a person must change and refused data are not retried."""
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    operator = module(f"import sys\nprint('toy: go: no such model', file=sys.stderr)\nsys.exit({code})")
    with pytest.raises(AirflowException) as error:
        operator.execute({})
    assert isinstance(error.value, AirflowFailException) is (code in (2, 3, 4))
    assert str(error.value) == f"toy go: exit code {code}: toy: go: no such model"


@pytest.mark.parametrize("output", ["", "done", "[1]", '{"rows": 3}'])
def test_a_command_without_a_result_is_a_failure(module, output: str) -> None:
    """What is merely printed is no result, however it looks."""
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match="toy go gave no result"):
        module(f"print({output!r})").execute({})


def test_interpreter_of_its_own(module, monkeypatch: pytest.MonkeyPatch) -> None:
    """data_checks and training run under the interpreter that the environment names, else Airflow's."""
    from dags.operators import CommandOperator

    operator = CommandOperator(task_id="check", module="data_checks", command="check", options={})
    assert operator.command_line({})[0] == sys.executable
    monkeypatch.setenv("HOTCLUB_CHECKS_PYTHON", "/opt/checks/bin/python")
    assert operator.command_line({}) == ["/opt/checks/bin/python", "-m", "data_checks", "check"]


def alive(pid: int) -> bool:
    """Return whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def started(operator) -> tuple[threading.Thread, list[BaseException]]:
    """Run an operator in a thread; return it, and the list that its failure comes into."""
    from airflow.sdk.exceptions import AirflowException

    failures: list[BaseException] = []

    def run() -> None:
        try:
            operator.execute({})
        except AirflowException as error:
            failures.append(error)

    task = threading.Thread(target=run)
    task.start()
    return task, failures


def test_kill_ends_the_whole_process_group(module, tmp_path: Path) -> None:
    """Killing the task ends the command and what it started; the task's own group lives."""
    operator = module(
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(tmp_path / 'pids.part')!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        f"os.rename({str(tmp_path / 'pids.part')!r}, {str(tmp_path / 'pids')!r})\n"
        "time.sleep(600)\n"
    )
    task, failures = started(operator)
    while not (tmp_path / "pids").exists():
        time.sleep(0.01)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert os.getpgid(pids[1]) == pids[0] != os.getpgrp()
    operator.on_kill()
    task.join(30)
    while any(alive(pid) for pid in pids):  # the kernel takes a moment; for ever would be a timeout
        time.sleep(0.01)
    assert "signal 15" in str(failures[0])


def test_command_that_ignores_the_signal_is_killed(
    module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the grace period nothing of the group is left, whatever it does with SIGTERM."""
    from dags import operators

    monkeypatch.setattr(operators, "GRACE_SECONDS", 0.2)
    pid = tmp_path / "pid"
    operator = module(
        "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(pid) + '.part'!r}, 'w').write(str(os.getpid()))\nos.rename({str(pid) + '.part'!r}, {str(pid)!r})\n"
        "time.sleep(600)\n"
    )
    task, failures = started(operator)
    while not pid.exists():
        time.sleep(0.01)
    operator.on_kill()
    task.join(30)
    assert not task.is_alive()
    assert not alive(int(pid.read_text()))
    assert "signal 9" in str(failures[0])
