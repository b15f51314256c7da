"""Writes of tenants, memberships and the service account."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import transaction
from rest_framework.authtoken.models import Token

from django_app.tenants.models import Membership, Tenant


@transaction.atomic
def tenant_ensure(*, slug: str, name: str, timezone: str) -> Tenant:
    """Create the tenant or bring its name and zone up to date."""
    tenant, _ = Tenant.objects.update_or_create(slug=slug, defaults={"name": name, "timezone": timezone})
    return tenant


@transaction.atomic
def membership_ensure(*, user: Any, tenant: Tenant, role: Membership.Role) -> Membership:
    """Give the user this role in the tenant, whatever it was before."""
    membership, _ = Membership.objects.update_or_create(user=user, tenant=tenant, defaults={"role": role})
    return membership


@transaction.atomic
def staff_ensure(*, username: str, password: str, superuser: bool = False) -> Any:
    """Create the user who may open the admin, or bring password and rights up to date; return the user."""
    model = get_user_model()
    user, _ = model._default_manager.get_or_create(**{model.USERNAME_FIELD: username})
    user.is_staff, user.is_superuser = True, superuser  # type: ignore[attr-defined]  # as below
    # Hashing anew would end the person's sessions for nothing.
    if not user.check_password(password):
        user.set_password(password)
    user.save()
    return user


@transaction.atomic
def service_account_ensure(*, username: str, key: str) -> Any:
    """Create the user that a service acts as, able to act for every tenant, with exactly this API token.

    Returns:
        The user. It has no password, so the token is its only way in.
    """
    model = get_user_model()
    user, created = model._default_manager.get_or_create(**{model.USERNAME_FIELD: username})
    if created:
        user.set_unusable_password()
        user.save()
    user.user_permissions.add(  # type: ignore[attr-defined]  # a custom user model has it through PermissionsMixin
        Permission.objects.get(content_type__app_label="tenants", codename="act_for_any_tenant")
    )
    Token.objects.filter(user=user).exclude(key=key).delete()
    Token.objects.get_or_create(user=user, key=key)
    return user
