"""``python -m stack``, the launcher: start, stop and look at the services of a stack on this machine."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

import httpx

from hotclub import names
from hotclub.errors import HotclubError
from stack import (
    demo,
    lifecycle,
    preflight,
    restart,
    secrets,
    service_definitions,
    settings,
    started_with,
    status,
)
from stack.errors import StackError
from stack.home import Home
from stack.progress import Progress
from stack.service_environments import Stack

_EPILOG = """\
State lives in HOTCLUB_HOME (default: var/), passwords in its secrets/passwords.txt, logs in its logs/.
Every variable is explained in .env.example. The first `up` also loads the example's history, trains and
promotes two models, and scores a day; it may be interrupted and run again.
What `up` was called with is remembered: later commands act on that stack, or refuse where other values are set.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except StackError as error:
        print(f"\nerror: {error.problem}\n{error.fix}", file=sys.stderr)
        return 1
    except (HotclubError, httpx.HTTPError) as error:
        print(
            f"\nerror: {error!r}\nA service did not answer as it should: `make status` and `make logs` show more.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. `make up` goes on from here; `make down` stops what runs.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stack",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(name: str, run: object, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    up = add("up", _up, "Start everything that does not run yet; the first time, also the demo.")
    up.add_argument("--only", default="", help="services, comma-separated; what they need starts with them")
    up.add_argument(
        "--no-demo", action="store_true", help="start services only, like HOTCLUB_DEMO=0 for once"
    )
    up.add_argument(
        "--forget", action="store_true", help="start with what is set now alone, not with what is remembered"
    )
    again = add(
        "restart",
        _restart,
        "Restart services, so that they have the code and settings of now; data stays up.",
    )
    again.add_argument(
        "services", nargs="*", help="services by name; by default all but PostgreSQL and Redis"
    )
    add("down", _down, "Stop everything; leftovers of a killed run too.")
    add("status", _status, "Show what runs: state, uptime, memory, addresses.")
    logs = add("logs", _logs, "Follow the logs; ends with Ctrl-C.")
    logs.add_argument("service", nargs="?", default="", help="one service; all by default")
    deliver = add("deliver", _deliver, "Land the example's files of one day and wait until they are scored.")
    deliver.add_argument(
        "day", type=demo.day_with_files, help="a day of November or December 2013: 2013-11-02"
    )
    manage = add("manage", _manage, "Run a command of Django's manage.py with this stack's settings.")
    manage.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="...", help="such as: migrate, makecontracts"
    )
    provision = add(
        "provision", _provision, "Make roles, databases and grants on PostgreSQL; safe to repeat."
    )
    provision.add_argument(
        "--reset-passwords",
        action="store_true",
        help="give roles that are there already the passwords of secrets.json",
    )
    return parser


def _open_home() -> Home:
    return started_with.open_home(settings.given(os.environ))


def _open() -> Stack:
    """Return the stack as it was started; refuse where other values are set now."""
    home = _open_home()
    resolved = started_with.resolve(home, os.environ)
    stack = lifecycle.open_stack(resolved.settings, resolved.variables)
    running = lifecycle.running_in(home)
    started_with.require_same(home, resolved.changes, running=running)
    started_with.require_known(home, resolved, running=running)
    if resolved.first and preflight.launcher_runs(home):
        # Nobody can tell yet what it will be started with.
        raise StackError(
            f"The first `make up` of {home.root} has just begun", "Wait until its first lines are there."
        )
    return stack


def _up(options: argparse.Namespace) -> int:
    preflight.check_python()
    progress = Progress()
    only = [name for name in options.only.split(",") if name]
    home = _open_home()
    with preflight.only_launcher(home):
        stack = _to_start(home, progress, forget=options.forget)
        warnings = lifecycle.up(stack, only, progress)
        if stack.settings.demo and not only and not options.no_demo:
            demo.run(stack, progress)
        else:
            progress.line(f"\nUp. Addresses: `make status`. Passwords: {secrets.passwords_file(stack.home)}")
    for warning in warnings:
        print(f"\n{warning}", file=sys.stderr)
    return 0


def _to_start(home: Home, progress: Progress, *, forget: bool) -> Stack:
    """Return the stack as it is to be started, and say what is remembered and what is new.

    Raises:
        StackError: it runs with other values, or nobody knows with which.
    """
    resolved = started_with.resolve(home, os.environ, forget=forget)
    running = lifecycle.running_in(home)
    if running:
        started_with.require_same(home, resolved.changes, running=True)
        started_with.require_known(home, resolved, running=True)
    for change in resolved.changes:
        now, before = (
            started_with.shown(change.name, change.now),
            started_with.shown(change.name, change.before),
        )
        progress.line(f"New since the last start: {change.name}={now} (was: {before})")
    if resolved.taken:
        taken = {name: resolved.variables[name] for name in resolved.taken}
        progress.line(f"As at the last start: {started_with.listed(taken)}")
    return lifecycle.open_stack(resolved.settings, resolved.variables)


def _restart(options: argparse.Namespace) -> int:
    progress = Progress()
    home = _open_home()
    with preflight.only_launcher(home):
        resolved = started_with.resolve(home, os.environ)
        started_with.require_known(home, resolved, running=lifecycle.running_in(home))
        stack = lifecycle.open_stack(resolved.settings, resolved.variables)
        back, warnings = restart.run(stack, options.services, resolved.changes, progress)
    progress.line(f"\nBack: {', '.join(back)}.")
    for warning in warnings:
        print(f"\n{warning}", file=sys.stderr)
    return 0


def _down(options: argparse.Namespace) -> int:
    del options
    home = _open_home()
    progress = Progress()
    try:
        changes = started_with.resolve(home, os.environ).changes
    except StackError as error:
        # Whatever is wrong with the values: what runs in this folder can be stopped without them.
        progress.line(f"Stopping all the same: {error.problem}")
        changes = ()
    # What stands in .env is what the next start shall have; what is typed may mean another stack.
    typed = tuple(change for change in changes if change.source == settings.ENVIRONMENT)
    running = lifecycle.running_in(home)
    started_with.require_same(home, typed, running=running)
    with preflight.only_launcher(home):
        lifecycle.down(home, secrets.ensure(home).supervisor_password, progress)
    progress.line(f"Down. Nothing runs; the state stays in {home.root}. `make up` starts it again.")
    return 0


def _status(options: argparse.Namespace) -> int:
    del options
    stack = _open()
    text, running = status.table(stack)  # the text also says what does not run
    print(text)
    warnings = [*status.code_warnings(stack), *(status.view_warnings(stack) if running else ())]
    for warning in warnings:
        print(f"\n{warning}", file=sys.stderr)
    return 0 if running else 3


def _logs(options: argparse.Namespace) -> int:
    logs = _open().home.logs
    found = sorted(logs.glob(f"{options.service or '*'}.log"))
    if not found:
        there = ", ".join(sorted(p.stem for p in logs.glob("*.log")))
        raise StackError(
            f"No log of that name in {logs}" if options.service else f"There is no log in {logs}",
            f"There are: {there}" if there else "Nothing was started yet: `make up`.",
        )
    os.execvp("tail", ["tail", "-n", "20", "-F", *map(str, found)])  # noqa: S606 - no shell is what we want


def _deliver(options: argparse.Namespace) -> int:
    stack = _open()
    if not stack.settings.demo:
        raise StackError(
            f"The stack in {stack.home.root} runs without the example (HOTCLUB_DEMO=0), and `deliver` has its files alone",
            f"Land a file of yours in {stack.home.landing}: docs/how-to/deliver-files.md.",
        )
    demo.deliver(stack, options.day, Progress())
    return 0


def _manage(options: argparse.Namespace) -> int:
    # Migrations act as the tables' owner; nothing else does.
    role = names.ROLE_MIGRATOR if "migrate" in options.words[:1] else names.ROLE_APP
    environment = {**os.environ, **_open().django(role)}
    code = subprocess.run(service_definitions.manage(*options.words), env=environment, check=False).returncode
    if code:
        ended = f"exit code {code}" if code > 0 else f"ended by signal {-code}"
        print(f"manage {' '.join(options.words[:1])} failed: {ended}", file=sys.stderr)
    # A signal's number is negative here, and a shell's exit code is not.
    return code if code >= 0 else 128 - code


def _provision(options: argparse.Namespace) -> int:
    lifecycle.provision(_open(), reset_passwords=options.reset_passwords)
    print("Roles, databases and grants are complete. Next: `make up`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
