"""The documentation is true: generated pages are up to date, links lead to files, and names that pages mention exist."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import ClassVar, Final

import pytest

from hotclub import declarations, metrics, names, objectives, parameters, severities
from tests.conftest import ROOT

#: Folders of the repository that hold no page of ours.
_SKIPPED: Final = frozenset({".venv", ".git", "var", "build", "dist", "node_modules"})
_PACKAGES: Final = ("hotclub", "django_app", "dags", "data_checks", "training", "serving", "stack", "tests")
_LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_CODE: Final = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_DOTTED: Final = re.compile(rf"(?<![\w./<-])(?:{'|'.join(_PACKAGES)})(?:\.\w+)+(?![\w/])")
_PATH: Final = re.compile(r"(?<![\w./<>…-])(?:[\w.-]+/)+[\w.-]+\.(?:py|toml|json|md)(?![\w/])")
#: What looks like a path of the repository and is one of the reader's own project, of a stack's state or of a package.
_NOT_OURS: Final = re.compile(r"^(contracts|var|package|secrets)/|^shop/|^\.\./(penguins|clinics)/")


def _pages() -> list[Path]:
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*.md"))
    return sorted(path for path in found if not _SKIPPED.intersection(path.parts))


PAGES: Final = _pages()
WRITTEN: Final = [page for page in PAGES if page.parent != Path("docs/reference")]


@cache
def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "docs_generate", ROOT / "docs" / "reference" / "generate.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_up_to_date() -> None:
    """What `make docs` writes is what is there."""
    assert not _generator().differences(), "run `make docs` and commit what it writes"


def test_generator_tells_of_a_page_that_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--check`` fails for a changed and a missing page, and passes after they were written."""
    generator = _generator()
    monkeypatch.setattr(generator, "FOLDER", tmp_path)
    assert generator.main(["--check"]) == 1
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0
    page = tmp_path / "settings.md"
    page.write_text(page.read_text() + "by hand\n")
    assert generator.differences() == ["settings.md"]


def test_every_variable_is_described() -> None:
    """Each variable that the settings page lists says what it is."""
    settings_page = _generator().settings_page
    found = settings_page.variables()
    assert [name for name, variable in found.items() if not settings_page.describe(variable)] == []


def test_settings_page_has_the_variables_that_packages_share() -> None:
    """The constants of `hotclub.names` and the fields of settings classes are all found."""
    shared = {value for name, value in vars(names).items() if name.startswith("VARIABLE_")}
    expected = shared | {
        "HOTCLUB_SERVING_MAX_ROWS",
        "HOTCLUB_PORT_SHIFT",
        "HOTCLUB_SECRET_KEY",
        "HOTCLUB_READER_DATABASE_URL",
    }
    assert expected <= _generator().settings_page.variables().keys()


def _listed(page: str) -> set[str]:
    """Return what stands as code in the first cell, and in the second of the API's page, of a page's tables."""
    text = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    return set(re.findall(r"^\| (?:\w+ \| )?`([^`]+)` \|", text, re.MULTILINE))


def test_the_reference_lists_everything_that_is_there() -> None:
    """Counted in another way than the pages are written: attributes, features, metrics, parameters, commands, paths."""
    fields = {
        f.name
        for feature in (*declarations.Feature.__subclasses__(), declarations.Feature)
        for f in dataclasses.fields(feature)
    }
    attributes = {*declarations.MLModel.__annotations__, *declarations.Source.__annotations__}
    assert _listed("declarations.md") == fields | attributes | set(severities.ORDER)
    assert _listed("metrics.md") == set(metrics.METRICS)
    allowed = {*parameters.ALLOWED, *parameters.OURS, parameters.MONOTONE, parameters.INTERACTION}
    refused = {*parameters.REFUSED, *objectives.REFUSED}
    assert _listed("parameters.md") == allowed | refused | set(objectives.ALLOWED)
    targets = (ROOT / "Makefile").read_text().split(".PHONY: ")[1].splitlines()[0].split()
    management = {path.stem for path in (ROOT / "django_app").glob("*/management/commands/[a-z]*.py")}
    listed = _listed("commands.md")
    assert {f"make {target}" for target in targets} | management <= listed
    assert {"up", "restart", "snapshot", "register", "stage", "check"} <= listed
    assert {"/api/v1/batches/", "/api/v1/deliveries/{id}/load/", "/v1/models/{name}/predict"} <= _listed(
        "api.md"
    )


