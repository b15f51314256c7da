"""Who sees what. Every read of a tenant's rows goes through `scoped`."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from django.contrib.auth import get_user_model
from django.db.models import Model, QuerySet
from rest_framework.authtoken.models import Token

from django_app.tenants.models import Membership, Tenant

_M = TypeVar("_M", bound=Model)

ACT_FOR_ANY = "tenants.act_for_any_tenant"


class Person(Protocol):
    """What is asked of a user: Django's own, a project's custom one, or nobody (`AnonymousUser`)."""

    @property
    def pk(self) -> Any:
        """The key; None for nobody."""

    @property
    def is_active(self) -> bool:
        """Whether the account is switched on."""

    @property
    def is_superuser(self) -> bool:
        """Whether the user has every permission."""

    def has_perm(self, perm: str) -> bool:
        """Return whether the user has a permission, named ``app.codename``."""


def sees_every_tenant(user: Person) -> bool:
    """Return whether the user is active and a superuser or holds `act_for_any_tenant`."""
    return bool(user.is_active and (user.is_superuser or user.has_perm(ACT_FOR_ANY)))


def scoped(queryset: QuerySet[_M], user: Person, path: str = "tenant") -> QuerySet[_M]:
    """Return the rows that the user may see.

    Args:
        queryset: rows of any model that leads to a tenant.
        user: who asks.
        path: the lookup from that model to the tenant; ``"pk"`` for tenants themselves.
    """
    if sees_every_tenant(user):
        return queryset
    if not user.is_active or user.pk is None:
        return queryset.none()
    mine = Tenant.objects.filter(memberships__user=user.pk).values("pk")
    return queryset.filter(**{f"{path}__in": mine})


def tenants_of(user: Person) -> QuerySet[Tenant]:
    """Return the tenants that the user may see."""
    return scoped(Tenant.objects.all(), user, path="pk")


def tenants_writable_by(user: Person) -> QuerySet[Tenant]:
    """Return the tenants that the user may start work for: a viewer only looks."""
    if sees_every_tenant(user):
        return Tenant.objects.all()
    mine = Membership.objects.filter(user=user.pk).exclude(role=Membership.Role.VIEWER)
    return tenants_of(user).filter(pk__in=mine.values("tenant"))


def writes_every_tenant(user: Person) -> bool:
    """Return whether there is no tenant, of those there are, that the user may not start work for."""
    if sees_every_tenant(user):
        return True
    writable = tenants_writable_by(user).values("pk")
    return writable.exists() and not Tenant.objects.exclude(pk__in=writable).exists()


def active_user(username: str) -> Any | None:
    """Return the active user of that name, written exactly so; None when there is none."""
    model = get_user_model()
    return model._default_manager.filter(**{model.USERNAME_FIELD: username, "is_active": True}).first()


def has_other_token(username: str, key: str) -> bool:
    """Return whether the user has an API token, and it is another than `key`."""
    owner = {f"user__{get_user_model().USERNAME_FIELD}": username}
    return Token.objects.filter(**owner).exclude(key=key).exists()


def account_problems(service: str) -> list[str]:
    """Return what people changed so that something does not work, each with the fix.

    Args:
        service: the username of the DAGs' account.
    """
    users = get_user_model()._default_manager
    problems = []
    account = users.get(**{get_user_model().USERNAME_FIELD: service})
    if not account.is_active:
        problems.append(
            f"{service} is not active, so no DAG reaches Django; activate the user again in the admin"
        )
    elif not sees_every_tenant(account):
        problems.append(
            f"{service} may not act for every tenant, so DAGs are refused; give the user the permission {ACT_FOR_ANY}"
        )
    if not users.filter(is_superuser=True, is_active=True).exists():
        problems.append("nobody is administrator of Django; make one with: make manage CMD=createsuperuser")
    return problems
