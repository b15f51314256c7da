"""Writes of the registry app."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable

from django.db import transaction

from django_app.registry.models import ContractVersion, ModelVersion, Promotion
from hotclub import names
from hotclub.contract import Contract, ModelContract
from hotclub.errors import NotFoundError
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.registry import RegisteredModel, RegisteredVersion

#: Other apps' answers to which contract versions they still need, by fingerprint; each adds its own in
#: `AppConfig.ready`. They are asked during ``migrate``, when their tables may not be there yet.
fingerprint_providers: list[Callable[[], Iterable[str]]] = []


@transaction.atomic
def contracts_record(*, contracts: Iterable[Contract]) -> None:
    """Copy contract files into the database."""
    for contract in contracts:
        ContractVersion.objects.update_or_create(
            name=contract.name,
            version=contract.version,
            defaults={
                "kind": "model" if isinstance(contract, ModelContract) else "source",
                "app": contract.app,
                "fingerprint": contract.fingerprint,
                "policy_revision": contract.policy_revision,
                "content": contract.to_json(),
            },
        )


def contract_fingerprints_in_use() -> set[str]:
    """Return the contract fingerprints of versions that an alias points to, and of those that other apps need."""
    versions = ModelVersion.objects.filter(deleted_at=None).exclude(aliases=[])
    aliased = set(versions.values_list("contract_fingerprint", flat=True))
    return aliased.union(*(provider() for provider in fingerprint_providers))


def versions_sync(*, registry: MlflowRegistry, now: dt.datetime) -> int:
    """Mirror the model registry and note the aliases that moved; return how many versions there are.

    Raises:
        RegistryError: it does not answer; nothing is changed then.
    """
    count = 0
    for model in registry.models():
        versions = registry.versions(model.name)
        known = set(
            ModelVersion.objects.filter(model=model.name)
            .exclude(metrics={})
            .values_list("version", flat=True)
        )
        metrics = {v.version: _run(registry, v) for v in versions if int(v.version) not in known}
        _model_sync(model=model, versions=versions, runs=metrics, now=now)
        count += len(versions)
    return count


def _run(registry: MlflowRegistry, version: RegisteredVersion) -> tuple[dict[str, float], str]:
    if not version.run_id:
        return {}, ""
    try:
        return registry.metrics(version.run_id), registry.experiment_id(version.run_id)
    except NotFoundError:
        return {}, ""


@transaction.atomic
def _model_sync(
    *,
    model: RegisteredModel,
    versions: list[RegisteredVersion],
    runs: dict[str, tuple[dict[str, float], str]],
    now: dt.datetime,
) -> None:
    before = _aliases(model.name)
    for version in versions:
        tagged = version.tags.get(names.TAG_CONTRACT_VERSION, "")
        defaults = {
            "aliases": sorted(alias for alias, number in model.aliases.items() if number == version.version),
            "run_id": version.run_id,
            "contract_fingerprint": version.contract_fingerprint or "",
            "contract_version": int(tagged) if tagged.isdigit() else None,
            "gates": version.tags.get(names.TAG_GATES, ""),
            "description": version.description,
            "registered_at": dt.datetime.fromtimestamp(version.created_at_ms / 1000, tz=dt.UTC),
            "synced_at": now,
            "deleted_at": None,
        }
        if version.version in runs:
            defaults["metrics"], defaults["experiment_id"] = runs[version.version]
        ModelVersion.objects.update_or_create(
            model=model.name, version=int(version.version), defaults=defaults
        )
    gone = ModelVersion.objects.filter(model=model.name, deleted_at=None)
    gone.exclude(version__in=[int(v.version) for v in versions]).update(deleted_at=now, aliases=[])
    _promotions_note(model=model, before=before, now=now)


def _aliases(model: str) -> dict[str, int]:
    rows = ModelVersion.objects.filter(model=model).values_list("version", "aliases")
    return {alias: version for version, aliases in rows for alias in aliases}


def _promotions_note(*, model: RegisteredModel, before: dict[str, int], now: dt.datetime) -> None:
    after = {alias: int(version) for alias, version in model.aliases.items()}
    Promotion.objects.bulk_create(
        Promotion(
            model=model.name,
            alias=alias,
            from_version=before.get(alias),
            to_version=after.get(alias),
            observed_at=now,
        )
        for alias in sorted(before.keys() | after.keys())
        if before.get(alias) != after.get(alias)
    )
