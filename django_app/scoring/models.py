"""Accepted scoring work and its results. The state here, not the broker's, is what counts."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from django_app.tenants.models import Tenant
from hotclub.statuses import BATCH_FINAL, BatchStatus

#: How often a chunk or a request is begun before it counts as failed.
MAX_ATTEMPTS = 5
#: The reason of what was begun so often and never said why it ended.
NO_REASON = "its worker ended each time without a reason; was it killed, or out of memory?"


class _TiedToVersion(models.Model):
    """The model version that a batch or request is tied to from the moment it is accepted."""

    model_name = models.CharField("model", max_length=40)
    model_version = models.CharField("version", max_length=20)
    package_digest = models.CharField(max_length=64)
    contract_fingerprint = models.CharField(max_length=64)
    contract_version = models.PositiveIntegerField()

    class Meta:
        abstract = True


class Batch(_TiedToVersion):
    """The rows of a feature view in one interval, to be scored with one model version."""

    class Status(models.TextChoices):
        PENDING = BatchStatus.PENDING.value, "pending"
        RUNNING = BatchStatus.RUNNING.value, "running"
        DONE = BatchStatus.DONE.value, "done"
        FAILED = BatchStatus.FAILED.value, "failed"

    FINAL: ClassVar = frozenset(map(Status, BATCH_FINAL))

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(
        max_length=250, help_text="idempotency key: the same key of a model is the same batch"
    )
    tenant = models.ForeignKey(Tenant, models.PROTECT, null=True, blank=True, related_name="batches")
    day = models.DateField(null=True, blank=True, help_text="in the model's own time zone")
    start = models.DateTimeField("from", help_text="event times from here")
    end = models.DateTimeField("until", help_text="event times before here")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    rows_total = models.PositiveIntegerField("rows planned", default=0)
    rows_done = models.PositiveIntegerField("rows scored", default=0)
    rows_vanished = models.PositiveIntegerField(
        default=0, help_text="planned, and no longer in the interval when their chunk was read"
    )
    rows_new = models.PositiveIntegerField(
        default=0, help_text="not there when the batch was planned, and scored all the same"
    )
    error = models.TextField(blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "batches"
        ordering = ("-created_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "model_name", "key"), name="scoring_batch_key_once", nulls_distinct=False
            ),
        )
        indexes = (models.Index(fields=("-created_at",), name="scoring_batch_created"),)

    def __str__(self) -> str:
        whose = self.tenant_id or "all tenants"
        return f"{self.model_name} {whose} {self.day or self.start.date()}"

    @property
    def summary(self) -> str:
        """How many rows were scored, vanished or came late, in words: planned - vanished + new = scored."""
        if self.status == self.Status.DONE and not self.rows_total:
            return "no rows: the interval was empty when the batch was planned"
        return (
            f"{self.rows_total:,} rows planned, {self.rows_done:,} scored, "
            f"{self.rows_vanished:,} vanished, {self.rows_new:,} new"
        )


class BatchChunk(models.Model):
    """A range of a batch's entities: what one Celery task scores in one transaction.

    It reaches from its first entity to the first of the next chunk; the first and the last chunk are open, so that
    every row that is in the interval when its chunk is read is scored, also a row that came after planning.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    first_entity = models.TextField()
    planned = ArrayField(
        models.TextField(), null=True, help_text="entities at planning; null once they are counted"
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    rows = models.PositiveIntegerField()
    attempts = models.PositiveIntegerField(default=0)
    enqueued_at = models.DateTimeField(default=timezone.now)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ("batch", "number")
        constraints = (models.UniqueConstraint(fields=("batch", "number"), name="scoring_chunk_once"),)
        indexes = (
            models.Index(
                fields=("enqueued_at",), name="scoring_chunk_open", condition=models.Q(status="pending")
            ),
        )

    def __str__(self) -> str:
        return f"chunk {self.number} of {self.batch_id}"


class Prediction(models.Model):
    """One scored row of a batch."""

    pk = models.CompositePrimaryKey("batch", "entity")
    batch = models.ForeignKey(Batch, models.CASCADE, db_index=False, related_name="predictions")
    entity = models.TextField()
    # Written by the thousand: the batch's own tenant is constrained, and this one comes out of the same rows.
    tenant = models.ForeignKey(
        Tenant, models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    event_time = models.DateTimeField()
    score = models.FloatField(null=True, help_text="binary: probability of 1; regression: the quantity")
    scores = ArrayField(models.FloatField(), null=True, help_text="multiclass: probabilities by class")

    class Meta:
        ordering = ("entity",)

    def __str__(self) -> str:
        return f"{self.entity}: {self.score if self.scores is None else self.scores}"


class PredictionRequest(_TiedToVersion):
    """One row of features that someone sent, to be scored soon."""

    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(
        Tenant, models.PROTECT, null=True, blank=True, related_name="prediction_requests",
        help_text="empty where the model has no tenants",
    )  # fmt: skip
    features = models.JSONField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    score = models.FloatField(null=True, help_text="binary: probability of 1; regression: the quantity")
    scores = ArrayField(models.FloatField(), null=True, help_text="multiclass: probabilities by class")
    unseen = models.JSONField(default=dict, help_text="categories that training had never seen, by feature")
    error = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    enqueued_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at", "id")
        indexes = (
            models.Index(fields=("-created_at",), name="scoring_request_created"),
            models.Index(
                fields=("enqueued_at",), name="scoring_request_open", condition=models.Q(status="pending")
            ),
        )

    def __str__(self) -> str:
        return f"{self.model_name} for {self.tenant_id or 'no tenant'}"
