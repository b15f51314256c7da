"""A local, content-addressed cache of model packages: ``<root>/<digest>/``."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from hotclub import package
from hotclub.errors import PackageError
from hotclub.model_registry import ModelRegistry, RegisteredVersion

#: The tag comes from outside and becomes a folder's name.
_DIGEST = re.compile(r"[0-9a-f]{64}")


class PackageCache:
    """Downloads packages from a registry once, and never serves a file that changed on the way."""

    def __init__(self, root: Path, registry: ModelRegistry) -> None:
        self.root = root
        self._registry = registry

    def path(self, digest: str) -> Path:
        """Return where a package of this digest lies, or would."""
        return self.root / digest

    def fetch(self, version: RegisteredVersion) -> package.Package:
        """Return a version's package, from the cache or the registry, verified either way.

        A damaged copy in the cache is deleted and downloaded again.

        Raises:
            PackageError: the version has no digest, or what it holds is not what its tags say.
            RegistryError: the registry does not answer.
        """
        if version.digest is None:
            raise PackageError(
                f"{version.model_name} version {version.version} has no package digest; was it registered by hand?"
            )
        if not _DIGEST.fullmatch(version.digest):
            raise PackageError(
                f"{version.model_name} version {version.version}: the digest tag is not a sha256"
            )
        target = self.path(version.digest)
        if target.is_dir():
            try:
                return self._read(target, version)
            except PackageError:
                shutil.rmtree(target, ignore_errors=True)
        self._download(version, target)
        return self._read(target, version)

    def _download(self, version: RegisteredVersion, target: Path) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=self.root, prefix=".incoming-"))
        try:
            self._registry.download(version, work)
            found = package.digest(work)
            if found != version.digest:
                raise PackageError(
                    f"the package's digest is {found[:12]}, the registry's tag says {target.name[:12]}"
                )
            try:
                work.rename(target)
            except OSError:
                # Another process downloaded the same bytes first.
                if not target.is_dir():
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)

    @staticmethod
    def _read(path: Path, version: RegisteredVersion) -> package.Package:
        found = package.read(
            path, expect_model=version.model_name, expect_fingerprint=version.contract_fingerprint
        )
        if found.digest != version.digest:
            raise PackageError(f"{path}: holds another package than its name says")
        return found
