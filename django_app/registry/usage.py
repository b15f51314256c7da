"""Which contract versions are in use: the model registry's own word, else what was mirrored last."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings

from django_app.registry.models import ModelVersion
from hotclub.contract import Contract, ModelContract
from hotclub.errors import RegistryError
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
        doubt: why the model registry itself could not be asked; empty when it was.
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
    rows = ModelVersion.objects.filter(deleted_at=None).exclude(aliases=[])
    reasons: dict[str, str] = {}
    for row in rows.order_by("pk"):
        reasons[row.contract_fingerprint] = f"serves as {', '.join(row.aliases)}"
    return Usage(_with_providers(reasons))


def ask(registry: Registry | None = None) -> Usage:
    """Return what is in use as the model registry says now; the mirror's word when it does not answer in time."""
    own = (
        None if registry is not None else MlflowRegistry(settings.HOTCLUB_MLFLOW_URL, timeout=TIMEOUT_SECONDS)
    )
    asked = registry or own
    assert asked is not None  # noqa: S101  # one of the two is there
    try:
        return Usage(_with_providers(_aliased(asked)))
    except RegistryError as error:
        return Usage(of_mirror().reasons, str(error))
    finally:
        if own is not None:
            own.close()


def _aliased(registry: Registry) -> dict[str, str]:
    ends_at = time.monotonic() + DEADLINE_SECONDS
    aliases: dict[str, list[str]] = {}
    for model in registry.models():
        for alias, number in sorted(model.aliases.items()):
            if time.monotonic() > ends_at:
                raise RegistryError(f"the model registry took longer than {DEADLINE_SECONDS:.0f} s")
            fingerprint = registry.version(model.name, number).contract_fingerprint
            if fingerprint:
                aliases.setdefault(fingerprint, []).append(alias)
    return {fingerprint: f"serves as {', '.join(found)}" for fingerprint, found in aliases.items()}


def _with_providers(reasons: dict[str, str]) -> dict[str, str]:
    for reason, provider in providers:
        for fingerprint in provider():
            known = reasons.get(fingerprint)
            reasons[fingerprint] = f"{known} and {reason}" if known else reason
    return reasons
