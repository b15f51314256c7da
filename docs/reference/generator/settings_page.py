"""docs/reference/settings.md: every environment variable, its readers and its default."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from generator.source_code import NOTE, ROOT, Module, attributes, cell, modules

_VARIABLE: Final = re.compile(r"HOTCLUB_[A-Z0-9_]*[A-Z0-9]")
#: Defines the names that packages share; a mention there does not make it a reader.
_NAMES: Final = "hotclub.names"
#: The launcher sets variables for services, so that only what it takes from the environment counts as read.
_LAUNCHER: Final = "stack"
#: Begins the comment of a variable of ``.env.example`` that the launcher sets.
_LAUNCHERS_MARK: Final = "* "


@dataclass
class Variable:
    """An environment variable, as its readers and ``.env.example`` describe it."""

    readers: set[str] = field(default_factory=set)
    defaults: set[str] = field(default_factory=set)
    descriptions: list[str] = field(default_factory=list)
    set_by_launcher: bool = False


def settings_page() -> str:
    """Return the page of environment variables: who reads each, its default and what it is."""
    parts = [
        NOTE,
        "# Settings\n",
        "Every environment variable that a package of Hotclub reads, and the modules that read or pass it.",
        "The launcher sets some of them for the services it starts; set those yourself only for a part that you start alone.",
        "[.env.example](../../.env.example) has the variables to copy.\n",
        "| variable | what it is | default | read by | set by the launcher |",
        "|---|---|---|---|---|",
    ]
    for name, variable in sorted(variables().items()):
        readers = ", ".join(f"`{reader}`" for reader in sorted(variable.readers))
        defaults = " or ".join(f"`{value}`" for value in sorted(variable.defaults))
        launcher = "yes" if variable.set_by_launcher else ""
        parts.append(f"| `{name}` | {cell(describe(variable))} | {defaults} | {readers} | {launcher} |")
    return "\n".join(parts) + "\n"


def describe(variable: Variable) -> str:
    """Return the description of a variable; empty where nobody wrote one."""
    text = next((text for text in variable.descriptions if text), "")
    return text[:1].upper() + text[1:].rstrip(".")


def variables() -> dict[str, Variable]:
    """Return the environment variables by name, with what their readers say about them."""
    found: dict[str, Variable] = {}
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and _is_settings(node):
                _settings_class(node, module, found)
    shared = _shared_names()
    for module in modules():
        for name in _mentioned(module, shared):
            found.setdefault(name, Variable()).readers.add(module.name)
    for name, text in _comments_of_names().items():
        if name in found:
            found[name].descriptions.append(text)
    for name, text in _comments_of_example().items():
        if name in found:
            found[name].set_by_launcher = text.startswith(_LAUNCHERS_MARK)
            # Before what classes say: it is written for people who set the variable.
            found[name].descriptions.insert(0, text.removeprefix(_LAUNCHERS_MARK))
    return found


def _is_settings(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).rpartition(".")[2] == "BaseSettings" for base in node.bases)


def _settings_class(node: ast.ClassDef, module: Module, found: dict[str, Variable]) -> None:
    """Add the fields of a pydantic settings class."""
    prefix = ""
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
            prefix = _keyword_text(statement.value, "env_prefix", prefix)
    documented = attributes(ast.get_docstring(node) or "")
    for statement in node.body:
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            continue
        name = statement.target.id
        # A prefix that is a constant of the module is the project's own.
        variable = found.setdefault(f"{prefix or 'HOTCLUB_'}{name.upper()}", Variable())
        variable.readers.add(module.name)
        default, description = _field(statement.value)
        if default:
            variable.defaults.add(default)
        variable.descriptions.append(description or documented.get(name, ""))


def _field(value: ast.expr | None) -> tuple[str, str]:
    """Return default and description of a settings field; an empty default and None are none."""
    description = ""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "Field":
        description = _keyword_text(value, "description", "")
        value = next((k.value for k in value.keywords if k.arg == "default"), None)
    if isinstance(value, ast.Call) and len(value.args) == 1:  # Path("var"), SecretStr("...")
        value = value.args[0]
    if value is None or (isinstance(value, ast.Constant) and value.value in (None, "")):
        return "", description
    return (str(value.value) if isinstance(value, ast.Constant) else ast.unparse(value)), description


def _keyword_text(call: ast.Call, name: str, default: str) -> str:
    for keyword in call.keywords:
        if keyword.arg == name and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return default


def _shared_names() -> dict[str, str]:
    """Return the variables that `hotclub.names` has constants for, by constant."""
    names = next((m for m in modules() if m.name == _NAMES), None)
    return {
        node.target.id: str(node.value.value)
        for node in (names.tree.body if names else ())
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Constant)
        and _VARIABLE.fullmatch(str(node.value.value))
    }


def _mentioned(module: Module, shared: dict[str, str]) -> Iterator[str]:
    """Yield the variables that a module reads: by name, or by a constant of `hotclub.names`."""
    if module.name == _NAMES:
        return
    launcher = module.name.partition(".")[0] == _LAUNCHER
    for node in ast.walk(module.tree):
        for candidate in _looked_up(node) if launcher else [node]:
            if isinstance(candidate, ast.Constant) and isinstance(candidate.value, str):
                if _VARIABLE.fullmatch(candidate.value):
                    yield candidate.value
            elif isinstance(candidate, ast.Attribute) and candidate.attr in shared:
                yield shared[candidate.attr]


def _looked_up(node: ast.AST) -> list[ast.expr]:
    """Return the key of ``environ[key]`` or ``environ.get(key)``."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        return [node.slice] if "environ" in ast.unparse(node.value) else []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        return node.args[:1] if "environ" in ast.unparse(node.func.value) else []
    return []


def _comments_of_names() -> dict[str, str]:
    """Return the comments behind the constants of `hotclub.names`, by variable."""
    names = next((m for m in modules() if m.name == _NAMES), None)
    text = names.path.read_text(encoding="utf-8") if names else ""
    return dict(re.findall(r'= "(HOTCLUB_[A-Z0-9_]+)" +# (.*)', text))


def _comments_of_example() -> dict[str, str]:
    """Return the comments above the lines of ``.env.example``, by variable."""
    found: dict[str, str] = {}
    comment: list[str] = []
    after_variable = False
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        variable = re.match(r"#?(HOTCLUB_[A-Z0-9_]+)=", line)
        if variable:
            found[variable[1]] = " ".join(comment)
        else:
            if after_variable or not line.startswith("# "):
                comment = []
            if line.startswith("# ") and not line.startswith("# --"):
                comment.append(line.removeprefix("# "))
        after_variable = variable is not None
    return found
