"""What runs, for how long, and what it costs."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import httpx
import psutil

from hotclub import names
from stack import autoreload, leftovers, service_definitions, started_with
from stack.clients import Django
from stack.errors import StackError
from stack.service_definitions import Service
from stack.service_environments import Stack
from stack.supervisor import Supervisor

_MIB = 1024 * 1024


def table(stack: Stack) -> tuple[str, bool]:
    """Return the table that `make status` prints, and whether every service runs.

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
    return "\n".join(rows), all(state.state == "RUNNING" for state in states.values())


def code_warnings(stack: Stack) -> list[str]:
    """Return why changed code of HOTCLUB_APPS is not loaded, if so."""
    problem = autoreload.problem(stack.home) if stack.reloads else ""
    if not problem or not Supervisor(stack.home, stack.secrets.supervisor_password).alive():
        return []
    text = (
        f"{names.WARNING}changed code of {stack.settings.apps} is not loaded: {problem}\n"
        "  Services run with the code of before. They load it by themselves when it is fixed."
    )
    return [text]


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
