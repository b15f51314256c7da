"""The plugin that tells fast tests from the others, and holds fast ones to what they may do."""

from __future__ import annotations

import pytest

pytest_plugins = ("pytester",)

PLANTED = """
import socket, subprocess, sys
import psycopg, pytest

def pure():
    assert 1 + 1 == 2

def listens():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

def starts_a_process():
    subprocess.run([sys.executable, "-c", ""], check=True)

def connects():
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect("host=/nonexistent")

def swallows():
    try:
        starts_a_process()
    except BaseException:
        pass

@pytest.fixture
def server(services):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server

@pytest.fixture
def undeclared():
    listens()
"""


def _run(pytester: pytest.Pytester, tests: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(PLANTED + tests)
    return pytester.runpytest_inprocess(
        "-p", "tests.needs", "-p", "no:django", "-p", "no:randomly", "-W", "ignore", *arguments
    )


@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("listens", "a fast test listens on"),
        ("starts_a_process", "a fast test starts a process"),
        ("connects", "a fast test connects to PostgreSQL"),
        ("swallows", "this test is fast and starts a process"),
    ],
)
def test_a_fast_test_that_needs_a_service_fails(pytester: pytest.Pytester, act: str, words: str) -> None:
    """The message says what the test did and what to ask for; also where the code under test swallows the error."""
    result = _run(pytester, f"def test_it():\n    {act}()\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{words}*ask for the fixture `services`*"])


def test_a_fixture_of_a_fast_test_is_held_to_the_rule(pytester: pytest.Pytester) -> None:
    """A fixture that listens without asking for `services` breaks the test that uses it."""
    _run(pytester, "def test_it(undeclared): pass\n").assert_outcomes(errors=1)


@pytest.mark.parametrize(
    "test",
    [
        "def test_it(services):\n    starts_a_process()\n    listens()\n    connects()\n",
        "def test_it(server):\n    pass\n",
        "@pytest.mark.usefixtures('server')\ndef test_it():\n    starts_a_process()\n",
    ],
)
def test_whoever_asks_for_services_may(pytester: pytest.Pytester, test: str) -> None:
    """Directly, through a fixture of its own, or by mark: the test runs, and is not fast."""
    _run(pytester, test).assert_outcomes(passed=1)
    _run(pytester, test, "-m", "fast").assert_outcomes(deselected=1)


def test_pure_tests_are_fast_and_come_first(pytester: pytest.Pytester) -> None:
    """`-m fast` selects them; in a whole run they come before those with services, and a stack's come last."""
    tests = """
@pytest.fixture
def live(services): pass
def test_stack(live): pass
def test_server(server): pass
@pytest.mark.django_db
def test_database(): pass
def test_pure(): pure()
"""
    _run(pytester, tests, "-m", "fast").assert_outcomes(passed=1, deselected=3)
    result = _run(pytester, tests, "-v")
    result.stdout.fnmatch_lines(
        ["*::test_pure *", "*::test_server *", "*::test_database *", "*::test_stack *"]
    )
