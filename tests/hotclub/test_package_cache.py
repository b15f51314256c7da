"""The package cache against a registry whose tags say something else, and a folder that is not there yet."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hotclub import names, package
from hotclub.errors import PackageError
from hotclub.model_registry import RegisteredVersion
from hotclub.package_cache import PackageCache


class FolderRegistry:
    """The one part of the port that the cache uses, over a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def download(self, version: RegisteredVersion, destination: Path) -> None:
        """Copy the package."""
        shutil.copytree(self.folder, destination, dirs_exist_ok=True)


def version(folder: Path, model: str = "arrival_delay", **tags: str) -> RegisteredVersion:
    """Return a version with the package's own digest and fingerprint; `tags` replace them."""
    own = {
        names.TAG_DIGEST: package.digest(folder),
        names.TAG_FINGERPRINT: package.read(folder).contract.fingerprint,
    }
    return RegisteredVersion(model, "1", "", "", tags={**own, **tags})


def test_the_folders_above_the_cache_are_made(small_package: Path, tmp_path: Path) -> None:
    """A first run has none of them."""
    cache = PackageCache(tmp_path / "a" / "b", FolderRegistry(small_package))  # type: ignore[arg-type]
    assert cache.fetch(version(small_package)).path.parent == tmp_path / "a" / "b"


def test_a_package_of_another_contract_is_refused(small_package: Path, tmp_path: Path) -> None:
    """The fingerprint that the registry names is compared, both named by twelve characters; also from the cache."""
    cache = PackageCache(tmp_path, FolderRegistry(small_package))  # type: ignore[arg-type]
    mine = package.read(small_package).contract.fingerprint
    words = f"fingerprint {mine[:12]} is not {'c' * 12}, which the registry names"
    cache.fetch(version(small_package))
    with pytest.raises(PackageError, match=words):
        cache.fetch(version(small_package, **{names.TAG_FINGERPRINT: "c" * 64}))


def test_a_package_of_another_model_is_refused(small_package: Path, tmp_path: Path) -> None:
    """The model's name is compared too."""
    cache = PackageCache(tmp_path, FolderRegistry(small_package))  # type: ignore[arg-type]
    with pytest.raises(PackageError, match="arrival_delay"):
        cache.fetch(version(small_package, model="other"))
