"""The model registry as Hotclub needs it: a port. `mlflow_rest` is its adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hotclub import names
from hotclub.errors import GateError


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A model by name, with the versions that its aliases point to."""

    name: str
    aliases: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """One version of a registered model. `version` is MLflow's number as text."""

    model_name: str
    version: str
    run_id: str
    source: str
    status: str = "READY"
    description: str = ""
    created_at_ms: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def digest(self) -> str | None:
        """The digest of its package, or None when nobody tagged it."""
        return self.tags.get(names.TAG_DIGEST)

    @property
    def contract_fingerprint(self) -> str | None:
        """The fingerprint of the contract that it was trained under."""
        return self.tags.get(names.TAG_FINGERPRINT)

    def require_gates(self) -> None:
        """Refuse a version whose gates did not pass, or that none measured, unless a person tagged an override with a reason.

        Raises:
            GateError: with the tag to set.
        """
        if self.tags.get(names.TAG_GATES) == names.GATES_PASSED:
            return
        if self.tags.get(names.TAG_OVERRIDE, "").strip():
            return
        state = self.tags.get(names.TAG_GATES, "no verdict")
        first = (
            "no gate has measured this version: declare gates on metrics in ml.py, run makecontracts and train again; "
            if state == names.GATES_NONE
            else ""
        )
        failed = self.tags.get(names.TAG_FAILED_GATES)
        raise GateError(
            f"gates: {state}{f' ({failed})' if failed else ''}; {first}to serve it all the same, "
            f"set the tag {names.TAG_OVERRIDE} on the version to the reason"
        )


class ModelRegistry(Protocol):
    """Finds versions and downloads their packages."""

    def models(self) -> list[RegisteredModel]:
        """Return Hotclub's registered models (those with the tag `names.TAG_KIND`) and their aliases."""
        ...

    def version(self, model: str, version: str) -> RegisteredVersion:
        """Return one version; RegistryNotFoundError when it is not there."""
        ...

    def version_by_alias(self, model: str, alias: str) -> RegisteredVersion:
        """Return the version that an alias points to; RegistryNotFoundError when it points nowhere."""
        ...

    def versions(self, model: str) -> list[RegisteredVersion]:
        """Return every version of a model, newest first."""
        ...

    def download(self, version: RegisteredVersion, destination: Path) -> None:
        """Write the files of a version's package into an existing folder."""
        ...
