"""Contract files as this database knows them."""

from __future__ import annotations

from django.db import models


class ContractVersion(models.Model):
    """A contract file as this database knows it. The file is the truth; `migrate` copies it here."""

    class Kind(models.TextChoices):
        MODEL = "model", "Model"
        SOURCE = "source", "Source"

    name = models.CharField(max_length=40)
    version = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    app = models.CharField(max_length=100)
    fingerprint = models.CharField(max_length=64)
    policy_revision = models.PositiveIntegerField(default=1)
    content = models.JSONField()
    view_error = models.TextField(
        "feature view", blank=True, default="", help_text="Why its feature view cannot be built."
    )
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name", "-version")
        constraints = (
            models.UniqueConstraint(fields=("name", "version"), name="contracts_contract_name_version"),
        )

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"
