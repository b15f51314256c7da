"""Adds a class to an app's ``ml.py`` and touches nothing that is there."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hotclub.errors import ContractError


@dataclass(frozen=True)
class Import:
    """A name that the class uses: ``from module import name``."""

    module: str
    name: str


@dataclass
class MlFile:
    """An ``ml.py`` that is there, or is to be made.

    Attributes:
        path: where it is.
        text: what is there, empty for a new file.
    """

    path: Path
    text: str = ""
    encoding: str = "utf-8"
    newline: str = "\n"
    _tree: ast.Module = field(default_factory=lambda: ast.Module([], []))

    def bound_names(self) -> set[str]:
        """Return the names that the file binds at its top level."""
        return {name for node in ast.walk(self._tree) for name in _bound(node)}

    def local_name(self, wanted: Import) -> str | None:
        """Return what the file itself calls an import, None where it does not have it."""
        for node in self._tree.body:
            if isinstance(node, ast.ImportFrom) and node.module == wanted.module and not node.level:
                for alias in node.names:
                    if alias.name == wanted.name:
                        return alias.asname or alias.name
        return None

    def with_class(self, imports: Iterable[str], lines: Iterable[str]) -> str:
        """Return the file's text with import lines after its imports and a class at its end."""
        rest = self._lines()
        if rest and not rest[-1].endswith(("\n", "\r")):
            rest[-1] += self.newline
        added = [f"{line}{self.newline}" for line in imports]
        after, has_imports = self._end_of_imports(rest)
        head, tail = rest[:after], rest[after:]
        if added and head and not has_imports:
            added.insert(0, self.newline)
        if added and tail and tail[0].strip():
            added.append(self.newline)
        body = head + added + tail
        while body and not body[-1].strip():
            body.pop()
        blank = [self.newline] * 2 if body else []
        return "".join(body + blank + [f"{line}{self.newline}" for line in lines])

    def _lines(self) -> list[str]:
        """Return the lines as Python counts them: other separators of Unicode are part of a line."""
        return list(io.StringIO(self.text, newline=""))

    def _end_of_imports(self, lines: Sequence[str]) -> tuple[int, bool]:
        """Return after which line imports may be added, and whether that line is one."""
        # A header of comments stays first: it may name the file's encoding.
        end = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
        found = False
        for number, node in enumerate(self._tree.body):
            is_docstring = (
                number == 0
                and isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            )
            if not is_docstring and not isinstance(node, ast.Import | ast.ImportFrom):
                break
            end, found = node.end_lineno or 0, not is_docstring
        return end, found


def read_ml_file(path: Path) -> MlFile:
    """Return an ``ml.py`` as it is, or a new one.

    Raises:
        ContractError: it is not Python; the message has the line.
    """
    if not path.exists():
        return MlFile(path)
    content = path.read_bytes()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding)
        tree = ast.parse(text)
    except SyntaxError as error:
        where = f", line {error.lineno}" if error.lineno else ""
        raise ContractError(
            f"{path}{where}: it is not Python ({error.msg}); nothing was written. Correct it first"
        ) from error
    except ValueError as error:
        raise ContractError(
            f"{path}: it is not Python ({error}); nothing was written. Correct it first"
        ) from error
    return MlFile(path, text, encoding, "\r\n" if "\r\n" in text else "\n", tree)


def write_ml_file(file: MlFile, text: str) -> None:
    """Write a text in the file's own encoding.

    Raises:
        ContractError: the file's encoding has no such characters.
    """
    try:
        content = text.encode(file.encoding)
    except UnicodeEncodeError as error:
        raise ContractError(
            f"{file.path}: its encoding {file.encoding} has no {error.object[error.start]!r}; nothing was written. Save it as UTF-8"
        ) from error
    file.path.write_bytes(content)


def _bound(node: ast.AST) -> Iterable[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name.split(".")[0]
