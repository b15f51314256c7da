"""Penguins of three islands: a table as a Django project would have it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Penguin(models.Model):
    """One bird, as it was measured."""

    species = models.CharField(max_length=20)
    island = models.CharField(max_length=20)
    bill_length = models.FloatField(null=True, help_text="mm")
    bill_depth = models.FloatField(null=True, help_text="mm")
    flipper_length = models.PositiveSmallIntegerField(null=True, help_text="mm")
    body_mass = models.PositiveIntegerField(null=True, help_text="g")
    sex = models.CharField(max_length=10, blank=True, choices=[("male", "Male"), ("female", "Female")])

    class Meta:
        ordering: ClassVar = ("pk",)

    def __str__(self) -> str:
        return f"penguin {self.pk}"
