"""Restart services of a running stack: they read code and settings when they start, and only then."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from stack import autoreload, lifecycle, service_definitions, started_with, startup
from stack.errors import StackError
from stack.progress import Progress
from stack.service_definitions import Node, Service
from stack.service_environments import Stack
from stack.settings import PREFIX, folder_of_app
from stack.started_with import Change
from stack.supervisor import Supervisor

_INFERENCE: Final = "serving"
#: Whom people and programs ask: back before the others, each in a turn of its own.
_ONLINE: Final = ("django", _INFERENCE)
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
    gone = set() if names else states.keys() - known
    warnings = _in_turns(stack, _turns(chosen, gone), running, supervisor, progress)
    return [node.name for node in chosen if isinstance(node, Service)], warnings


@dataclass(frozen=True, slots=True)
class _Turn:
    """What is stopped together, and then started and waited for before the next turn."""

    stop: frozenset[str]
    start: tuple[Node, ...]


def _turns(chosen: Sequence[Node], gone: Collection[str] = ()) -> list[_Turn]:
    """Return the order in which people miss the least: who asks for predictions first of all.

    Jobs may change tables, so whoever writes is stopped before them; the inference service reads alone, and is away
    for its own start only. What it and Django need is back first, and what takes long and nobody waits for last.

    Args:
        chosen: what is to be restarted, with ``after`` among themselves.
        gone: services that are not started again.
    """
    services = {node.name for node in chosen if isinstance(node, Service)}
    if services.intersection(lifecycle.DATA_SERVICES):
        # The others lose their connections with it: all are away together.
        return [_Turn(frozenset(services) | set(gone), tuple(chosen))]
    jobs = {node.name for node in chosen} - services
    needs = {need for node in chosen if node.name in _ONLINE for need in node.after}
    first = jobs | needs.difference(_ONLINE)
    groups = [first, *({name} for name in _ONLINE), services - first - set(_ONLINE)]
    turns = []
    for group in groups:
        start = _among([node for node in chosen if node.name in group])
        turns.append(_Turn(frozenset(group & services), start))
    writers = services - {_INFERENCE} if jobs else turns[0].stop
    turns[0] = replace(turns[0], stop=frozenset(writers | set(gone)))
    return [turn for turn in turns if turn.start or turn.stop]


def _among(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Return nodes without needs that an earlier turn has brought back."""
    known = {node.name for node in nodes}
    return tuple(replace(node, after=tuple(n for n in node.after if n in known)) for node in nodes)


def _in_turns(
    stack: Stack, turns: Sequence[_Turn], running: set[str], supervisor: Supervisor, progress: Progress
) -> list[str]:
    """Do one turn after the other; return the warnings of jobs.

    Raises:
        StackError: something did not come back; says what still runs as before.
    """
    warnings = []
    waiting = {node.name for turn in turns for node in turn.start if isinstance(node, Service)}
    stopped: set[str] = set()
    for turn in turns:
        names = turn.stop - stopped
        if names:
            with progress.timed(
                f"stopped {', '.join(names) if len(names) == 1 else f'{len(names)} services'}"
            ):
                _stop(supervisor, sorted(names))
        stopped |= names
        if stopped.issuperset(running.intersection(autoreload.SERVICES)):
            # What they could not load was theirs; what they load next was tried.
            autoreload.forget(stack.home)
        # What runs on has the configuration that it was started with until its own turn.
        supervisor.reread(except_for=running - stopped)
        try:
            warnings += startup.run(stack.home, turn.start, supervisor, progress)
        except StackError as error:
            before = sorted((running & waiting) - stopped)
            still = (
                f" Code and settings of before are still in {', '.join(before)}: "
                f'then `make restart SERVICE="{" ".join(before)}"`.'
            )
            raise StackError(
                error.problem,
                f"When that is fixed: `make up` starts what is stopped.{still if before else ''}"
                " `make down` stops what runs.",
            ) from error
    return warnings


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
