"""Deliveries in the admin: where a data owner sees the status of a file."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.contrib.filters.admin import RangeDateFilter

from django_app.conf import hotclub_settings
from django_app.ingest.models import CheckRun, Delivery, RefusedFile
from django_app.tenants.admin_base import OwnValuesFilter, ReadOnlyAdmin, TenantFilter
from django_app.typed_admin import TabularInline, display
from hotclub import names

_BADGES: dict[str, str] = {
    Delivery.Status.LANDED: "info",
    Delivery.Status.CHECKING: "info",
    Delivery.Status.ACCEPTED: "info",
    Delivery.Status.LOADING: "info",
    Delivery.Status.WAITING: "warning",
    Delivery.Status.LOADED: "success",
    Delivery.Status.REJECTED: "danger",
    Delivery.Status.FAILED: "danger",
}


#: Characters of a reason in the list; the page of the delivery has all of it.
_MAX_WHY_CHARACTERS = 160


def _lines(texts: list[str]) -> SafeString | str:
    return format_html_join("", "<p>{}</p>", ((text,) for text in texts)) or "-"


class CheckRunInline(TabularInline):
    """The checks on the delivery's page."""

    model = CheckRun
    extra = 0
    can_delete = False
    show_change_link = True
    fields = readonly_fields = ("attempt", "decision", "severity", "rows", "started_at", "finished_at")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: the checks write these."""
        del request, obj
        return False


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Deliveries by source, tenant and day."""

    list_display = (
        "source",
        "tenant",
        "day",
        "badge",
        "rows_loaded",
        "rows_changed",
        "why",
        "airflow",
        "landed_at",
    )
    list_filter = (
        "status",
        ("source", OwnValuesFilter),
        ("tenant", TenantFilter),
        ("day", RangeDateFilter),
    )
    list_filter_submit = True
    list_select_related = ("tenant",)
    search_fields = ("source", "tenant__slug", "sha256", "dag_run_id")
    search_help_text = "source, tenant, content hash or Airflow run"
    date_hierarchy = "day"
    inlines = (CheckRunInline,)
    fieldsets = (
        (None, {"fields": ("source", "tenant", "day", "status", "airflow")}),
        ("Result", {"fields": ("waits_for", "reasons_list", "warnings_list", "attempts")}),
        (
            "Rows",
            {
                "fields": (
                    "rows_staged",
                    "rows_loaded",
                    "rows_changed",
                    "rows_unchanged",
                    "rows_unmatched",
                    "only_updates",
                )
            },
        ),
        ("File", {"fields": ("size_bytes", "sha256", "archive_path")}),
        ("Times", {"fields": ("landed_at", "started_at", "finished_at")}),
    )
    readonly_fields = ("airflow", "reasons_list", "warnings_list")

    @display(description="status", ordering="status", label=_BADGES)
    def badge(self, delivery: Delivery) -> tuple[str, str]:
        """Return the status as a badge."""
        return delivery.status, delivery.get_status_display()

    @display(description="why")
    def why(self, delivery: Delivery) -> str:
        """Return what it waits for, else the first reason, else the first warning; a cut is shown as one."""
        texts = [*filter(None, [delivery.waits_for]), *delivery.reasons, *delivery.warnings]
        more = f" (+{len(texts) - 1})" if len(texts) > 1 else ""
        return f"{Truncator(texts[0]).chars(_MAX_WHY_CHARACTERS)}{more}" if texts else "-"

    @display(description="Airflow")
    def airflow(self, delivery: Delivery) -> SafeString | str:
        """Return a link to the newest DAG run."""
        if not delivery.dag_run_id:
            return "-"
        dag = quote(names.ingest_dag_id(delivery.source))
        url = f"{hotclub_settings.airflow_url}/dags/{dag}/runs/{quote(delivery.dag_run_id)}"
        return format_html('<a href="{}" target="_blank" rel="noopener">run {}</a>', url, delivery.attempts)

    @display(description="reasons")
    def reasons_list(self, delivery: Delivery) -> SafeString | str:
        """Return every reason on a line of its own."""
        return _lines(delivery.reasons)

    @display(description="warnings")
    def warnings_list(self, delivery: Delivery) -> SafeString | str:
        """Return every warning on a line of its own."""
        return _lines(delivery.warnings)


@admin.register(CheckRun)
class CheckRunAdmin(ReadOnlyAdmin):
    """What the checks found."""

    tenant_path = "delivery__tenant"
    list_display = ("delivery", "attempt", "badge", "severity", "rows", "failed", "finished_at")
    list_filter = (
        "decision",
        "severity",
        ("delivery__source", OwnValuesFilter),
        ("delivery__tenant", TenantFilter),
    )
    list_filter_submit = True
    list_select_related = ("delivery",)
    search_fields = ("delivery__source", "delivery__sha256")
    date_hierarchy = "finished_at"
    fields = (
        "delivery",
        "attempt",
        "decision",
        "severity",
        "rows",
        "contract_version",
        "started_at",
        "finished_at",
        "results_list",
    )
    readonly_fields = ("results_list",)

    @display(
        description="decision",
        ordering="decision",
        label={CheckRun.Decision.ACCEPTED: "success", CheckRun.Decision.REJECTED: "danger"},
    )
    def badge(self, run: CheckRun) -> tuple[str, str]:
        """Return the decision as a badge."""
        return run.decision, run.get_decision_display()

    @display(description="failed")
    def failed(self, run: CheckRun) -> str:
        """Return how many expectations failed, of how many."""
        return f"{sum(not r['success'] for r in run.results)} of {len(run.results)}"

    @display(description="expectations")
    def results_list(self, run: CheckRun) -> SafeString | str:
        """Return each expectation with its result; those that failed come first."""
        ordered = sorted(run.results, key=lambda r: r["success"])
        return format_html_join(
            "",
            "<p>{} {}: {}</p>",
            (
                ("✓" if r["success"] else "✗", r["severity"], r["message"] or r["expectation"])
                for r in ordered
            ),
        )


@admin.register(RefusedFile)
class RefusedFileAdmin(ReadOnlyAdmin):
    """What landed and became no delivery."""

    list_display = ("path", "reason", "tenant", "size_bytes", "found_at")
    list_filter = (("tenant", TenantFilter), ("found_at", RangeDateFilter))
    list_filter_submit = True
    list_select_related = ("tenant",)
    search_fields = ("path", "reason")
    date_hierarchy = "found_at"
    fields = ("path", "reason", "source", "tenant", "size_bytes", "found_at")
