"""Patients and how their illness went on within a year: rows without any time."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Patient(models.Model):
    """One patient, at the beginning."""

    age = models.FloatField(help_text="years")
    sex = models.PositiveSmallIntegerField(choices=[(1, "one"), (2, "two")])
    body_mass_index = models.FloatField(help_text="kg/m²")
    blood_pressure = models.FloatField(help_text="mmHg")
    serum_1 = models.FloatField()
    serum_2 = models.FloatField()
    serum_3 = models.FloatField()
    serum_4 = models.FloatField()
    serum_5 = models.FloatField()
    serum_6 = models.FloatField()
    progression = models.FloatField(null=True)

    class Meta:
        ordering: ClassVar = ("pk",)

    def __str__(self) -> str:
        return f"patient {self.pk}"
