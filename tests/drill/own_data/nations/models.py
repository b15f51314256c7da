"""Countries every five years: keys are UUIDs, and each continent is a tenant."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from django_app.tenants.models import Tenant


class Census(models.Model):
    """One country in one year."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    continent = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    country = models.CharField(max_length=60)
    taken_on = models.DateField()
    population = models.BigIntegerField()
    income = models.FloatField(help_text="dollars a person and year")
    life_expectancy = models.FloatField(null=True, help_text="years")
    written_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ("country", "taken_on")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("country", "taken_on"), name="nations_census_once")
        ]

    def __str__(self) -> str:
        return f"{self.country} {self.taken_on}"
