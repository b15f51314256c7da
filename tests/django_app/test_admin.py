"""Admin pages: they render, show the right rows, and cost a known number of queries."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_app.flights.models import Flight
from django_app.ingest.models import CheckRun, Delivery, RefusedFile
from django_app.scoring.models import Batch, BatchChunk, PredictionRequest

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2013, 11, 1, 12, tzinfo=dt.UTC)
#: Queries of each list as a superuser, session and login included. More rows must not mean more queries;
#: where a page gets a new column that costs one, say so here.
QUERIES = {
    "auth.group": 5,
    "auth.user": 6,
    "flights.airport": 6,
    "flights.carrier": 5,
    "flights.flight": 8,
    "flights.hourlyweather": 6,
    "flights.plane": 6,
    "ingest.checkrun": 9,
    "ingest.delivery": 9,
    "ingest.refusedfile": 8,
    "contracts.contractversion": 8,
    "registry.mirrorproblem": 6,
    "registry.modelversion": 9,
    "registry.promotion": 9,
    "scoring.batch": 9,
    "scoring.predictionrequest": 9,
    "tenants.tenant": 5,
}
PINNED = {
    "model_name": "arrival_delay",
    "model_version": "1",
    "package_digest": "d",
    "contract_fingerprint": "f",
    "contract_version": 1,
}


@pytest.fixture
def _rows(users: dict[str, Any]) -> None:
    for tenant in ("EWR", "JFK", "LGA"):
        delivery = Delivery.objects.create(
            source="flight_schedule", tenant_id=tenant, day=NOW.date(), sha256="0" * 64, size_bytes=1,
            archive_path="/nowhere", status="rejected", dag_run_id="delivery-1", attempts=1,
            reasons=["carrier must not be <b>empty</b>"], warnings=["w"],
        )  # fmt: skip
        CheckRun.objects.create(
            delivery=delivery, attempt=1, decision="rejected", severity="critical", rows=3, contract_version=1,
            started_at=NOW, finished_at=NOW,
            results=[{"expectation": "E", "severity": "critical", "success": False, "message": "it must hold"}],
        )  # fmt: skip
        RefusedFile.objects.create(
            path=f"flight_schedule/{tenant}/x.CSV", tenant_id=tenant, reason="ends in .CSV"
        )
        batch = Batch.objects.create(
            **PINNED, tenant_id=tenant, key="k", day=NOW.date(), start=NOW, end=NOW, status="done",
            rows_total=1234, rows_done=1234, finished_at=NOW,
        )  # fmt: skip
        BatchChunk.objects.create(batch=batch, number=0, first_entity="1", rows=2)
        PredictionRequest.objects.create(
            **PINNED, tenant_id=tenant, features={"carrier": "UA"}, status="done", score=0.25,
            requested_by=users["owner"],
        )  # fmt: skip


def _client(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def _list(label: str) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_changelist")


def test_every_registered_model_has_its_count() -> None:
    """A new admin page fails here until its queries are counted."""
    assert sorted(QUERIES) == sorted(model._meta.label_lower for model in admin.site._registry)


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("label", sorted(QUERIES))
def test_lists_render_with_a_known_number_of_queries(label: str, users: dict[str, Any]) -> None:
    """200, and exactly the golden number of queries."""
    client = _client(users["root"])
    client.get(_list(label))
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(_list(label))
    assert answer.status_code == 200
    assert len(queries) == QUERIES[label], "\n".join(q["sql"][:150] for q in queries)


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("model", [Delivery, CheckRun, RefusedFile, Batch, PredictionRequest, Flight])
def test_pages_of_one_row_render(model: Any, users: dict[str, Any]) -> None:
    """Each machine-written row can be looked at, and its page offers no way to save."""
    row = model.objects.order_by("pk").first()
    url = reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_change", args=[row.pk])
    page = _client(users["root"]).get(url)
    assert page.status_code == 200
    assert b'name="_save"' not in page.content


@pytest.mark.usefixtures("_rows")
def test_what_a_data_owner_reads(users: dict[str, Any], settings: Any) -> None:
    """Reasons, badge and the link to Airflow stand in the list, escaped."""
    page = _client(users["root"]).get(_list("ingest.delivery")).content.decode()
    assert f"{settings.HOTCLUB_AIRFLOW_URL}/dags/flight_schedule.ingest/runs/delivery-1" in page
    assert "carrier must not be &lt;b&gt;empty&lt;/b&gt;" in page
    page = _client(users["root"]).get(_list("scoring.batch")).content.decode()
    assert f"{settings.HOTCLUB_MLFLOW_URL}/#/models/arrival_delay/versions/1" in page
    assert "1,234 of 1,234" in page


@pytest.mark.usefixtures("_rows")
def test_a_status_is_a_word(users: dict[str, Any]) -> None:
    """A delivery's and a check run's page show it as text, not as a pair of what the badge is made of."""
    client = _client(users["root"])
    for model, word in ((Delivery, "rejected"), (CheckRun, "rejected")):
        name = model._meta.label_lower.replace(".", "_")
        page = client.get(reverse(f"admin:{name}_change", args=[model.objects.first().pk])).content.decode()
        assert word in page
        assert f"({word!r}" not in page.replace("&#x27;", "'")


@pytest.mark.usefixtures("_rows")
def test_a_long_reason_is_cut_where_one_sees_it(users: dict[str, Any]) -> None:
    """In the list with an ellipsis, on the page whole; what a delivery waits for comes first."""
    reason = "2 rows do not belong to EWR, the tenant that delivers; " * 4
    Delivery.objects.filter(tenant="EWR").update(reasons=[reason])
    Delivery.objects.filter(tenant="JFK").update(waits_for="waits for its DAG, which is paused")
    client = _client(users["root"])
    listed = client.get(_list("ingest.delivery")).content.decode()
    assert reason not in listed
    assert "2 rows do not belong to EWR" in listed
    assert "…" in listed
    assert "waits for its DAG, which is paused (+2)" in listed
    page = client.get(reverse("admin:ingest_delivery_change", args=[Delivery.objects.get(tenant="EWR").pk]))
    assert reason.strip() in page.content.decode()


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("model", [Delivery, CheckRun, RefusedFile, Batch, PredictionRequest, Flight])
def test_a_data_owner_sees_one_tenant(model: Any, users: dict[str, Any]) -> None:
    """With the permission to view, rows are still those of the user's tenants; others' pages lead away."""
    owner, paths = users["owner"], {CheckRun: "delivery__tenant", Flight: "origin__tenant"}
    owner.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client, name = _client(owner), model._meta.label_lower.replace(".", "_")
    shown = client.get(_list(model._meta.label_lower)).context["cl"].queryset
    path = paths.get(model, "tenant")
    assert set(shown.values_list(path, flat=True)) == {"EWR"}
    other = model.objects.exclude(**{path: "EWR"}).first()
    assert client.get(reverse(f"admin:{name}_change", args=[other.pk])).status_code == 302


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("model", [Delivery, CheckRun, RefusedFile, Batch, PredictionRequest, Flight])
def test_a_data_owner_reads_no_other_tenants_name(model: Any, users: dict[str, Any]) -> None:
    """The whole page, filters included, is about the user's tenants; someone who sees all has them to choose from."""
    owner = users["owner"]
    owner.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    page = _client(owner).get(_list(model._meta.label_lower)).content.decode()
    assert "EWR" in page
    assert "JFK" not in page
    path = {CheckRun: "delivery__tenant", Flight: "origin__tenant"}.get(model, "tenant")
    every = _client(users["root"]).get(_list(model._meta.label_lower)).content.decode()
    assert f'name="{path}__slug__exact"' in every or f"{path}__slug__exact=JFK" in every


