"""Which contract versions are in use: the model registry's own word, else what was mirrored last."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings

from django_app.registry.models import ModelVersion
from hotclub.contract import Contract, ModelContract
from hotclub.errors import RegistryError, RegistryUnavailableError
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.registry import Registry

#: How long one answer of the model registry may take, and all of them together.
TIMEOUT_SECONDS = 3.0
DEADLINE_SECONDS = 15.0

#: Other apps' answers to which contract versions they still need, by fingerprint, each with its reason ("is read by
#: an unfinished batch"); each app adds its own in `AppConfig.ready`. They are asked during ``migrate``, when
#: their tables may not be there yet.
providers: list[tuple[str, Callable[[], Iterable[str]]]] = []


@dataclass(frozen=True, slots=True)
class Usage:
    """Who needs which contract version.

    Attributes:
        reasons: why a fingerprint is in use, to follow "which": ``serves as champion``.
        doubt: what the model registry itself could not be asked, so that the mirror counts too; empty when it said all.
    """

    reasons: dict[str, str]
    doubt: str = ""

    def needed(self, contracts: Sequence[Contract]) -> dict[str, str]:
        """Return why each version whose view must be there is needed, by fingerprint: the newest, and those in use."""
        newest = {c.name: c for c in contracts}
        found: dict[str, str] = {}
        for contract in contracts:
            if isinstance(contract, ModelContract):
                used = self.reasons.get(contract.fingerprint, "")
                if used or newest[contract.name] is contract:
                    found[contract.fingerprint] = used or "is the newest of its model"
        return found


def of_mirror() -> Usage:
    """Return what is in use as this database knows it."""
    return Usage(_with_providers(_mirrored()))


def _mirrored() -> dict[str, str]:
    rows = ModelVersion.objects.filter(deleted_at=None).exclude(aliases=[]).order_by("pk")
    return {row.contract_fingerprint: f"serves as {', '.join(row.aliases)}" for row in rows}


def ask(registry: Registry | None = None) -> Usage:
    """Return what is in use as the model registry says now.

    Where it does not answer in time, or not about every alias, what is mirrored counts too: rather one view too many.
    """
    own = None
    if registry is None:
        registry = own = MlflowRegistry(settings.HOTCLUB_MLFLOW_URL, timeout=TIMEOUT_SECONDS)
    try:
        reasons, doubt = _aliased(registry)
    except RegistryError as error:
        reasons, doubt = {}, str(error)
    finally:
        if own is not None:
            own.close()
    mirrored = _mirrored() if doubt else {}
    return Usage(_with_providers({**mirrored, **reasons}), doubt)


def _aliased(registry: Registry) -> tuple[dict[str, str], str]:
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


def _with_providers(reasons: dict[str, str]) -> dict[str, str]:
    for reason, provider in providers:
        for fingerprint in provider():
            known = reasons.get(fingerprint)
            reasons[fingerprint] = f"{known} and {reason}" if known else reason
    return reasons
