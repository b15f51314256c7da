"""docs/reference/commands.md: make's targets, Django's commands of ours, and the packages' own."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable
from typing import Any
from unittest import mock

from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from generator import in_django
from generator.source_code import ROOT, cell, code, page, table

_TARGET = re.compile(r"^([a-z-]+):.*?## (.*)$", re.MULTILINE)


class _FoundError(BaseException):
    """Brings a command line out of a `main` that would go on to use it. Not an Exception: `main` may catch these."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def commands_page() -> str:
    """Return the page of commands."""
    from data_checks import commands as checks  # noqa: PLC0415 - as the others here
    from stack import __main__ as stack  # noqa: PLC0415 - the page's order of imports decides nothing
    from training import __main__ as training  # noqa: PLC0415 - XGBoost and scikit-learn, for this page alone

    targets = _TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8"))
    parts = [
        "# Commands\n",
        "## make\n",
        "In the folder of the repository. Each creates the environment first where it is missing.\n",
        *table(["command", "what it does"], [[code(f"make {name}"), cell(text)] for name, text in targets]),
        "## manage.py\n",
        '`make manage CMD="makecontracts --check"` runs them with the settings of the stack in this folder.',
        "In a project of your own they are commands of your `manage.py`.\n",
        *_management_commands(),
    ]
    for module, name in ((stack, "stack"), (training, "training"), (checks, "data_checks")):
        parser = _parser_of(module.main)
        parts += [f"## python -m {name}\n", f"{cell(parser.description or '')}\n", *_subcommands(parser)]
    return page(*parts)


def _management_commands() -> list[str]:
    in_django.load()
    # Of the example too, which has its place in `make manage` of a stack with the demo.
    ours = {name: app for name, app in get_commands().items() if str(app).startswith("django_app.")}
    rows = []
    for name, app in sorted(ours.items()):
        command = load_command_class(str(app), name)
        rows.append([code(name), cell(_help(command)), _arguments(_own_actions(command, name)), code(app)])
    return table(["command", "what it does", "arguments", "app"], rows)


def _help(command: BaseCommand) -> str:
    return " ".join(str(command.help).split())


def _own_actions(command: BaseCommand, name: str) -> list[argparse.Action]:
    """Return what the command adds to what all of Django's, or the command that it replaces, have."""
    actions = command.create_parser("manage.py", name)._actions
    inherited = next(
        (base for base in type(command).__mro__[1:] if issubclass(base, BaseCommand)), BaseCommand
    )
    known = {
        option
        for action in inherited().create_parser("manage.py", name)._actions
        for option in _names(action)
    }
    return [action for action in actions if not known.intersection(_names(action))]


def _subcommands(parser: argparse.ArgumentParser) -> list[str]:
    """Return the table of a parser's commands; what all of them take is said once, above it."""
    commands: dict[str, argparse.ArgumentParser] = {}
    texts: dict[str, str] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            commands |= action.choices
            texts |= {choice.dest: choice.help or "" for choice in action._choices_actions}
    own = {
        name: {
            _names(action)[-1]: action
            for action in command._actions
            if not isinstance(action, argparse._HelpAction)
        }
        for name, command in commands.items()
    }
    shared = set.intersection(*(set(actions) for actions in own.values()))
    parts = []
    if shared:
        actions = next(iter(own.values()))
        taken = [_argument(actions[name]).partition(": ")[::2] for name in actions if name in shared]
        parts += ["Every command takes:\n", *table(["argument", "what it is"], taken)]
    rows = [
        (
            code(name),
            cell(texts.get(name, "")),
            _arguments(action for key, action in own[name].items() if key not in shared),
        )
        for name in commands
    ]
    return [*parts, *table(["command", "what it does", "further arguments" if shared else "arguments"], rows)]


def _arguments(actions: Iterable[argparse.Action]) -> str:
    """Return arguments with their help, one below the other."""
    return "<br>".join(_argument(action) for action in actions if action.help != argparse.SUPPRESS)


def _argument(action: argparse.Action) -> str:
    name = code(max(_names(action), key=len))
    required = " (required)" if action.required and action.option_strings else ""
    text = f": {cell(action.help % {'default': action.default})}" if action.help else ""
    return f"{name}{required}{text}"


def _names(action: argparse.Action) -> list[str]:
    return list(action.option_strings) or [action.dest]


def _parser_of(main: Callable[[list[str]], Any]) -> argparse.ArgumentParser:
    """Return the command line of a `main`, as it builds it.

    Raises:
        LookupError: it does not parse its arguments.
    """

    def parse_args(self: argparse.ArgumentParser, *_: object, **__: object) -> None:
        raise _FoundError(self)

    try:
        with mock.patch.object(argparse.ArgumentParser, "parse_args", parse_args):
            main([])
    except _FoundError as found:
        return found.parser
    raise LookupError(f"{main.__module__}.main parses no arguments")
