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
    """Rows of a feature view, to be scored with one model version: of an interval, all, or those of given entities."""

    class Status(models.TextChoices):
        PENDING = BatchStatus.PENDING.value, "pending"
        RUNNING = BatchStatus.RUNNING.value, "running"
        DONE = BatchStatus.DONE.value, "done"
        FAILED = BatchStatus.FAILED.value, "failed"

    class RowsOf(models.TextChoices):
        INTERVAL = "interval", "an interval"
        ALL = "all", "all"
        ENTITIES = "entities", "given entities"

    FINAL: ClassVar = frozenset(map(Status, BATCH_FINAL))

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(
        max_length=250, help_text="idempotency key: the same key of a model is the same batch"
    )
    tenant = models.ForeignKey(Tenant, models.PROTECT, null=True, blank=True, related_name="batches")
    rows_of = models.CharField(max_length=10, choices=RowsOf.choices, default=RowsOf.INTERVAL)
    day = models.DateField(
        null=True, blank=True,
        help_text="in the model's own time zone; where its rows have no time, the day for which they were delivered",
    )  # fmt: skip
    start = models.DateTimeField("from", null=True, blank=True, help_text="event times from here")
    end = models.DateTimeField("until", null=True, blank=True, help_text="event times before here")
    entities_digest = models.CharField(
        max_length=64, blank=True, help_text="what distinguishes these entities from others"
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    rows_total = models.PositiveIntegerField("rows planned", default=0)
    rows_done = models.PositiveIntegerField("rows scored", default=0)
    rows_vanished = models.PositiveIntegerField(
        default=0,
        help_text="planned, and no longer there when their chunk was read; of given entities, those that were not found",
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
            models.CheckConstraint(
                condition=models.Q(rows_of="interval", start__isnull=False, end__isnull=False)
                | models.Q(start__isnull=True, end__isnull=True) & ~models.Q(rows_of="interval"),
                name="scoring_batch_interval_has_ends",
            ),
        )
        indexes = (models.Index(fields=("-created_at",), name="scoring_batch_created"),)

    def __str__(self) -> str:
        whose = self.tenant_id or "all tenants"
        return f"{self.model_name} {whose} {self.rows_text}"

    @property
    def is_of_delivered(self) -> bool:
        """Whether its rows are those that were delivered for its day."""
        return self.rows_of == self.RowsOf.ENTITIES and self.day is not None

    @property
    def rows_text(self) -> str:
        """Which rows, in few words."""
        if self.is_of_delivered:
            return f"delivered for {self.day}"
        if self.day is not None:
            return str(self.day)
        if self.start is not None and self.end is not None:
            return f"{self.start:%Y-%m-%d %H:%M} - {self.end:%Y-%m-%d %H:%M}"
        return "all" if self.rows_of == self.RowsOf.ALL else f"{self.rows_total:,} entities"

    @property
    def summary(self) -> str:
        """What became of the rows, in words: planned - vanished + new = scored."""
        if self.rows_of == self.RowsOf.ENTITIES:
            asked = "delivered" if self.is_of_delivered else "asked for"
            whose = f" of {self.tenant_id}" if self.tenant_id else ""
            return (
                f"{self.rows_total:,} rows {asked}, {self.rows_done:,} scored, "
                f"{self.rows_vanished:,} not found among the model's rows{whose}"
            )
        if self.status == self.Status.DONE and not self.rows_total:
            where = "the interval was empty" if self.rows_of == self.RowsOf.INTERVAL else "there were none"
            return f"no rows: {where} when the batch was planned"
        return (
            f"{self.rows_total:,} rows planned, {self.rows_done:,} scored, "
            f"{self.rows_vanished:,} vanished, {self.rows_new:,} new"
        )

    @property
    def waits_for(self) -> str:
        """What an unfinished batch waits for, or why what is tried again failed: the newest error of its open chunks."""
        if self.status in self.FINAL:
            return ""
        if hasattr(self, "newest_error"):  # lists read it with their rows
            return self.newest_error or ""
        return self.chunks.with_errors().values_list("error", flat=True).first() or ""


class _ChunkQuerySet(models.QuerySet["BatchChunk"]):
    """Chunks, as they are asked for in several places."""

    def with_errors(self) -> _ChunkQuerySet:
        """Return those that are still to be scored and say why they are not, the newest attempt first."""
        return (
            self.filter(status=BatchChunk.Status.PENDING).exclude(error="").order_by("-enqueued_at", "number")
        )


class BatchChunk(models.Model):
    """A part of a batch's entities: what one Celery task scores in one transaction.

    Where the batch is about given entities, it has exactly those that are planned. Else it is a range: it reaches from its first entity to the first of the next chunk; the first and the last chunk are open, so that
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

    objects = _ChunkQuerySet.as_manager()

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
    event_time = models.DateTimeField(null=True, help_text="null where rows have no time")
    score = models.FloatField(
        null=True, help_text="binary: probability of 1, or of the second class; regression: the quantity"
    )
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
    score = models.FloatField(
        null=True, help_text="binary: probability of 1, or of the second class; regression: the quantity"
    )
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
