"""What a stack was started with, in a file of its folder, so that later commands act on that stack or refuse.

`up` and `restart` write it; every other command reads it. A variable that is not set now has the remembered
value. One that is set to another value is refused by all but `up` on a stopped stack and `restart`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hotclub import names
from stack import settings
from stack.errors import StackError
from stack.home import Home
from stack.secrets import write_private
from stack.settings import PREFIX, Given, Settings

_FORMAT: Final = 1
#: The folder names the stack; it is not something that a stack remembers of itself.
_HOME: Final = f"{PREFIX}HOME"
_SECRET_NAME: Final = re.compile(r"PASSWORD|SECRET|TOKEN|KEY|CREDENTIAL")
_SECRET_PART: Final = re.compile(r"((?:password|passwd|pwd|passfile|token|secret)=)[^&\s]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Change:
    """A variable whose value now is not the remembered one.

    Attributes:
        now: empty for none.
        before: empty for none.
        source: where the value of now is set.
    """

    name: str
    now: str
    before: str
    source: str

    def __str__(self) -> str:
        now, before = shown(self.name, self.now), shown(self.name, self.before)
        same = " (the passwords differ)" if now == before else ""
        return f"{self.name} is {now} in {self.source} and {before} in the stack{same}"


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a command acts with: the variables that are set now, and the remembered ones for the rest.

    Attributes:
        variables: by name, as they are to be remembered.
        changes: what is set now and was otherwise when the stack was started; none before its first start.
        taken: the names of those that are not set now.
        first: whether nothing is remembered.
    """

    settings: Settings
    variables: dict[str, str]
    changes: tuple[Change, ...]
    taken: tuple[str, ...]
    first: bool


def open_home(given: Mapping[str, Given]) -> Home:
    """Return the folder that HOTCLUB_HOME names, made where it is missing.

    Raises:
        StackError: it cannot be written.
    """
    home = Home(settings.load({name: g.value for name, g in given.items() if name == _HOME}).home)
    home.make()
    return home


def resolve(home: Home, environ: Mapping[str, str], *, forget: bool = False) -> Resolved:
    """Put together what is set now and what the stack in ``home`` was started with.

    Args:
        home: the stack's folder.
        environ: of this process. In a process of the stack itself, such as a job of `up`, the launcher has
            set variables of its own: there only what is remembered counts.
        forget: leave out what is remembered, readable or not; what is not set now is a change then.

    Raises:
        StackError: a value is wrong, or the file cannot be read.
    """
    given = settings.given(environ)
    try:
        remembered = read(home)
    except StackError:
        if not forget:
            raise
        remembered = None
    if remembered is not None and environ.get(names.VARIABLE_STACK) == home.id:
        given = {}
    given.pop(_HOME, None)
    kept = {} if forget else {name: v for name, v in (remembered or {}).items() if name not in given}
    merged = {**kept, **{name: value.value for name, value in given.items()}}
    made = settings.load({**merged, _HOME: str(home.root)}, kept)
    own = settings.own_variables()
    # As text that is the same for 0, "no" and "false", so that it can be compared.
    variables = {
        name: settings.text_of(made, name) if name in own else merged[name] for name in sorted(merged)
    }
    changes: list[Change] = []
    if remembered is not None:
        for name in given.keys() | (remembered.keys() if forget else set()):
            source = given[name].source if name in given else "its default"
            now, before = variables.get(name) or _default(name), remembered.get(name) or _default(name)
            if now != before:
                changes.append(Change(name, now, before, source))
    changes.sort(key=lambda change: change.name)
    return Resolved(made, variables, tuple(changes), tuple(sorted(kept)), remembered is None)


def read(home: Home) -> dict[str, str] | None:
    """Return the remembered variables by name; None before the first start.

    Raises:
        StackError: the file is broken, or of a version that writes another form.
    """
    path = home.started_with
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(home, str(error)) from error
    written = found.get("format") if isinstance(found, dict) else None
    if written != _FORMAT:
        raise _unreadable(home, f"its format is {written!r}, and this version reads {_FORMAT}")
    variables = found.get("variables")
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise _unreadable(home, "its variables are no texts by name")
    return variables


def write(home: Home, variables: Mapping[str, str]) -> None:
    """Remember what the stack in ``home`` is started with; whole or not at all, for its owner alone."""
    found = {"format": _FORMAT, "variables": dict(sorted(variables.items()))}
    write_private(home.started_with, json.dumps(found, indent=2))


def require_same(home: Home, changes: tuple[Change, ...], *, running: bool) -> None:
    """Refuse to act on a stack that has other values.

    Raises:
        StackError: names each variable with both values, and what to do.
    """
    if not changes:
        return
    if running:
        state = "runs with other values"
        fix = (
            "Unset them to act on the stack as it is. To give it the new values: `make restart`, or for ports "
            "and servers `make down` and then `make up`. A second stack has another HOTCLUB_HOME."
        )
    else:
        state = "was last started with other values"
        fix = "Unset them, or start the stack with the new values first: `make up`. A second stack has another HOTCLUB_HOME."
    raise StackError(f"The stack in {home.root} {state}: {'; '.join(map(str, changes))}", fix)


def require_known(home: Home, resolved: Resolved, *, running: bool) -> None:
    """Refuse to guess what a running stack was started with.

    Raises:
        StackError: it runs, and nothing is remembered.
    """
    if resolved.first and running:
        raise StackError(
            f"The stack in {home.root} runs, and {home.started_with}, which says what it was started with, is missing",
            "Run `make down`, and then `make up` with the variables set that it needs.",
        )


def shown(name: str, value: str) -> str:
    """Return a value for a person to read: without passwords."""
    if not value:
        return "not set"
    if _SECRET_NAME.search(name):
        return "***"
    login, at, rest = value.rpartition("@")
    if at and "//" in login:
        scheme, _, user = login.partition("//")
        hidden = ":***" if ":" in user else ""
        value = f"{scheme}//{user.partition(':')[0]}{hidden}@{rest}"
    return _SECRET_PART.sub(r"\1***", value)


def listed(variables: Mapping[str, str]) -> str:
    """Return variables in one line, as one would set them, without passwords."""
    return " ".join(f"{name}={shown(name, value)}" for name, value in sorted(variables.items()))


def _default(name: str) -> str:
    own = name in settings.own_variables()
    return settings.text_of(settings.load({}), name) if own else ""


def _unreadable(home: Home, reason: str) -> StackError:
    return StackError(
        f"{home.started_with}, which says what the stack was started with, cannot be read: {reason}",
        "Start it anew with all that it needs set, such as HOTCLUB_APPS=shop HOTCLUB_DEMO=0 make up FORGET=1; "
        "`make down` works without the file.",
    )
