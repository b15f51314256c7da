"""The registry in the admin: all of it is written by machines, so all of it is read-only."""

from __future__ import annotations

import json

from django.conf import settings
from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from django_app.registry.models import ContractVersion, MirrorProblem, ModelVersion, Promotion
from django_app.tenants.admin import ReadOnly


def pretty_json(value: object) -> SafeString:
    """Return JSON as a readable block."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre style="white-space: pre-wrap; max-width: 70em">{}</pre>', text)


def _short(value: object) -> str:
    """Return a metric in four digits; one that is no number is mirrored as a word."""
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


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

    @display(description="Fingerprint")
    def short_fingerprint(self, obj: ContractVersion) -> str:
        """Return the start of the fingerprint."""
        return obj.fingerprint[:12]

    @display(description="Contract")
    def pretty(self, obj: ContractVersion) -> SafeString:
        """Return the whole contract."""
        return pretty_json(obj.content)


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnly, ModelAdmin):
    """Versions with their quality, aliases and the way to MLflow."""

    list_display = (
        "model",
        "version_link",
        "alias_labels",
        "gates_label",
        "quality",
        "contract_version",
        "registered_at",
    )
    list_filter = ("model", "gates")
    search_fields = ("model", "run_id", "description")
    date_hierarchy = "registered_at"
    readonly_fields = ("version_link", "run_link", "pretty_metrics")
    exclude = ("metrics",)

    @display(description="Version", ordering="version")
    def version_link(self, obj: ModelVersion) -> SafeString:
        """Link to the version's page in MLflow."""
        url = f"{settings.HOTCLUB_MLFLOW_URL}/#/models/{obj.model}/versions/{obj.version}"
        return format_html('<a href="{}">version {} in MLflow</a>', url, obj.version)

    @display(description="Run")
    def run_link(self, obj: ModelVersion) -> SafeString:
        """Link to the training run in MLflow."""
        url = f"{settings.HOTCLUB_MLFLOW_URL}/#/experiments/{obj.experiment_id}/runs/{obj.run_id}"
        return format_html('<a href="{}">{}</a>', url, obj.run_id)

    @display(description="Aliases", label={"champion": "success", "challenger": "info"})
    def alias_labels(self, obj: ModelVersion) -> str:
        """Return the aliases as a badge."""
        return ", ".join(obj.aliases) or "-"

    @display(description="Gates", label={"passed": "success", "failed": "danger"}, ordering="gates")
    def gates_label(self, obj: ModelVersion) -> str:
        """Return the verdict of the gates as a badge."""
        return obj.gates or "none"

    @display(description="Held-out quality")
    def quality(self, obj: ModelVersion) -> str:
        """Return the first metrics of the evaluation, as training logged them."""
        shown = [name for name in ("roc_auc", "log_loss", "rmse", "mae", "accuracy") if name in obj.metrics]
        return ", ".join(f"{name} {_short(obj.metrics[name])}" for name in shown) or "-"

    @display(description="Metrics")
    def pretty_metrics(self, obj: ModelVersion) -> SafeString:
        """Return every metric of the run."""
        return pretty_json(obj.metrics)


@admin.register(MirrorProblem)
class MirrorProblemAdmin(ReadOnly, ModelAdmin):
    """What in the model registry could not be mirrored, and why. Put right in MLflow, it goes away by itself."""

    list_display = ("model", "version", "reason", "noticed_at")
    list_filter = ("model",)
    search_fields = ("model", "reason")


@admin.register(Promotion)
class PromotionAdmin(ReadOnly, ModelAdmin):
    """Aliases that moved."""

    list_display = ("model", "alias", "from_version", "to_version", "observed_at")
    list_filter = ("model", "alias")
    search_fields = ("model",)
    date_hierarchy = "observed_at"
