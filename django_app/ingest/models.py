"""Deliveries and the checks that they went through."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from django_app.tenants.models import Tenant
from hotclub import days, severities
from hotclub.statuses import DELIVERY_FINAL, DELIVERY_SETTLED, DeliveryStatus

#: Runs of the ingest DAG that a delivery gets before it counts as failed.
MAX_ATTEMPTS = 5
#: As the index has them; a set has no order, and another order would be another index.
_FINAL_IN_ORDER = tuple(status.value for status in DeliveryStatus if status in DELIVERY_FINAL)


class Delivery(models.Model):
    """One file of a source, for one tenant's day, by its content. Files of a source without tenants have none."""

    class Status(models.TextChoices):
        LANDED = DeliveryStatus.LANDED.value, "landed"
        CHECKING = DeliveryStatus.CHECKING.value, "checking"
        ACCEPTED = DeliveryStatus.ACCEPTED.value, "accepted"
        LOADING = DeliveryStatus.LOADING.value, "loading"
        WAITING = DeliveryStatus.WAITING.value, "waiting"
        LOADED = DeliveryStatus.LOADED.value, "loaded"
        REJECTED = DeliveryStatus.REJECTED.value, "rejected"
        FAILED = DeliveryStatus.FAILED.value, "failed"

    FINAL: ClassVar = frozenset(map(Status, DELIVERY_FINAL))
    SETTLED: ClassVar = frozenset(map(Status, DELIVERY_SETTLED))

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.CharField(max_length=40)
    tenant = models.ForeignKey(
        Tenant,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="deliveries",
        help_text="empty where the source has no tenants; such deliveries are shown to staff of every tenant only",
    )
    day = models.DateField(help_text="the day that the data is about")
    sha256 = models.CharField("SHA-256", max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    archive_path = models.CharField(max_length=500)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.LANDED)
    attempts = models.PositiveIntegerField(default=0, help_text="runs of the ingest DAG so far")
    attempt_limit = models.PositiveIntegerField(default=MAX_ATTEMPTS)
    dag_run_id = models.CharField("Airflow run", max_length=250, blank=True)
    loads = models.PositiveIntegerField(default=0, help_text="how often its rows were loaded")
    rows_staged = models.PositiveIntegerField(null=True, help_text="rows in the file")
    rows_loaded = models.PositiveIntegerField(null=True, help_text="rows that are in the table now")
    rows_changed = models.PositiveIntegerField(null=True, help_text="of those, new or different")
    rows_unchanged = models.PositiveIntegerField(null=True, help_text="of those, as they were before")
    rows_unmatched = models.PositiveIntegerField(
        null=True, help_text="rows of the file that found no row to update"
    )
    only_updates = models.TextField(
        blank=True,
        help_text="why its rows can only update rows that are there: the fields that a new row would lack",
    )
    waits_for = models.TextField(
        blank=True, help_text="what it waits for now, or the last failure of what is tried again"
    )
    reasons = models.JSONField(default=list, blank=True, help_text="why it was rejected or failed")
    warnings = models.JSONField(default=list, blank=True)
    landed_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, help_text="when its newest DAG run was asked for")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ("-landed_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("source", "tenant", "day", "sha256"),
                name="ingest_delivery_once",
                nulls_distinct=False,
            ),
        )
        indexes = (
            models.Index(
                fields=("status",),
                name="ingest_delivery_open",
                condition=~models.Q(status__in=_FINAL_IN_ORDER),
            ),
            models.Index(fields=("-landed_at",), name="ingest_delivery_landed"),
        )

    def __str__(self) -> str:
        return " ".join(filter(None, (self.source, self.tenant_id, str(self.day))))

    @property
    def partition(self) -> str:
        """The partition of the source's asset that it is about."""
        return days.partition_key(self.tenant_id, self.day)

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.status in self.FINAL

    @property
    def is_settled(self) -> bool:
        """Whether nothing more happens to it until another delivery or a person does something."""
        return self.status in self.SETTLED


class CheckRun(models.Model):
    """What Great Expectations found in one attempt at a delivery, and what followed from it."""

    class Decision(models.TextChoices):
        ACCEPTED = "accepted", "accepted"
        REJECTED = "rejected", "rejected"

    class Severity(models.TextChoices):
        NONE = "", "nothing failed"
        INFO = severities.INFO, "info"
        WARNING = severities.WARNING, "warning"
        CRITICAL = severities.CRITICAL, "critical"

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="check_runs")
    attempt = models.PositiveIntegerField()
    decision = models.CharField(max_length=10, choices=Decision.choices)
    severity = models.CharField(
        max_length=10, choices=Severity.choices, blank=True, help_text="the highest that failed"
    )
    rows = models.PositiveIntegerField()
    contract_version = models.PositiveIntegerField()
    results = models.JSONField(default=list)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()

    class Meta:
        ordering = ("-finished_at",)
        constraints = (
            models.UniqueConstraint(fields=("delivery", "attempt"), name="ingest_check_run_once_per_attempt"),
        )

    def __str__(self) -> str:
        return f"{self.delivery}: {self.decision}"


class LoadedKeys(models.Model):
    """The natural keys of a loaded delivery, so that a correction can report which of them it lacks.

    Kept for the newest loaded delivery of a source, tenant and day.
    """

    delivery = models.OneToOneField(Delivery, models.CASCADE, primary_key=True, related_name="loaded_keys")
    hashes = ArrayField(models.BigIntegerField(), help_text="a 64-bit hash of each row's natural key")

    class Meta:
        verbose_name_plural = "loaded keys"

    def __str__(self) -> str:
        return f"keys of {self.delivery_id}"


class RefusedFile(models.Model):
    """Something in the landing folder that became no delivery, and why."""

    path = models.TextField(help_text="below the landing folder")
    source = models.CharField("folder of the source", max_length=255, blank=True)
    tenant = models.ForeignKey(
        Tenant,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="refused_files",
        help_text="empty where its folder names no tenant; such files are shown to staff of every tenant only",
    )
    reason = models.TextField()
    size_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    found_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-found_at", "-pk")
        indexes = (models.Index(fields=("-found_at",), name="ingest_refused_found"),)

    def __str__(self) -> str:
        return self.path
