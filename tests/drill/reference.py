"""The undisturbed run: the same files, through the same services, one after another, in a database of their own.

``python -m tests.drill.reference OUT DAY...`` with Django's environment: loads each day's schedules, then what
was flown, and writes the figures after each of these steps to the JSON file OUT.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import django

from tests.drill import figures


def step_name(day: dt.date, kind: str) -> str:
    """Return the key of a step's figures."""
    return f"{day.isoformat()} {kind}"


def main(out: Path, days: list[dt.date]) -> None:
    """Load the days and write the figures."""
    django.setup()
    from django.conf import settings

    from django_app.flights.sample_files import KINDS, land

    found: dict[str, Any] = {}
    with figures.connect(os.environ["HOTCLUB_DATABASE_URL"]) as connection:
        for day in days:
            for kind in KINDS:
                land(day, (kind,), settings.HOTCLUB_LANDING)
                _ingest()
                tables = {name: asdict(value) for name, value in figures.tables(connection).items()}
                found[step_name(day, kind)] = {
                    "tables": tables,
                    "deliveries": figures.deliveries(connection, day),
                }
    out.write_text(json.dumps(found))


def _ingest() -> None:
    """Do for every landed file what Django, the DAG and the worker do for it."""
    from django.conf import settings

    from data_checks import checks, staging_tables
    from data_checks.delivery_suite import DeliveryFacts
    from django_app.ingest import selectors
    from django_app.ingest.services import deliveries, landed_files, loading

    stager = os.environ["HOTCLUB_STAGER_DATABASE_URL"]
    found = landed_files.landed_files_register(
        landing_root=settings.HOTCLUB_LANDING, archive_root=settings.HOTCLUB_ARCHIVE, now=_now()
    )
    assert found, "nothing has landed"
    for delivery in found:
        key = str(delivery.pk)
        contract = selectors.source_contract(delivery.source)
        facts = DeliveryFacts(delivery.tenant_id, delivery.day)
        staging_tables.stage(stager, key, Path(delivery.archive_path), contract)
        report = checks.check_delivery(stager, contract, key, facts, _now).to_json()
        deliveries.check_run_record(delivery_id=key, report=report, now=_now())
        deliveries.delivery_load_request(delivery_id=key)
        assert loading.delivery_load(delivery_id=key, clock=_now)
        staging_tables.unstage(stager, key)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [dt.date.fromisoformat(day) for day in sys.argv[2:]])
