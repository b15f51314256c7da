"""A DAG run that a person started by hand asks for no more than that person may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from django_app.registry import selectors as registry
from django_app.registry.selectors import ModelVersionRef
from django_app.scoring.models import Batch
from django_app.tenants.models import Membership, Tenant
from django_app.tenants.selectors import writes_every_tenant

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

Ask = Callable[..., Any]
BODY = {"model": "arrival_delay", "day": "2013-10-20"}


@pytest.fixture
def ask(
    ref: ModelVersionRef, api: Callable[[str], Any], sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> Ask:
    """Post a batch as the service account does."""
    del sent
    monkeypatch.setattr(registry, "champion", lambda _: ref)

    def post(who: str = "service", **more: Any) -> Any:
        return api(who).post("/api/v1/batches/", {**BODY, "key": "k", **more})

    return post


def refused(answer: Any, field: str, *words: str) -> None:
    """Hold a refusal against its field and its words; nothing was written."""
    assert answer.status_code == 422, answer.content
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    for word in words:
        assert word in error["message"]
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    ("person", "tenant"),
    [("test-owner", "EWR"), ("test-engineer", "JFK"), ("test-root", "LGA"), ("test-service", "JFK")],
)
def test_who_may_is_recorded(ask: Ask, person: str, tenant: str) -> None:
    """The batch is theirs: the admin shows who asked."""
    answer = ask(tenant=tenant, on_behalf_of=person)
    assert answer.status_code == 202
    assert Batch.objects.get().requested_by.username == person


@pytest.mark.parametrize(
    ("person", "tenant"),
    [("test-owner", "JFK"), ("test-engineer", "EWR"), ("test-viewer", "EWR"), ("test-owner", "nowhere")],
)
def test_who_may_not_is_refused_by_name(ask: Ask, person: str, tenant: str) -> None:
    """With the tenant, the person and what would give the right."""
    refused(ask(tenant=tenant, on_behalf_of=person), "tenant", tenant, person, "membership")


@pytest.mark.parametrize("person", ["nobody-here", "", "TEST-OWNER", "test-owner ", "root", "%"])
def test_a_person_whom_django_does_not_know(ask: Ask, person: str) -> None:
    """A run by hand of somebody unknown may be for no tenant at all."""
    answer = ask(tenant="EWR", on_behalf_of=person)
    if person == "test-owner ":  # blanks at the ends are no part of a name
        assert answer.status_code == 202
    else:
        refused(answer, "on_behalf_of", "no active user")


def test_a_person_who_was_switched_off(ask: Ask, users: dict[str, Any]) -> None:
    """Airflow's own login may still work; what it starts is refused."""
    users["owner"].is_active = False
    users["owner"].save()
    refused(ask(tenant="EWR", on_behalf_of="test-owner"), "on_behalf_of", "no active user")


def test_without_a_person_the_service_acts_for_any_tenant(ask: Ask, users: dict[str, Any]) -> None:
    """A partition's run is Airflow's own, and so is what Django's account in Airflow started."""
    assert ask(tenant="JFK").status_code == 202
    assert ask(tenant="EWR", on_behalf_of="django").status_code == 202
    assert {b.requested_by for b in Batch.objects.all()} == {users["service"]}


@pytest.mark.parametrize("person", ["test-owner", "test-engineer", "test-viewer"])
def test_every_tenant_is_not_for_people_of_some(ask: Ask, person: str) -> None:
    """A backfill of `replay`, or a `score` without a tenant."""
    refused(ask(on_behalf_of=person), "tenant", person, "every tenant")


def test_every_tenant_is_for_people_of_every_tenant(ask: Ask, users: dict[str, Any]) -> None:
    """The demo's engineer; a tenant more, or the role of a viewer in one, and it is not."""
    user = users["engineer"]
    for tenant in Tenant.objects.exclude(pk="JFK"):
        Membership.objects.create(user=user, tenant=tenant, role="ml_engineer")
    assert ask(on_behalf_of="test-engineer").status_code == 202
    Batch.objects.all().delete()
    Membership.objects.filter(user=user, tenant="LGA").update(role="viewer")
    refused(ask(on_behalf_of="test-engineer"), "tenant", "every tenant")
    Membership.objects.filter(user=user, tenant="LGA").update(role="ml_engineer")
    Tenant.objects.create(slug="BOS", name="Boston")
    refused(ask(on_behalf_of="test-engineer"), "tenant", "every tenant")


def test_where_there_are_no_tenants_every_tenant_is_still_for_few(users: dict[str, Any]) -> None:
    """That no tenant is left out does not let in somebody who has none."""
    with transaction.atomic():
        Tenant.objects.all()._raw_delete(
            Tenant.objects.db
        )  # foreign keys are checked at the commit, which never comes
        assert not Tenant.objects.exists()
        assert not writes_every_tenant(users["viewer"])
        assert writes_every_tenant(users["root"])
        transaction.set_rollback(True)


@pytest.mark.parametrize("person", ["test-engineer", "test-root", "django", ""])
def test_only_the_service_speaks_for_others(ask: Ask, person: str) -> None:
    """A data owner cannot borrow another's rights."""
    refused(ask("owner", tenant="EWR", on_behalf_of=person), "on_behalf_of", "only the service account")


def test_a_key_that_is_used_gives_nothing_away(ask: Ask) -> None:
    """Who may not is refused before the key is looked up."""
    assert ask(tenant="JFK", on_behalf_of="test-engineer").status_code == 202
    answer = ask(tenant="JFK", on_behalf_of="test-owner")
    assert (answer.status_code, Batch.objects.count()) == (422, 1)