def test_machine_written_rows_are_read_only(users: dict[str, Any]) -> None:
    """Not even a superuser adds, changes or deletes them in the admin."""
    client = _client(users["root"])
    for label in (
        "ingest.delivery",
        "ingest.checkrun",
        "scoring.batch",
        "scoring.predictionrequest",
        "flights.flight",
    ):
        assert client.get(reverse(f"admin:{label.replace('.', '_')}_add")).status_code == 403
        page = admin.site.get_model_admin(apps.get_model(label))
        request = RequestFactory().get("/")
        request.user = users["root"]
        assert page.has_view_permission(request)
        assert not page.has_change_permission(request), label
        assert not page.has_delete_permission(request), label


@pytest.mark.parametrize("query", ["q=ATL", "q=1545", "q=N14228", "cancelled__exact=1"])
def test_flights_are_searched(users: dict[str, Any], query: str) -> None:
    """Destination, flight number, tail number and the filter: some flights, never all of them."""
    page = _client(users["root"]).get(f"{_list('flights.flight')}?{query}")
    assert page.status_code == 200
    assert 0 < page.context["cl"].result_count < Flight.objects.count()


def test_a_search_that_fits_nothing_is_an_empty_page(users: dict[str, Any]) -> None:
    """No flight has that tail number: the list is there, and has no row."""
    page = _client(users["root"]).get(f"{_list('flights.flight')}?q=XXXXX")
    assert (page.status_code, page.context["cl"].result_count) == (200, 0)
