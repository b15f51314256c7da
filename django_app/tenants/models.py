"""Tenants and memberships."""

from __future__ import annotations

from zoneinfo import available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models


def validate_timezone(value: str) -> None:
    """Refuse a name that the IANA time zone database does not have."""
    if value not in available_timezones():
        raise ValidationError(f"{value!r} is not an IANA time zone, such as America/New_York")


class Tenant(models.Model):
    """Whose data it is. The slug is the key, so that a foreign key to a tenant already holds it."""

    # A dot would be ambiguous in a partition key, a slash in the landing folder.
    slug = models.CharField(
        max_length=40,
        primary_key=True,
        validators=[RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9_-]*$", "letters, digits, _ and - only")],
    )
    name = models.CharField(max_length=200)
    timezone = models.CharField(max_length=64, default="UTC", validators=[validate_timezone])

    class Meta:
        ordering = ("slug",)
        permissions = (("act_for_any_tenant", "Can see and act for every tenant"),)

    def __str__(self) -> str:
        return self.slug


class Membership(models.Model):
    """A user's role in a tenant."""

    class Role(models.TextChoices):
        DATA_OWNER = "data_owner", "data owner"
        ML_ENGINEER = "ml_engineer", "ML engineer"
        VIEWER = "viewer", "viewer"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tenant_memberships")
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.VIEWER)

    class Meta:
        ordering = ("tenant", "user")
        constraints = (models.UniqueConstraint(fields=("user", "tenant"), name="tenants_membership_once"),)

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant_id} as {self.get_role_display()}"
