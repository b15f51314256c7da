"""Reads a page of the tutorial: the files that a reader writes, the commands, and what each command has to print.

A page is made of text, which is not looked at, and of fenced blocks, each of which is one of these:

- ```` ```console ````: lines that begin with ``$ `` are a command; those that follow, up to the next command or the end,
  are what it prints. A line that ends with a backslash goes on on the next. A line of output is found as it is in what
  the command prints, in the order of the page; ``…`` in it stands for any text, a line that is only ``…`` for any lines,
  and how wide spaces are does not matter.
- ```` ```python title=../shop/shop/models.py ````: a file to write, of any language, named from the folder of the clone.
- ```` ```text ````: for the eye only.

Any other block is an error: what nobody runs is not in the tutorial.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ANY: Final = "…"
_FENCE: Final = re.compile(
    r"^(?P<fence>`{3,})(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL
)
_TITLE: Final = re.compile(r"^\w+ title=(\S+)$")
_SPACES: Final = re.compile(r"[ \t]+")
_PROMPT: Final = "$ "


class PageError(Exception):
    """A page cannot be run as it is written."""


@dataclass(frozen=True)
class File:
    """A file that the reader writes.

    Attributes:
        line: of the page.
    """

    line: int
    path: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command that the reader types.

    Attributes:
        line: of the page.
        expected: the lines that it prints, as the page shows them.
    """

    line: int
    text: str
    expected: tuple[str, ...]

    def difference(self, output: str) -> str | None:
        """Return the first line that is not in the output after those before it; None where all are."""
        position = 0
        for line in self.expected:
            if line.strip() == ANY:
                continue
            found = _pattern(line).search(output, position)
            if found is None:
                return line
            position = found.end()
        return None


Step = File | Command


def read_page(path: Path) -> list[Step]:
    """Return the steps of a page in their order.

    Raises:
        PageError: a block is of no known kind, or a console block does not begin with a command.
    """
    text = path.read_text(encoding="utf-8")
    return [step for found in _FENCE.finditer(text) for step in _steps(path, text, found)]


def _steps(path: Path, text: str, found: re.Match[str]) -> Iterator[Step]:
    line, info = text.count("\n", 0, found.start()) + 1, found["info"].strip()
    title = _TITLE.match(info)
    if title:
        yield File(line, title[1], found["body"])
    elif info == "console":
        yield from _commands(path, line + 1, found["body"].splitlines())
    elif info != "text":
        raise PageError(f"{path.name}:{line}: a block of kind {info!r}; console, text and title=… are known")


def _commands(path: Path, first: int, lines: list[str]) -> Iterator[Command]:
    started: int | None = None
    words: list[str] = []
    expected: list[str] = []
    for number, line in enumerate(lines, start=first):
        if words and words[-1].endswith("\\"):
            words.append(line)
        elif line.startswith(_PROMPT):
            if started is not None:
                yield Command(started, "\n".join(words), tuple(expected))
            started, words, expected = number, [line.removeprefix(_PROMPT)], []
        elif started is None:
            raise PageError(f"{path.name}:{number}: a console block begins with a command: {_PROMPT}…")
        else:
            expected.append(line)
    if started is not None:
        yield Command(started, "\n".join(words), tuple(expected))


def _pattern(line: str) -> re.Pattern[str]:
    """Return what a line of a page is in an output: a whole line with ``…`` for any text and spaces as wide as they are."""
    parts = [_SPACES.pattern.join(map(re.escape, _SPACES.split(part))) for part in line.strip().split(ANY)]
    return re.compile(r"^[ \t]*" + r"[^\n]*?".join(parts) + r"[ \t]*$", re.MULTILINE)
