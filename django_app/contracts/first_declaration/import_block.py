"""Adds imports to the import block of a file, in the order of isort's and ruff's defaults, and changes nothing else."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django_app.contracts.first_declaration.python_text import WIDTH

_FUTURE, _STANDARD, _THIRD, _OWN, _RELATIVE = range(5)
_NUMBERS: Final = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Import:
    """A name that the class uses: ``from module import name``."""

    module: str
    name: str


class ImportBlock:
    """The imports at the top of a file.

    Args:
        lines: the file's lines, with their ends.
        nodes: the statements of the block, at least one.
        after: the statement that follows it, None where none does.
        newline: how the file ends lines.
        root: the folder whose packages are the project's own; None where that is not known.
    """

    def __init__(
        self,
        lines: Sequence[str],
        nodes: Sequence[ast.Import | ast.ImportFrom],
        after: ast.stmt | None,
        newline: str,
        root: Path | None,
    ) -> None:
        self._lines = list(lines)
        self._after = after
        self._newline = newline
        self._root = root
        self._nodes = list(nodes)

    def with_imports(self, imports: Mapping[Import, str]) -> list[str]:
        """Return the file's lines with further imports.

        Args:
            imports: each with the name that it has in the file.
        """
        plain: dict[str, list[str]] = {}
        for wanted, local in sorted(imports.items(), key=lambda item: (item[0].module, item[0].name)):
            if local == wanted.name:
                plain.setdefault(wanted.module, []).append(local)
        for module, names in plain.items():
            if not self._merge(module, names):
                self._insert(module, bracketed_import(module, sorted(names, key=isort_key)))
        for wanted, local in sorted(imports.items(), key=lambda item: (item[0].module, item[0].name)):
            if local != wanted.name:
                # A name of its own is a statement of its own, as isort has it.
                self._insert(wanted.module, [f"from {wanted.module} import {wanted.name} as {local}"])
        return self._lines

    def _merge(self, module: str, names: Sequence[str]) -> bool:
        """Add names to the file's own import of a module; return whether there is one that only needs them."""
        for node in self._nodes:
            if not isinstance(node, ast.ImportFrom) or (node.module, node.level) != (module, 0):
                continue
            there = [alias.name for alias in node.names]
            if any(alias.asname for alias in node.names) or "*" in there or not self._is_alone(node):
                continue
            start, end = node.lineno - 1, node.end_lineno or node.lineno
            comments = _comments(self._lines[start:end])
            all_names = [*there, *names]
            if there == sorted(there, key=isort_key):
                all_names.sort(key=isort_key)
            text = bracketed_import(module, all_names, one_line=end - start == 1)
            if comments and (end - start > 1 or len(text) > 1):
                continue
            text[-1] += f"  {comments[0]}" if comments else ""
            self._replace(start, end, text)
            return True
        return False

    def _insert(self, module: str, text: Sequence[str]) -> None:
        """Write a statement where isort would have it: by section, and in it by the module's name."""
        section = self._section(module, 0)
        sections = [self._section_of(node) for node in self._nodes]
        same = [node for node, found in zip(self._nodes, sections, strict=True) if found == section]
        later = [node for node in same if isinstance(node, ast.ImportFrom) and _is_later(node, module)]
        if later:
            at = self._top_of(later[0])
            # isort leaves a line before a comment.
            self._replace(at, at, [*text, ""] if at < later[0].lineno - 1 else text)
        elif same:
            at = same[-1].end_lineno or same[-1].lineno
            self._replace(at, at, text)
        else:
            self._insert_section(section, sections, text)

    def _insert_section(self, section: int, sections: Sequence[int], text: Sequence[str]) -> None:
        below = next((n for n, found in zip(self._nodes, sections, strict=True) if found > section), None)
        if below is not None:
            at = self._top_of(below)
            is_text = at > 0 and self._lines[at - 1].strip() and not self._lines[at - 1].startswith("#")
            before = [""] if is_text else []
            self._replace(at, at, [*before, *text, ""])
            return
        at = self._nodes[-1].end_lineno or self._nodes[-1].lineno
        self._replace(at, at, ["", *text])

    def _top_of(self, node: ast.stmt) -> int:
        """Return the line of a statement, or of the comments above it; those at the file's beginning are the file's."""
        at = node.lineno - 1
        while at and self._lines[at - 1].startswith("#"):
            at -= 1
        return at or node.lineno - 1

    def _replace(self, start: int, end: int, text: Sequence[str]) -> None:
        """Replace lines, and read the block again: the statements below have moved."""
        if end == len(self._lines) and self._lines and not self._lines[-1].endswith(("\n", "\r")):
            self._lines[-1] += self._newline
        added = [f"{line}{self._newline}" for line in text]
        self._lines[start:end] = added
        count = len(self._nodes) + (start == end)
        body = ast.parse("".join(self._lines)).body
        first = next(n for n, node in enumerate(body) if isinstance(node, ast.Import | ast.ImportFrom))
        self._nodes = [n for n in body[first : first + count] if isinstance(n, ast.Import | ast.ImportFrom)]
        self._after = next(iter(body[first + count :]), None)

    def _is_alone(self, node: ast.ImportFrom) -> bool:
        """Return whether no other statement shares a line with an import."""
        others = [other for other in (*self._nodes, self._after) if other not in (node, None)]
        end = node.end_lineno or node.lineno
        shared = [
            o
            for o in others
            if o is not None and o.lineno <= end and (o.end_lineno or o.lineno) >= node.lineno
        ]
        return not shared

    def _section_of(self, node: ast.Import | ast.ImportFrom) -> int:
        if isinstance(node, ast.ImportFrom):
            return self._section(node.module or "", node.level)
        return self._section(node.names[0].name, 0)

    def _section(self, module: str, level: int) -> int:
        top = module.split(".", maxsplit=1)[0]
        if level:
            return _RELATIVE
        if top == "__future__":
            return _FUTURE
        if top in sys.stdlib_module_names:
            return _STANDARD
        if self._root is not None and ((self._root / top).is_dir() or (self._root / f"{top}.py").is_file()):
            return _OWN
        return _THIRD


