"""Adds a class to an app's ``ml.py`` and touches nothing that is there."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django_app.contracts.first_declaration.import_block import (
    Import,
    ImportBlock,
    import_lines,
    root_of,
)
from hotclub.errors import ContractError


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

    def with_class(self, imports: Mapping[Import, str], lines: Iterable[str]) -> str:
        """Return the file's text with imports among its own and a class at its end.

        Args:
            imports: what the class needs and the file lacks, each with the name that it has in the file.
            lines: the class.
        """
        body = self._with_imports(self._lines(), imports)
        while body and not body[-1].strip():
            body.pop()
        if body and not body[-1].endswith(("\n", "\r")):
            body[-1] += self.newline
        blank = [self.newline] * 2 if body else []
        return "".join(body + blank + [f"{line}{self.newline}" for line in lines])

    def _with_imports(self, there: list[str], imports: Mapping[Import, str]) -> list[str]:
        if not imports:
            return there
        first = 1 if ast.get_docstring(self._tree, clean=False) is not None else 0
        statements = self._tree.body[first:]
        nodes: list[ast.Import | ast.ImportFrom] = []
        for node in statements:
            if not isinstance(node, ast.Import | ast.ImportFrom):
                break
            nodes.append(node)
        if nodes:
            after = next(iter(statements[len(nodes) :]), None)
            block = ImportBlock(there, nodes, after, self.newline, root_of(self.path))
            return block.with_imports(imports)
        at = self._top(there)
        if at == len(there) and there and not there[-1].endswith(("\n", "\r")):
            there[-1] += self.newline
        added = [f"{line}{self.newline}" for line in import_lines(imports)]
        head, tail = there[:at], there[at:]
        before = [self.newline] if head else []
        behind = [self.newline] if tail and tail[0].strip() else []
        return head + before + added + behind + tail

    def _lines(self) -> list[str]:
        """Return the lines as Python counts them: other separators of Unicode are part of a line."""
        return list(io.StringIO(self.text, newline=""))

    def _top(self, lines: Sequence[str]) -> int:
        """Return after which line the first imports may stand: after the docstring, else after a header of comments."""
        if ast.get_docstring(self._tree, clean=False) is not None:
            return self._tree.body[0].end_lineno or 0
        # It may name the file's encoding.
        return next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))


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
