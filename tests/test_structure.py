"""The shape of the tree: a module's name says one thing, and a Django app's writes are where one looks for them."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("hotclub", "django_app", "dags", "data_checks", "training", "serving", "stack")
#: Names that say a role which each package or Django app has, and mean the same in all of them.
ROLES = {
    "__init__", "__main__",
    "errors", "settings", "exception_handlers", "sweep",
    "admin", "apps", "models", "selectors", "services", "signals", "tasks", "contract_usage",
    "serializers", "urls", "views",
}  # fmt: skip
#: Methods of Django's managers, querysets and models that write or lock rows.
WRITES = {
    "create", "bulk_create", "get_or_create", "update_or_create", "bulk_update", "save", "delete", "update",
    "select_for_update",
}  # fmt: skip
APPS = ("tenants", "contracts", "registry", "ingest", "scoring", "flights")


def _modules() -> Iterator[Path]:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if (
                not {"migrations", "formats", "commands"} & set(path.parts[:-1])
                and "settings" not in path.parts[:-1]
            ):
                yield path.relative_to(ROOT)


def test_no_two_modules_have_one_name() -> None:
    """A name that two packages use must be a role that both have; else one of them needs a better one."""
    places = defaultdict(list)
    for path in _modules():
        if path.stem not in ROLES:
            places[path.stem].append(str(path))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def _orm_writes(path: Path) -> list[str]:
    """Return the calls in a file that write or lock rows of Django's models."""
    found = []
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES:
            text = ast.unparse(node.func)
            if ".objects." in text or "_manager." in text or node.func.attr == "select_for_update":
                found.append(f"{path}:{node.lineno}: {text}")
    return found


@pytest.mark.parametrize("app", APPS)
def test_writes_are_in_services(app: str) -> None:
    """A reader looks for writes and row locks in `services`, for reads in `selectors`."""
    found = [
        write
        for path in _modules()
        if path.parts[:2] == ("django_app", app) and "services" not in (*path.parts, path.stem)
        for write in _orm_writes(path)
    ]
    assert found == []


def test_the_writes_are_found_where_they_are() -> None:
    """The rule above looks at something: services do write."""
    assert _orm_writes(Path("django_app/registry/services.py"))
    assert any(
        "select_for_update" in w for w in _orm_writes(Path("django_app/ingest/services/deliveries.py"))
    )


@pytest.mark.parametrize("app", APPS)
def test_an_app_has_the_shape_of_every_app(app: str) -> None:
    """Models, admin and an AppConfig; reads and writes under the names that every app uses for them."""
    folder = ROOT / "django_app" / app
    names = {path.stem for path in folder.iterdir()}
    assert {"__init__", "apps", "models", "admin"} <= names
    assert "services" in names