def root_of(path: Path) -> Path:
    """Return the folder that holds the topmost package of a file: what is in it is the project's own."""
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        folder = folder.parent
    return folder


def import_lines(imports: Mapping[Import, str]) -> list[str]:
    """Return the import lines, as isort sorts them: the standard library, Django and Hotclub, the project."""
    standard: list[str] = []
    third: list[str] = []
    own: list[str] = []
    modules: dict[str, list[str]] = {}
    for wanted, name in imports.items():
        alias = wanted.name if name == wanted.name else f"{wanted.name} as {name}"
        modules.setdefault(wanted.module, []).append(alias)
    for module in sorted(modules):
        group = (
            standard
            if module == "datetime"
            else third
            if module.split(".")[0] in ("django", "hotclub")
            else own
        )
        group += bracketed_import(module, sorted(modules[module], key=isort_key))
    blocks = [block for block in (standard, third, own) if block]
    return [line for n, block in enumerate(blocks) for line in ([""] if n else []) + block]


def bracketed_import(module: str, names: Sequence[str], *, one_line: bool = True) -> list[str]:
    """Return an import of names, a line each where it does not fit on one, or shall not be on one."""
    line = f"from {module} import {', '.join(names)}"
    if one_line and len(line) <= WIDTH:
        return [line]
    return [f"from {module} import (", *(f"    {name}," for name in names), ")"]


def isort_key(name: str) -> tuple[int, tuple[tuple[int, int, str], ...], str]:
    """Constants, then classes, then functions, each by the alphabet, as isort's default has it."""
    kind = 0 if len(name) > 1 and name.isupper() else 1 if name[0].isupper() else 2
    return kind, _natural_key(name), name


def _comments(lines: Sequence[str]) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO("".join(lines)).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


def _is_later(node: ast.ImportFrom, module: str) -> bool:
    """Return whether an import comes after one of a module's own names: so do other names for those of the same module."""
    if node.module == module:
        return any(alias.asname for alias in node.names)
    return _natural_key(node.module or "") > _natural_key(module)


def _natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Numbers in names are compared as numbers, and small letters are as large ones."""
    parts = _NUMBERS.split(name.lower())
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part)
