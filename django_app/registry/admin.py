"""The registry in the admin: all of it is written by machines, so all of it is read-only."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from django_app.conf import hotclub_settings
from django_app.registry.models import MirrorProblem, ModelVersion, Promotion
from django_app.tenants.admin_base import ReadOnly, pretty_json
from django_app.typed_admin import ModelAdmin, display


def _short(value: object) -> str:
    """Return a metric in four digits; one that is no number is mirrored as a word."""
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnly, ModelAdmin):
    """Versions with their quality, aliases and the way to MLflow."""

    list_display = (
        "model_name",
        "version_link",
        "alias_labels",
        "gates_label",
        "quality",
        "contract_version",
        "registered_at",
    )
    list_filter = ("model_name", "gates")
    search_fields = ("model_name", "run_id", "description")
    date_hierarchy = "registered_at"
    readonly_fields = ("version_link", "run_link", "pretty_metrics")
    exclude = ("metrics",)

    @display(description="Version", ordering="version")
    def version_link(self, obj: ModelVersion) -> SafeString:
        """Link to the version's page in MLflow."""
        url = f"{hotclub_settings.mlflow_url}/#/models/{obj.model_name}/versions/{obj.version}"
        return format_html('<a href="{}">version {} in MLflow</a>', url, obj.version)

    @display(description="Run")
    def run_link(self, obj: ModelVersion) -> SafeString:
        """Link to the training run in MLflow."""
        url = f"{hotclub_settings.mlflow_url}/#/experiments/{obj.experiment_id}/runs/{obj.run_id}"
        return format_html('<a href="{}">{}</a>', url, obj.run_id)

    @display(description="Aliases", label={"champion": "success", "challenger": "info"})
    def alias_labels(self, obj: ModelVersion) -> str:
        """Return the aliases as a badge."""
        return ", ".join(obj.aliases) or "-"

    @display(
        description="Gates",
        label={"passed": "success", "failed": "danger", "none declared": "warning"},
        ordering="gates",
    )
    def gates_label(self, obj: ModelVersion) -> str:
        """Return the verdict of the gates as a badge."""
        return obj.gates or "no verdict"

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
    """What in the model registry could not be mirrored, and why. Once it is fixed in MLflow, the entry goes away by itself."""

    list_display = ("model_name", "version", "reason", "noticed_at")
    list_filter = ("model_name",)
    search_fields = ("model_name", "reason")


@admin.register(Promotion)
class PromotionAdmin(ReadOnly, ModelAdmin):
    """Aliases that moved."""

    list_display = ("model_name", "alias", "from_version", "to_version", "observed_at")
    list_filter = ("model_name", "alias")
    search_fields = ("model_name",)
    date_hierarchy = "observed_at"
