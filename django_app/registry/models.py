"""What MLflow's model registry says, mirrored."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class ModelVersion(models.Model):
    """A version in the model registry, mirrored so that people and queries find it here."""

    model_name = models.CharField("model_name", max_length=40)
    version = models.PositiveIntegerField()
    aliases = models.JSONField(default=list)
    run_id = models.CharField(max_length=64, blank=True)
    experiment_id = models.CharField(max_length=32, blank=True)
    contract_fingerprint = models.CharField(max_length=64, blank=True)
    contract_version = models.PositiveIntegerField(null=True)
    gates = models.CharField(max_length=16, blank=True)
    metrics = models.JSONField(default=dict)
    description = models.TextField(blank=True)
    registered_at = models.DateTimeField()
    synced_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, help_text="When it was first missing from the registry.")

    class Meta:
        ordering = ("model_name", "-version")
        constraints = (
            models.UniqueConstraint(fields=("model_name", "version"), name="registry_model_version"),
        )

    def __str__(self) -> str:
        return f"{self.model_name} version {self.version}"


class MirrorProblem(models.Model):
    """Something in the model registry that could not be mirrored as it is. What was put right there goes away here."""

    model_name = models.CharField("model_name", max_length=255)
    version = models.CharField(max_length=40, blank=True, help_text="Empty for the model as a whole.")
    reason = models.TextField()
    noticed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("model_name", "version", "pk")

    def __str__(self) -> str:
        return f"{self.model_name} {self.version}: {self.reason}"


class Promotion(models.Model):
    """An alias that was seen to move. Who moved it, MLflow does not tell."""

    model_name = models.CharField("model_name", max_length=40)
    alias = models.CharField(max_length=64)
    from_version = models.PositiveIntegerField(null=True)
    to_version = models.PositiveIntegerField(null=True)
    observed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-observed_at", "-pk")

    def __str__(self) -> str:
        return f"{self.model_name}@{self.alias}: {self.from_version or '-'} → {self.to_version or '-'}"
