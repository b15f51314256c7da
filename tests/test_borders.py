"""The borders of the architecture: a forbidden import is found, for every contract."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS: list[dict[str, Any]] = CONFIGURATION["contracts"]


def _lint(tree: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    # The copy's packages, not the installed ones.
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    command = [str(program), "--no-cache", "--config", str(tree / "pyproject.toml")]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def tree(services: None, tmp_path: Path) -> Path:
    """A copy of the code that the linter looks at."""
    for package in CONFIGURATION["root_packages"]:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.json")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _file_of(tree: Path, module: str) -> Path:
    path = tree.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _forbidden_pair(contract: dict[str, Any]) -> tuple[str, str]:
    """Return two modules of which the first may not import the second."""
    if contract["type"] == "layers":
        (container,) = contract["containers"]
        lower, upper = (contract["layers"][n].split(" | ")[0] for n in (-1, 0))
        return f"{container}.{lower}", f"{container}.{upper}"
    return contract["source_modules"][0], contract["forbidden_modules"][0]


@pytest.mark.parametrize("contract", CONTRACTS, ids=[c["name"] for c in CONTRACTS])
def test_planted_import_breaks_its_contract(tree: Path, contract: dict[str, Any]) -> None:
    """One forbidden import, planted in the first source module, makes the linter fail and name the contract."""
    importer, imported = _forbidden_pair(contract)
    with _file_of(tree, importer).open("a") as source:
        source.write(f"\nimport {imported}\n")
    done = _lint(tree)
    assert done.returncode == 1, done.stdout
    assert f"{contract['name']} BROKEN" in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", ["mlflow", "docker"])
def test_configuration_folders_do_not_shadow_packages(name: str) -> None:
    """The folders mlflow/ and docker/ hold no Python file, and the package of that name is the installed one."""
    assert not list((ROOT / name).rglob("*.py"))
    spec = find_spec(name)
    assert spec is None or "site-packages" in str(spec.origin)
