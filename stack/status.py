"""What runs, for how long, and what it costs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

import httpx
import psutil

from hotclub import names
from stack import autoreload, leftovers, service_definitions, started_with
from stack.clients import Django
from stack.errors import StackError
from stack.service_definitions import Service
from stack.service_environments import Stack
from stack.supervisor import ProcessState, Supervisor

_MIB = 1024 * 1024
#: The states of a service that will soon be in another one by itself.
_CHANGING: Final = frozenset({"STARTING", "STOPPING"})
#: The states of a reloader that has a process.
_WATCHING: Final = frozenset({"STARTING", "RUNNING"})
#: The states of a service that the reloader starts again when the code is fixed.
_TRIED_AGAIN: Final = frozenset({"STARTING", "BACKOFF", "EXITED", "FATAL"})


def table(stack: Stack) -> tuple[str, bool]:
    """Return the table that `make status` prints, and whether every service runs; what does not is its last line.

    Memory is PSS (pages shared by n processes count 1/n for each), so that the sum means something.
    """
    supervisor = Supervisor(stack.home, stack.secrets.supervisor_password)
    if not supervisor.alive():
        left = leftovers.find(stack.home)
        values = f" with {started_with.listed(stack.variables)}" if stack.variables else ""
        text = f"Not running. `make up` starts it{values}."
        return (f"{text} {len(left)} processes of an earlier run will be ended." if left else text), False
    states = supervisor.states()
    by_owner = _memory(stack, {state.pid: name for name, state in states.items() if state.pid})
    rows = [f"Started with: {started_with.listed(stack.variables) or 'nothing set'}", ""]
    rows += [f"{'service':<24} {'state':<10} {'pid':>7} {'uptime':>9} {'PSS MB':>7}  url"]
    # Without the folders of contracts: what runs is shown even when an app is no longer installed.
    looked_at = replace(stack, settings=stack.settings.model_copy(update={"contracts": ""}))
    for node in service_definitions.definitions(looked_at):
        if isinstance(node, Service) and node.name in states:
            state = states[node.name]
            rows.append(
                f"{node.name:<24} {state.state:<10} {state.pid or '-':>7} {_duration(state.uptime_seconds):>9} "
                f"{by_owner.pop(node.name, 0):>7.0f}  {node.url or ''}"
            )
    rows.append(f"{'supervisor and others':<24} {'':<28} {sum(by_owner.values()):>7.0f}")
    total = sum(pss_bytes(p) for p in leftovers.find(stack.home)) / _MIB
    rows.append(f"{'sum':<24} {'':<28} {total:>7.0f}")
    missing = not_running(states.values())
    return "\n".join([*rows, "", missing] if missing else rows), not missing


def not_running(states: Iterable[ProcessState]) -> str:
    """Return which services do not run, in which state, and what to do; empty when all run."""
    by_state: dict[str, list[str]] = {}
    for state in states:
        if state.state != "RUNNING":
            by_state.setdefault(state.state, []).append(state.name)
    if not by_state:
        return ""
    listed = "; ".join(f"{', '.join(sorted(found))} ({name})" for name, found in sorted(by_state.items()))
    if by_state.keys() <= _CHANGING:
        return f"Not everything runs: {listed}. It is starting or stopping at this moment: look again in a few seconds."
    return f"Not everything runs: {listed}. `make logs SERVICE=<name>` says why one ended; `make up` starts what does not run."


def code_warnings(stack: Stack) -> list[str]:
    """Return why changed code of HOTCLUB_APPS is not loaded, if so."""
    problem = autoreload.problem(stack.home) if stack.reloads else ""
    supervisor = Supervisor(stack.home, stack.secrets.supervisor_password)
    if not problem or not supervisor.alive():
        return []
    states = supervisor.states()
    reloader = states.get(autoreload.NAME)
    if reloader is None or reloader.state not in _WATCHING:
        # Nobody has looked at the code since: what was wrong with it then may be fixed.
        return []
    warning = f"{names.WARNING}changed code of {stack.settings.apps} is not loaded: {problem}"
    return [f"{warning}\n  {_consequence(states)}"]


def _consequence(states: Mapping[str, ProcessState]) -> str:
    """Return what code that cannot be loaded means for the services that would load it."""
    known = [states[name] for name in autoreload.SERVICES if name in states]
    running = [state.name for state in known if state.state == "RUNNING"]
    failing = [state.name for state in known if state.state in _TRIED_AGAIN]
    stopped = [state.name for state in known if state.name not in {*running, *failing}]
    parts = [f"Run with the code of before: {', '.join(running)}."] if running else []
    parts += [f"Do not run: {', '.join(failing)}."] if failing else []
    if running or failing:
        parts.append(f"By themselves {' and '.join([*running, *failing])} load it when it is fixed.")
    parts += [f"Stopped: {', '.join(stopped)}; `make up` starts what is stopped."] if stopped else []
    return " ".join(parts)


def view_warnings(stack: Stack) -> list[str]:
    """Return the feature views that are needed and missing, as Django's API lists them."""
    try:
        contracts = list(Django(stack).list("/contracts/"))
    except (StackError, httpx.HTTPError) as error:
        return [f"{names.WARNING}Django's API does not say whether feature views are missing: {error}"]
    return [
        f"{names.WARNING}{contract['name']} version {problem['version']} has no feature view: {problem['reason']}\n"
        f"  This version {problem['needed']}. {problem['fix']}"
        for contract in contracts
        for problem in contract["view_problems"]
    ]


def pss_bytes(process: psutil.Process) -> int:
    """Return the proportional set size; the resident set where the system knows no better."""
    with contextlib.suppress(psutil.Error, OSError):
        full = process.memory_full_info()
        return int(getattr(full, "pss", 0) or full.rss)
    return 0


def _memory(stack: Stack, owners: dict[int, str]) -> dict[str, float]:
    """Return MB of PSS by service; processes that lost their parents count as "others"."""
    found: dict[str, float] = {}
    for process in leftovers.find(stack.home):
        owner = "others"
        with contextlib.suppress(psutil.Error):
            family = [process.pid, *(parent.pid for parent in process.parents())]
            owner = next((owners[pid] for pid in family if pid in owners), owner)
        found[owner] = found.get(owner, 0) + pss_bytes(process) / _MIB
    return found


def _duration(seconds: int) -> str:
    if not seconds:
        return "-"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
