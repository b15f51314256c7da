"""Loads the patients that scikit-learn bundles."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from sklearn.datasets import load_diabetes

from diabetes.models import Patient


class Command(BaseCommand):
    help = "Load the patients."

    def handle(self, *_args: Any, **_options: Any) -> None:
        found = load_diabetes(scaled=False)
        made = Patient.objects.bulk_create(
            Patient(
                age=row[0],
                sex=int(row[1]),
                body_mass_index=row[2],
                blood_pressure=row[3],
                **{f"serum_{place}": row[3 + place] for place in range(1, 7)},
                progression=target,
            )
            for row, target in zip(found.data.tolist(), found.target.tolist(), strict=True)
        )
        self.stdout.write(f"{len(made)} patients")
