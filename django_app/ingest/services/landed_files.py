"""Files that have landed: each becomes a delivery, or is refused with the reason."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from pathlib import Path

from django.db import DataError, connection, transaction

from django_app.ingest import landing_folder, selectors
from django_app.ingest.landing_folder import LandedFile
from django_app.ingest.models import Delivery, RefusedFile
from django_app.ingest.services.deliveries import DeliveryBusyError, delivery_register
from django_app.tenants.models import Tenant

logger = logging.getLogger(__name__)

_MAX_SOURCE_LENGTH = 255


def landed_files_register(*, landing_root: Path, archive_root: Path, now: dt.datetime) -> list[Delivery]:
    """Register every file that has landed, and return the deliveries that a DAG run is wanted for.

    Only one call runs at a time: a second one returns nothing. After a crash the next call finishes the work.
    What cannot be a delivery is recorded with the reason and set aside; a file that cannot be read is recorded and left
    for the next call. Either way the others go on.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('ingest.landed_files_register'))")
        if not cursor.fetchone()[0]:
            return []
        tenants = set(Tenant.objects.values_list("slug", flat=True))
        sources = selectors.sources_by_tenancy()
        found, done, refused = [], [], []
        for file in landing_folder.scan(landing_root, now):
            reason = file.problem or _refusal(file, tenants, sources)
            if reason is not None:
                target = file.path if file.is_folder else landing_folder.refused_name(file.path)
                _refusal_record(file, landing_folder.shown(target, landing_root), tenants, reason, now)
                refused.append((file.path, target))
                continue
            try:
                taken = landing_folder.take(file, now)
                with transaction.atomic():
                    delivery = delivery_register(file=taken, archive_root=archive_root, now=now)
            except DeliveryBusyError:
                continue  # taken, and found again by the next scan
            except (OSError, DataError) as error:
                reason = f"it cannot be read: {getattr(error, 'strerror', None) or error}; it is tried again"
                _refusal_record(file, landing_folder.shown(file.path, landing_root), tenants, reason, now)
                continue
            done.append(taken.path)
            if not delivery.is_final:
                found.append(delivery)
    # Only now that everything is recorded: after a crash before this the next scan finds the files again.
    for path in done:
        _unlink(path)
    for path, target in refused:
        _set_aside(path, target)
    return found


def _set_aside(path: Path, target: Path) -> None:
    try:
        if path != target:
            path.rename(target)
    except OSError as error:
        logger.warning("refused file stays", extra={"file": str(path), "error": str(error)})


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("file stays", extra={"file": str(path), "error": str(error)})


def _refusal(file: LandedFile, tenants: set[str], sources: Mapping[str, bool | None]) -> str | None:
    """Return why a file cannot be a delivery of these sources and tenants, with the place where it would be right."""
    if file.source not in sources:
        return f"there is no source {file.source!r}; there are: {', '.join(sorted(sources)) or 'none'}"
    has_tenants = sources[file.source]
    name = "<YYYY-MM-DD>.csv" if file.day is None else f"{file.day}.csv"
    if has_tenants is True and not file.tenant:
        return (
            f"it lies in no tenant's folder; files of {file.source} land as {file.source}/<tenant>/{name}, with one of: "
            f"{', '.join(sorted(tenants)) or 'none'}"
        )
    if has_tenants is False and file.tenant:
        return (
            f"it lies in a folder, and files of {file.source} have no tenant; land it as {file.source}/{name}"
        )
    if file.tenant and file.tenant not in tenants:
        return f"there is no tenant {file.tenant!r}; there are: {', '.join(sorted(tenants)) or 'none'}"
    return file.name_problem


def _refusal_record(file: LandedFile, path: str, tenants: set[str], reason: str, now: dt.datetime) -> None:
    """Write a refusal once: every scan finds again what stays in its place."""
    row, created = RefusedFile.objects.get_or_create(
        path=path,
        reason=reason,
        defaults={
            "source": landing_folder.readable(file.source)[:_MAX_SOURCE_LENGTH],
            "tenant_id": file.tenant if file.tenant in tenants else None,
            "size_bytes": file.size,
            "found_at": now,
        },
    )
    if created:
        logger.warning("file refused", extra={"file": row.path, "reason": reason})
