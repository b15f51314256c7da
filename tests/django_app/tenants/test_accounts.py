"""Accounts are made once; what a person changed since stays, and what does not work that way is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from rest_framework.authtoken.models import Token

from django_app.tenants.models import Membership, Tenant

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

KEY = "s" * 40
NAMES = ("admin", "engineer", "owner")


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What a start runs on Django's side, the demo's step included; returns what it said."""
    monkeypatch.setenv("HOTCLUB_SERVICE_TOKEN", KEY)
    for name in NAMES:
        monkeypatch.setenv(f"HOTCLUB_{name.upper()}_PASSWORD", f"first-{name}")

    def run() -> str:
        call_command("ensure_accounts")
        call_command("demo_users")
        return capsys.readouterr().out

    run()
    return run


def person(name: str) -> User:
    """Return one of the demo's people as the database has them now."""
    return User.objects.get(username=name)


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_password_stays(up: Callable[[], str], name: str) -> None:
    """The new one logs in, the generated one does not."""
    user = person(name)
    user.set_password("a person's own")
    user.save()
    up()
    assert Client().login(username=name, password="a person's own")
    assert not Client().login(username=name, password=f"first-{name}")


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("owner", "is_active", False), ("owner", "is_staff", False), ("owner", "is_superuser", True),
        ("engineer", "is_active", False), ("engineer", "email", "e@example.org"),
    ],
)  # fmt: skip
def test_what_an_administrator_set_on_a_person_stays(
    up: Callable[[], str], name: str, field: str, value: Any
) -> None:
    """Switched off, demoted, promoted, renamed: as it was set."""
    User.objects.filter(username=name).update(**{field: value})
    up()
    assert getattr(person(name), field) == value


def test_groups_memberships_and_tenants_stay(up: Callable[[], str]) -> None:
    """A right taken from a group, a group from a person, a membership, a role, a tenant's name and zone."""
    group = Group.objects.get(name="Data owners")
    taken = Permission.objects.get(codename="view_batch")
    group.permissions.remove(taken)
    person("engineer").groups.clear()
    Membership.objects.get(user__username="owner").delete()
    Membership.objects.filter(user__username="engineer", tenant="JFK").update(role="viewer")
    Tenant.objects.filter(pk="EWR").update(name="Newark", timezone="Europe/Berlin")
    up()
    assert not group.permissions.filter(pk=taken.pk).exists()
    assert not person("engineer").groups.exists()
    assert not Membership.objects.filter(user__username="owner").exists()
    assert Membership.objects.get(user__username="engineer", tenant="JFK").role == "viewer"
    tenant = Tenant.objects.get(pk="EWR")
    assert (tenant.name, tenant.timezone) == ("Newark", "Europe/Berlin")


def test_loading_the_history_leaves_a_tenant_alone() -> None:
    """The demo's own data is loaded beside a tenant that was renamed."""
    from django_app.tenants.services import tenant_ensure

    Tenant.objects.filter(pk="EWR").update(name="Newark")
    tenant_ensure(slug="EWR", name="Newark Liberty", timezone="America/New_York")
    assert Tenant.objects.get(pk="EWR").name == "Newark"


def test_an_administrator_who_was_deleted_does_not_come_back(up: Callable[[], str]) -> None:
    """As long as there is another: who deletes the generated account means it."""
    User.objects.create_superuser("someone", password="x")
    person("admin").delete()
    said = up()
    assert not User.objects.filter(username="admin").exists()
    assert "warning" not in said


def test_without_any_administrator_the_first_one_is_made_again(up: Callable[[], str]) -> None:
    """Nobody could let anybody in otherwise."""
    person("admin").delete()
    call_command("ensure_accounts")
    assert Client().login(username="admin", password="first-admin")


@pytest.mark.parametrize("change", [{"is_superuser": False}, {"is_active": False}])
def test_an_administrator_who_was_demoted_stays_so(up: Callable[[], str], change: dict[str, bool]) -> None:
    """Where nobody else is one, the start says so, with the command that helps."""
    User.objects.filter(username="admin").update(**change)
    said = up()
    assert {name: getattr(person("admin"), name) for name in change} == change
    assert (
        "WARNING: nobody is administrator of Django; make one with: make manage CMD=createsuperuser" in said
    )


def test_a_demo_user_who_was_deleted_comes_back_by_the_command_alone(up: Callable[[], str]) -> None:
    """`ensure_accounts`, which every start runs, makes none; `demo_users`, which a person runs, does."""
    person("owner").delete()
    call_command("ensure_accounts")
    assert not User.objects.filter(username="owner").exists()
    assert "owner: data owner of EWR" in up()


def test_the_service_token_is_that_of_the_secrets(up: Callable[[], str]) -> None:
    """Rotated by hand in Django, it is put back, and the start says where it is changed."""
    Token.objects.filter(user__username="airflow").delete()
    Token.objects.create(user=person("airflow"), key="r" * 40)
    said = up()
    assert list(Token.objects.filter(user__username="airflow").values_list("key", flat=True)) == [KEY]
    assert "WARNING: the token of airflow had been changed in Django" in said
    assert "warning" not in up()


def test_a_service_account_that_was_switched_off_stays_off_and_is_told_of(up: Callable[[], str]) -> None:
    """Its token lets nobody in until somebody switches it on."""
    User.objects.filter(username="airflow").update(is_active=False)
    assert "WARNING: airflow is not active, so no DAG reaches Django" in up()
    answer = Client(headers={"Authorization": f"Token {KEY}"}).get("/api/v1/deliveries/")
    assert answer.status_code == 401


def test_a_right_that_the_service_lost_stays_lost_and_is_told_of(up: Callable[[], str]) -> None:
    """With the name of the permission."""
    person("airflow").user_permissions.clear()
    assert "WARNING: airflow may not act for every tenant" in up()
    assert not person("airflow").user_permissions.exists()


def test_a_service_account_that_was_deleted_is_made_again(up: Callable[[], str]) -> None:
    """It is no person, and nothing works without it."""
    person("airflow").delete()
    assert "warning" not in up()
    answer = Client(headers={"Authorization": f"Token {KEY}"}).get("/api/v1/deliveries/")
    assert answer.status_code == 200
