"""Writes of tenants, memberships and the service account.

``…_ensure`` makes what is missing. What is there was perhaps changed by a person since, and stays.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import transaction
from rest_framework.authtoken.models import Token

from django_app.tenants.models import Membership, Tenant


@transaction.atomic
def tenant_ensure(*, slug: str, name: str, timezone: str) -> Tenant:
    """Create the tenant where it is missing; one that is there keeps its name and zone."""
    tenant, _ = Tenant.objects.get_or_create(slug=slug, defaults={"name": name, "timezone": timezone})
    return tenant


@transaction.atomic
def membership_ensure(*, user: Any, tenant: Tenant, role: Membership.Role) -> Membership:
    """Make the user a member with this role; a member keeps the role that they have."""
    membership, _ = Membership.objects.get_or_create(user=user, tenant=tenant, defaults={"role": role})
    return membership


@transaction.atomic
def staff_ensure(*, username: str, password: str, superuser: bool = False) -> tuple[Any, bool]:
    """Create the user who may open the admin.

    Returns:
        The user, and whether they are new. One who was there keeps password, rights and state.
    """
    user, created = _user_get_or_create(username)
    if created:
        user.is_staff, user.is_superuser = True, superuser
        user.set_password(password)
        user.save()
    return user, created


@transaction.atomic
def administrator_ensure(*, username: str, password: str) -> bool:
    """Create the first administrator, and return whether they are new.

    Where there is an active superuser, none is created: somebody replaced this one on purpose.
    """
    if get_user_model()._default_manager.filter(is_superuser=True, is_active=True).exists():
        return False
    return staff_ensure(username=username, password=password, superuser=True)[1]


@transaction.atomic
def service_account_ensure(*, username: str, key: str) -> Any:
    """Create the user that a service acts as, able to act for every tenant; give it exactly this API token.

    A right that was taken away and an account that was switched off stay so. The token does not: the secrets
    are its home, and with another one no DAG would reach Django.

    Returns:
        The user. It has no password, so the token is its only way in.
    """
    user, created = _user_get_or_create(username)
    if created:
        user.set_unusable_password()
        user.save()
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label="tenants", codename="act_for_any_tenant")
        )
    Token.objects.filter(user=user).exclude(key=key).delete()
    Token.objects.get_or_create(user=user, key=key)
    return user


def _user_get_or_create(username: str) -> tuple[Any, bool]:
    model = get_user_model()
    # Any: a custom user model has `user_permissions` and the rest through PermissionsMixin.
    name: dict[str, Any] = {model.USERNAME_FIELD: username}
    return model._default_manager.get_or_create(**name)
