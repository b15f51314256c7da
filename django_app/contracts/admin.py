"""Contracts in the admin: they are written by `migrate`, so they are read-only."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from django_app.conf import hotclub_settings
from django_app.contracts.models import ContractVersion
from django_app.tenants.admin_base import ReadOnly, pretty_json
from django_app.typed_admin import ModelAdmin, display
from hotclub import contract_files


@admin.register(ContractVersion)
class ContractVersionAdmin(ReadOnly, ModelAdmin):
    """Contracts by name and version."""

    list_display = (
        "name",
        "version",
        "kind",
        "app",
        "features",
        "policy_revision",
        "short_fingerprint",
        "view_label",
        "file_label",
        "recorded_at",
    )
    list_filter = ("kind", "app")
    search_fields = ("name", "fingerprint")
    date_hierarchy = "recorded_at"
    fields = (
        *("name", "version", "kind", "app", "fingerprint"),
        *("view_error", "policy_revision", "recorded_at", "pretty"),
    )

    @display(description="Features / columns")
    def features(self, obj: ContractVersion) -> int:
        """Return how many features a model, or columns a source has."""
        schema = obj.content["schema"]
        return len(schema.get("features") or schema.get("columns", ()))

    @display(description="Feature view", label={"": "success"}, ordering="view_error")
    def view_label(self, obj: ContractVersion) -> tuple[str, str]:
        """Return why the view cannot be built, as a badge."""
        if obj.kind == ContractVersion.Kind.SOURCE:
            return "none", "a source has none"
        return (
            (obj.view_error, f"cannot be built: {obj.view_error}") if obj.view_error else ("", "can be built")
        )

    @display(description="Contract file", label={"": "success"})
    def file_label(self, obj: ContractVersion) -> tuple[str, str]:
        """Return whether there still is a file of that name, as a badge."""
        directories = contract_files.contract_dirs(hotclub_settings.contracts)
        is_there = any(directory.name == obj.name for directory in directories)
        return ("", "there") if is_there else ("retired", "retired")

    @display(description="Fingerprint")
    def short_fingerprint(self, obj: ContractVersion) -> str:
        """Return the start of the fingerprint."""
        return obj.fingerprint[:12]

    @display(description="Contract")
    def pretty(self, obj: ContractVersion) -> SafeString:
        """Return the whole contract."""
        return pretty_json(obj.content)
