"""Writes of the registry app."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import DatabaseError, transaction

from django_app.registry import version_rows
from django_app.registry.models import MirrorProblem, ModelVersion, Promotion
from hotclub.errors import RegistryError, RegistryNotFoundError, RegistryUnavailableError
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.model_registry import RegisteredModel, RegisteredVersion

logger = logging.getLogger(__name__)


def versions_sync(*, registry: MlflowRegistry, now: dt.datetime) -> int:
    """Mirror the model registry and note the aliases that moved; return how many versions there are.

    What cannot be mirrored becomes a `MirrorProblem`, and the rest is mirrored all the same.

    Raises:
        RegistryError: it does not answer, or not to the first question; what was mirrored until then stays.
    """
    models = registry.models()
    count = 0
    problems: list[tuple[str, str, str]] = []
    for model in models:
        reason = version_rows.model_problem(model)
        try:
            if not reason:
                count += _model_mirror(registry=registry, model=model, now=now, problems=problems)
        except RegistryUnavailableError:
            raise
        except (RegistryError, DatabaseError) as error:
            reason = str(error).strip()
        if reason:
            problems.append((model.name, "", reason))
    _models_gone(present=[model.name for model in models], now=now)
    _problems_record(problems=problems, now=now)
    return count


def _model_mirror(
    *,
    registry: MlflowRegistry,
    model: RegisteredModel,
    now: dt.datetime,
    problems: list[tuple[str, str, str]],
) -> int:
    versions = registry.versions(model.name)
    numbered = {number: v for v in versions if (number := version_rows.whole_number(v.version)) is not None}
    problems += [
        (model.name, v.version, "its number is too large to be mirrored")
        for v in versions
        if v not in numbered.values()
    ]
    known = set(
        ModelVersion.objects.filter(model_name=model.name)
        .exclude(metrics={})
        .values_list("version", flat=True)
    )
    rows: dict[int, dict[str, Any]] = {}
    for number, version in numbered.items():
        rows[number], found = version_rows.row(version, now)
        if number not in known:
            found += _run_read(registry, version, rows[number])
        problems += [(model.name, version.version, reason) for reason in found]
    aliases, found = version_rows.aliases(model)
    problems += [(model.name, "", reason) for reason in found]
    _model_sync(model_name=model.name, rows=rows, aliases=aliases, now=now)
    return len(versions)


def _run_read(registry: MlflowRegistry, version: RegisteredVersion, values: dict[str, Any]) -> list[str]:
    """Add what the training run says to a version's values; return what is wrong with it."""
    if not version.run_id:
        return []
    try:
        values["metrics"] = version_rows.metrics(registry.metrics(version.run_id))
        values["experiment_id"] = registry.experiment_id(version.run_id)[:32]
    except RegistryNotFoundError:
        return []  # the run was deleted for good; the version is there all the same
    except RegistryUnavailableError:
        raise
    except RegistryError as error:
        return [f"its run cannot be read: {error}"]
    return []


@transaction.atomic
def _model_sync(
    *, model_name: str, rows: Mapping[int, dict[str, Any]], aliases: Mapping[str, int], now: dt.datetime
) -> None:
    before = _aliases(model_name)
    for number, values in rows.items():
        defaults = {
            **values,
            "aliases": [alias for alias, target in aliases.items() if target == number],
            "synced_at": now,
            "deleted_at": None,
        }
        ModelVersion.objects.update_or_create(model_name=model_name, version=number, defaults=defaults)
    gone = ModelVersion.objects.filter(model_name=model_name, deleted_at=None).exclude(version__in=list(rows))
    gone.update(deleted_at=now, aliases=[])
    _promotions_note(model_name=model_name, before=before, after=aliases, now=now)


@transaction.atomic
def _models_gone(*, present: list[str], now: dt.datetime) -> None:
    """Note models that were deleted: their versions are no longer in use."""
    gone = ModelVersion.objects.filter(deleted_at=None).exclude(model_name__in=present)
    for model_name in sorted(set(gone.order_by().values_list("model_name", flat=True))):
        _model_sync(model_name=model_name, rows={}, aliases={}, now=now)


@transaction.atomic
def _problems_record(*, problems: Iterable[tuple[str, str, str]], now: dt.datetime) -> None:
    """Replace the problems of before; one that is still there keeps its time."""
    safe = {
        (model_name.replace("\0", "")[:255], version.replace("\0", "")[:40], reason.replace("\0", "")[:2000])
        for model_name, version, reason in problems
    }
    for problem in MirrorProblem.objects.all():
        if (problem.model_name, problem.version, problem.reason) in safe:
            safe.remove((problem.model_name, problem.version, problem.reason))
        else:
            problem.delete()
    for model_name, version, reason in sorted(safe):
        MirrorProblem.objects.create(model_name=model_name, version=version, reason=reason, noticed_at=now)
        logger.warning("not mirrored", extra={"model": model_name, "version": version, "reason": reason})


def _aliases(model_name: str) -> dict[str, int]:
    rows = ModelVersion.objects.filter(model_name=model_name).values_list("version", "aliases")
    return {alias: version for version, aliases in rows for alias in aliases}


def _promotions_note(
    *, model_name: str, before: Mapping[str, int], after: Mapping[str, int], now: dt.datetime
) -> None:
    Promotion.objects.bulk_create(
        Promotion(
            model_name=model_name,
            alias=alias,
            from_version=before.get(alias),
            to_version=after.get(alias),
            observed_at=now,
        )
        for alias in sorted(before.keys() | after.keys())
        if before.get(alias) != after.get(alias)
    )
