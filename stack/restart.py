"""Restart services of a running stack: they read code and settings when they start, and only then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from stack import autoreload, lifecycle, service_definitions, started_with, startup
from stack.errors import StackError
from stack.progress import Progress
from stack.service_definitions import Node, Service
from stack.service_environments import Stack
from stack.settings import PREFIX, folder_of_app
from stack.started_with import Change
from stack.supervisor import Supervisor

#: What only a whole new start may change: the data services, and the addresses that all others know.
_FIXED = {f"{PREFIX}{name}" for name in ("PORT_SHIFT", "POSTGRES_URL", "REDIS_URL")}


def run(
    stack: Stack, names: Sequence[str], changes: Sequence[Change], progress: Progress
) -> tuple[list[str], list[str]]:
    """Restart services and wait until they are healthy. The caller holds the launcher's lock.

    Args:
        stack: with the settings of now.
        names: of services; without any, all that run but PostgreSQL and Redis, and the jobs of `up` before them.
        changes: the settings that differ from those that the stack runs with.
        progress: shows what happens.

    Returns:
        The services that came back, and warnings of jobs.

    Raises:
        StackError: the stack does not run, a name is none, the changed settings need more, or the code of now cannot
            be loaded: nothing is stopped then. Or a service did not come back; with the end of its log.
    """
    supervisor = Supervisor(stack.home, stack.secrets.supervisor_password)
    if not supervisor.alive():
        raise StackError("Nothing runs that could be restarted", "`make up` starts the stack.")
    _require_possible(stack, names, changes)
    nodes = service_definitions.definitions(stack)
    states = supervisor.states()
    known = {node.name for node in nodes if isinstance(node, Service)}
    # What `up --only` left out is known to supervisord and stopped; what it does not know is new.
    running = {n for n in known if n not in states or states[n].state != "STOPPED"}
    chosen = _chosen(nodes, names, running)
    _require_loadable(stack, chosen)
    for change in changes:
        now, before = (
            started_with.shown(change.name, change.now),
            started_with.shown(change.name, change.before),
        )
        progress.line(f"New: {change.name}={now} (was: {before})")
    lifecycle.write_configuration(stack)
    started_with.write(stack.home, stack.variables)
    services = [node.name for node in chosen if isinstance(node, Service)]
    with progress.timed("stopped"):
        _stop(supervisor, [*services, *(() if names else states.keys() - known)])
    supervisor.reread(except_for=running.difference(services))
    warnings = startup.run(stack.home, chosen, supervisor, progress)
    return services, warnings


def _require_possible(stack: Stack, names: Sequence[str], changes: Sequence[Change]) -> None:
    whole = [change for change in changes if change.name in _FIXED]
    if whole:
        raise StackError(
            f"The stack in {stack.home.root} runs with other values: {'; '.join(map(str, whole))}",
            "A restart cannot change these: `make down`, and then `make up`. Or unset them.",
        )
    if names and changes:
        raise StackError(
            f"The stack in {stack.home.root} runs with other values: {'; '.join(map(str, changes))}",
            "Settings are for all services: `make restart` without SERVICE, or unset them.",
        )


def _require_loadable(stack: Stack, chosen: Iterable[Node]) -> None:
    """Refuse before anything is stopped: with code that cannot be loaded nothing would come back."""
    if not {node.name for node in chosen}.intersection(autoreload.SERVICES):
        return
    folders = [folder_of_app(app) for app in stack.settings.app_names()]
    problem = autoreload.syntax_problem(autoreload.digests(folders))
    problem = problem or autoreload.import_problem(stack.django_bare())
    if problem:
        raise StackError(
            f"The code of now cannot be loaded: {problem}",
            "Nothing was stopped: services keep the code that they started with. Correct it, and run `make restart` again.",
        )


def _chosen(nodes: Sequence[Node], names: Sequence[str], running: set[str]) -> list[Node]:
    """Return what is to be restarted, each after those of its needs that are restarted too."""
    services = {node.name: node for node in nodes if isinstance(node, Service)}
    unknown = sorted(set(names) - services.keys())
    if unknown:
        raise StackError(f"No such service: {', '.join(unknown)}", f"There are: {', '.join(services)}")
    wanted = set(names)
    for name in lifecycle.DATA_SERVICES:
        if name in wanted:
            # What is connected to it would fail in the middle of its work: it is stopped before, and started after.
            wanted |= {other for other in running if name in _needs(nodes, other)}
    if not names:
        # Jobs first, as at `up`: changed code may have new migrations.
        selected = service_definitions.select(nodes, running & services.keys())
        wanted = {node.name for node in selected}.difference(lifecycle.DATA_SERVICES)
    return [
        replace(node, after=tuple(_needs(nodes, node.name) & wanted)) for node in nodes if node.name in wanted
    ]


def _needs(nodes: Iterable[Node], name: str) -> set[str]:
    """Return everything that a service comes after, directly or not."""
    return {node.name for node in service_definitions.select(nodes, [name])} - {name}


def _stop(supervisor: Supervisor, services: Sequence[str]) -> None:
    """Stop services, data services last: the others need them to end cleanly."""
    supervisor.stop(set(services).difference(lifecycle.DATA_SERVICES))
    supervisor.stop(set(services).intersection(lifecycle.DATA_SERVICES))
