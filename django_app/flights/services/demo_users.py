"""The people of the demo: an administrator, an ML engineer, and the data owner of one airport."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

from django_app.flights.nycflights13 import NEW_YORK, ORIGINS
from django_app.tenants.models import Membership
from django_app.tenants.services import (
    administrator_ensure,
    membership_ensure,
    staff_ensure,
    tenant_ensure,
)

#: Group → app labels whose rows its members may look at in the admin.
GROUPS = {
    "Data owners": ("tenants", "ingest", "scoring", "flights"),
    "ML engineers": ("tenants", "contracts", "registry", "ingest", "scoring", "flights"),
}
_OWNED = "EWR"


@transaction.atomic
def demo_users_ensure(*, admin: str, engineer: str, owner: str) -> Mapping[str, str]:
    """Make those of the three users who are missing, with these passwords, their groups and memberships.

    Who is there already stays as they are, and so do groups and tenants: people may have changed them.

    Returns:
        What each username that is new is for.
    """
    made = {}
    groups = {name: _group(name, apps) for name, apps in GROUPS.items()}
    tenants = {slug: tenant_ensure(slug=slug, name=name, timezone=NEW_YORK) for slug, name in ORIGINS.items()}
    if administrator_ensure(username="admin", password=admin):
        made["admin"] = "administrator: everything"
    person, created = staff_ensure(username="engineer", password=engineer)
    if created:
        person.groups.set([groups["ML engineers"]])
        for tenant in tenants.values():
            membership_ensure(user=person, tenant=tenant, role=Membership.Role.ML_ENGINEER)
        made["engineer"] = f"ML engineer of {', '.join(ORIGINS)}"
    person, created = staff_ensure(username="owner", password=owner)
    if created:
        person.groups.set([groups["Data owners"]])
        membership_ensure(user=person, tenant=tenants[_OWNED], role=Membership.Role.DATA_OWNER)
        made["owner"] = f"data owner of {_OWNED}"
    return made


def _group(name: str, app_labels: tuple[str, ...]) -> Group:
    group, created = Group.objects.get_or_create(name=name)
    if created:
        group.permissions.set(
            Permission.objects.filter(Q(content_type__app_label__in=app_labels), codename__startswith="view_")
        )
    return group
