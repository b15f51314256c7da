"""Which contract versions the model registry's aliases use: as MLflow says now, else as it was mirrored last."""

from __future__ import annotations

import time
from typing import Any

from django_app.conf import hotclub_settings
from django_app.contracts.usage import InUse
from django_app.registry.models import ModelVersion
from hotclub.errors import RegistryError, RegistryUnavailableError
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.model_registry import ModelRegistry

#: How long one answer of the model registry may take, and all of them together.
TIMEOUT_SECONDS = 3.0
DEADLINE_SECONDS = 15.0


def answer_contracts_in_use(*, fresh: bool, **_: Any) -> InUse:
    """Answer the signal `contracts_in_use`."""
    if not fresh:
        return InUse(_mirrored())
    registry = MlflowRegistry(hotclub_settings.mlflow_url, timeout=TIMEOUT_SECONDS)
    try:
        return in_use(registry)
    finally:
        registry.close()


def in_use(registry: ModelRegistry) -> InUse:
    """Return what is in use as the model registry says now.

    Where it does not answer in time, or not about every alias, what is mirrored counts too: rather one view too many.
    """
    try:
        reasons, doubt = _aliased(registry)
    except RegistryError as error:
        reasons, doubt = {}, str(error)
    return InUse({**(_mirrored() if doubt else {}), **reasons}, doubt)


def _mirrored() -> dict[str, str]:
    rows = ModelVersion.objects.filter(deleted_at=None).exclude(aliases=[]).order_by("pk")
    return {row.contract_fingerprint: f"serves as {', '.join(row.aliases)}" for row in rows}


def _aliased(registry: ModelRegistry) -> tuple[dict[str, str], str]:
    """Return why fingerprints are in use, and what the model registry could not say of single versions."""
    ends_at = time.monotonic() + DEADLINE_SECONDS
    aliases: dict[str, list[str]] = {}
    doubt = ""
    for model in registry.models():
        for alias, number in sorted(model.aliases.items()):
            if time.monotonic() > ends_at:
                raise RegistryUnavailableError(f"MLflow took longer than {DEADLINE_SECONDS:.0f} s in all")
            try:
                fingerprint = registry.version(model.name, number).contract_fingerprint
            except RegistryUnavailableError:
                raise
            except RegistryError as error:
                doubt = str(error)
                continue
            if fingerprint:
                aliases.setdefault(fingerprint, []).append(alias)
    return {fingerprint: f"serves as {', '.join(found)}" for fingerprint, found in aliases.items()}, doubt
