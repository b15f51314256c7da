"""Batches and prediction requests in the admin."""

from __future__ import annotations

import json
from typing import Any, ClassVar
from urllib.parse import quote

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateFilter

from django_app.conf import hotclub_settings
from django_app.scoring.models import Batch, BatchChunk, PredictionRequest
from django_app.scoring.selectors import predictions, with_classes, with_newest_errors
from django_app.scoring.shown_answers import shown_answer
from django_app.tenants.admin_base import OwnValuesFilter, ReadOnlyAdmin, TenantFilter
from django_app.typed_admin import TabularInline, display

#: Results that a batch's page shows.
_SHOWN_RESULTS = 20
_BADGES = {"pending": "info", "running": "info", "done": "success", "failed": "danger"}


class _ScoredAdmin(ReadOnlyAdmin):
    """What admins of scored work share."""

    list_filter_submit = True
    list_select_related: ClassVar[tuple[str, ...]] = ("tenant",)
    date_hierarchy = "created_at"

    @display(description="status", ordering="status", label=_BADGES)
    def badge(self, work: Any) -> tuple[str, str]:
        """Return the status as a badge."""
        return work.status, work.get_status_display()

    @display(description="version", ordering="model_version")
    def version(self, work: Any) -> SafeString:
        """Return a link to the model version in MLflow."""
        url = f"{hotclub_settings.mlflow_url}/#/models/{quote(work.model_name)}/versions/{quote(work.model_version)}"
        return format_html(
            '<a href="{}" target="_blank" rel="noopener">version {}</a>', url, work.model_version
        )


class ChunkInline(TabularInline):
    """Chunks on the batch's page."""

    model = BatchChunk
    extra = 0
    can_delete = False
    fields = readonly_fields = ("number", "status", "rows", "attempts", "error")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: chunks are cut by the service."""
        del request, obj
        return False


@admin.register(Batch)
class BatchAdmin(_ScoredAdmin):
    """Batches with their progress."""

    list_display = (
        "model_name",
        "tenant_name",
        "rows_asked",
        "badge",
        "progress",
        "version",
        "created_at",
        "took",
    )
    list_filter = (
        "status",
        ("model_name", OwnValuesFilter),
        ("tenant", TenantFilter),
        ("created_at", RangeDateFilter),
    )
    search_fields = ("key", "model_name", "tenant__slug")
    search_help_text = "idempotency key, model or tenant"
    inlines = (ChunkInline,)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "model_name",
                    "version",
                    "tenant_name",
                    "rows_asked",
                    "badge",
                    "summary",
                    "waits_for",
                    "error",
                )
            },
        ),
        ("Results", {"fields": ("first_results",)}),
        ("Asked for", {"fields": ("key", "requested_by", "rows_of", "day", "start", "end")}),
        ("Times", {"fields": ("created_at", "started_at", "finished_at")}),
        ("Model version", {"fields": ("package_digest", "contract_version", "contract_fingerprint")}),
    )
    readonly_fields = (
        "version",
        "badge",
        "summary",
        "waits_for",
        "rows_asked",
        "tenant_name",
        "first_results",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Batch]:
        """Return the batches with what each waits for."""
        return with_classes(with_newest_errors(super().get_queryset(request)))

    @display(description="tenant", ordering="tenant")
    def tenant_name(self, batch: Batch) -> str:
        """Return the tenant, or that it is every one."""
        return batch.tenant_id or "every tenant"

    @display(description="rows of", ordering="start")
    def rows_asked(self, batch: Batch) -> str:
        """Return the day, the interval, or how the rows are selected otherwise."""
        return batch.rows_text

    @display(description="waits for")
    def waits_for(self, batch: Batch) -> str:
        """Return what it waits for, or why what is tried again failed."""
        return batch.waits_for or "-"

    @display(description="first results")
    def first_results(self, batch: Batch) -> SafeString:
        """Return the first results by entity; all of them are in the API."""
        rows = [*predictions(batch)[:_SHOWN_RESULTS]]
        lines = [
            f"{row.entity}: {shown_answer(batch, row.score if row.scores is None else row.scores).text}"
            for row in rows
        ]
        if batch.rows_done > len(rows):
            lines.append(f"and {batch.rows_done - len(rows):,} more: /api/v1/batches/{batch.pk}/results/")
        return format_html("<pre>{}</pre>", "\n".join(lines) or "-")

    @display(description="rows")
    def progress(self, batch: Batch) -> str:
        """Return how many rows are scored, of how many, and how many came or went meanwhile."""
        if batch.status == Batch.Status.DONE and not batch.rows_total:
            return "no rows"
        missing = "not found" if batch.rows_of == Batch.RowsOf.ENTITIES else "vanished"
        changes = [
            f"{count:,} {word}"
            for count, word in ((batch.rows_vanished, missing), (batch.rows_new, "new"))
            if count
        ]
        waits = [f"waits: {batch.waits_for}"] if batch.waits_for else []
        return ", ".join([f"{batch.rows_done:,} of {batch.rows_total:,}", *changes, *waits])

    @display(description="took")
    def took(self, batch: Batch) -> str:
        """Return the time from acceptance to the end, in seconds."""
        if batch.finished_at is None:
            return "-"
        return f"{(batch.finished_at - batch.created_at).total_seconds():.1f} s"


@admin.register(PredictionRequest)
class PredictionRequestAdmin(_ScoredAdmin):
    """Prediction requests with their results."""

    list_display = ("model_name", "tenant", "badge", "result", "version", "requested_by", "created_at")
    list_filter = (
        "status",
        ("model_name", OwnValuesFilter),
        ("tenant", TenantFilter),
        ("created_at", RangeDateFilter),
    )
    list_select_related = ("tenant", "requested_by")
    search_fields = ("model_name", "tenant__slug")
    fields = (
        "model_name",
        "version",
        "tenant",
        "badge",
        "result",
        "error",
        "features_shown",
        "unseen",
        "requested_by",
        "created_at",
        "finished_at",
    )
    readonly_fields = ("version", "badge", "result", "features_shown")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PredictionRequest]:
        """Return the requests with what names their classes."""
        return with_classes(super().get_queryset(request))

    @display(description="result")
    def result(self, request: PredictionRequest) -> str:
        """Return the score, or the label with the probabilities by class."""
        return shown_answer(request, request.score if request.scores is None else request.scores).text

    @display(description="features")
    def features_shown(self, request: PredictionRequest) -> SafeString:
        """Return the features as they were sent."""
        return format_html("<pre>{}</pre>", json.dumps(request.features, indent=2, ensure_ascii=False))