def test_the_index_of_the_reference_has_every_page() -> None:
    """A page that is added is found from its index."""
    pages = set(_generator().PAGES)
    assert pages - {"README.md"} == _generator()._ABOUT.keys()
    assert pages == {path.name for path in (ROOT / "docs" / "reference").glob("*.md")}


def test_an_attribute_without_a_description_stops_the_generator() -> None:
    """A page with an empty cell says less than the failure does, which names the attribute."""

    class Undescribed:
        """A class.

        Attributes:
            one: is described.
        """

        one: ClassVar[int] = 1
        two: ClassVar[int] = 2

    with pytest.raises(LookupError, match=r"Undescribed\.two: add it to the docstring"):
        _generator().declarations_page._attributes_of(Undescribed)


def test_a_path_without_a_summary_stops_the_generator() -> None:
    """The same for the API."""
    with pytest.raises(LookupError, match="GET /x: give it a docstring or a summary"):
        _generator().api_page._sentence(" \n", "GET /x")


def test_cells_of_generated_tables_are_cells() -> None:
    """No line of a table has more or fewer cells than its header, whatever the code's texts hold."""
    for name in _generator().PAGES:
        columns = 0
        for line in (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8").splitlines():
            cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            assert cells == columns or not (cells and columns), f"{name}: {line}"
            columns = cells


def test_the_folder_map_is_complete() -> None:
    """Each folder that README lists is there, and each that is there is listed, but for configuration of tools."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[\w./]+/`(?:, `[\w./]+/`)*) \|", text.partition("## Folders")[2], re.MULTILINE)
    listed = {folder for row in rows for folder in re.findall(r"`([\w.]+)/`", row)}
    packed = _folders()
    assert listed - {"var"} == packed


def _folders() -> set[str]:
    """Return the folders of the repository, without what tools and stacks make."""
    made = _SKIPPED | {"mutants"}
    return {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir()
        and not path.name.startswith(".")
        and path.name not in made
        and not path.name.endswith(".egg-info")
        and path.name != "__pycache__"
    }


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file or folder, and its fragment a heading there."""
    text = (ROOT / page).read_text(encoding="utf-8")
    wrong = []
    for target in _LINK.findall(_CODE.sub("", text) if page in WRITTEN else text):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, fragment = target.partition("#")
        file = (ROOT / page.parent / path) if path else ROOT / page
        if not file.exists() or (fragment and fragment not in _headings(file)):
            wrong.append(target)
    assert not wrong


def _headings(file: Path) -> set[str]:
    """Return the fragments of a page's headings, as GitHub makes them."""
    lines = re.sub(r"```.*?```", "", file.read_text(encoding="utf-8"), flags=re.DOTALL).splitlines()
    titles = [line.lstrip("#").strip().lower() for line in lines if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", WRITTEN, ids=str)
def test_names_in_code_exist(page: Path) -> None:
    """A dotted name of ours and a path that a page mentions as code are there."""
    text = (ROOT / page).read_text(encoding="utf-8")
    code = "\n".join(_CODE.findall(text))
    wrong = [name for name in _DOTTED.findall(code) if not _is_name(name)]
    wrong += [path for path in _PATH.findall(code) if not _NOT_OURS.match(path) and not _is_path(page, path)]
    assert not wrong, f"{page} mentions what is not there; where it was renamed, correct the page"


def _is_path(page: Path, path: str) -> bool:
    return any((folder / path).exists() for folder in (ROOT, ROOT / page.parent, ROOT / "django_app"))


def _is_name(name: str) -> bool:
    """Return whether a dotted name is a module, a name in one, a shared name's text, or a file's name."""
    if name in vars(names).values():  # a tag in MLflow
        return True
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        file = _file(parts[:length])
        if file is not None:
            return length == len(parts) or parts[length] in set(_defined(file))
    return False


def _file(parts: list[str]) -> Path | None:
    path = ROOT.joinpath(*parts)
    candidates = (path / "__init__.py", path.parent / f"{path.name}.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _defined(file: Path) -> Iterator[str]:
    """Yield what a module defines or imports at its top level."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.ImportFrom | ast.Import):
            yield from (alias.asname or alias.name for alias in node.names)
