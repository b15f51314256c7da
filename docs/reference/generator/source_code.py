"""The source code as text, and text as Markdown: what every page needs."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
NOTE: Final = "<!-- Written by docs/reference/generate.py; run `make docs` after a change. -->\n"
#: Folders whose files are written by tools.
_SKIPPED_FOLDERS: Final = frozenset({"migrations", "__pycache__"})


@dataclass(frozen=True)
class Module:
    """A source file.

    Attributes:
        name: dotted; a package's own for its ``__init__``.
        path: of the file.
        tree: what Python parses it to.
    """

    name: str
    path: Path
    tree: ast.Module


def root_packages() -> list[str]:
    """Return the packages that import-linter looks at: all there are."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(project["tool"]["importlinter"]["root_packages"])


@cache
def modules() -> tuple[Module, ...]:
    """Return every module of every package, by name."""
    found = []
    for package in root_packages():
        for path in (ROOT / package).rglob("*.py"):
            relative = path.relative_to(ROOT).with_suffix("")
            if _SKIPPED_FOLDERS.intersection(relative.parent.parts):
                continue
            name = ".".join(relative.parts).removesuffix(".__init__")
            found.append(Module(name, path, ast.parse(path.read_text(encoding="utf-8"))))
    return tuple(sorted(found, key=lambda module: module.name))


def attributes(docstring: str) -> dict[str, str]:
    """Return the texts of a docstring's ``Attributes:`` or ``Args:`` by name; one text may be of several names."""
    section = re.split(r"^(?:Attributes|Args):\n", docstring, maxsplit=1, flags=re.MULTILINE)[-1]
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        begins = re.match(r" {4}(\w+(?:, \w+)*): (.*)", line)
        if begins:
            name = begins[1]
            found[name] = begins[2]
        elif name and line.startswith(" " * 8):
            found[name] += f" {line.strip()}"
        else:
            break
    return {single: text for names, text in found.items() for single in names.split(", ")}


def first_line(tree: ast.Module) -> str:
    """Return the first line of a module's docstring, or the help of a management command."""
    docstring = ast.get_docstring(tree)
    if docstring:
        return docstring.splitlines()[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["help"]:
            return str(node.value.value) if isinstance(node.value, ast.Constant) else ""
    return ""


def short(module: Module) -> str:
    """Return a module's last name as code."""
    return f"`{module.name.rpartition('.')[2]}`"


def link(path: Path) -> str:
    """Return a path of the repository as seen from docs/reference."""
    return f"../../{path.relative_to(ROOT).as_posix()}"


def cell(text: str) -> str:
    """Return a text of the code as Markdown in one line; outside of backticks, ``<x>`` would be an HTML tag."""
    parts = " ".join(text.replace("``", "`").split()).replace("|", "\\|").split("`")
    parts[::2] = [part.replace("<", "\\<") for part in parts[::2]]
    return "`".join(parts) or "-"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table, an empty one at its end; cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]


def code(text: object) -> str:
    """Return a text as code in a cell."""
    return f"`{text}`".replace("|", "\\|")


def page(*parts: str) -> str:
    """Return a page of its lines."""
    return "\n".join([NOTE, *parts]).rstrip() + "\n"
