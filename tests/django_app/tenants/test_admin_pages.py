"""What the admin tells a data owner: not a word of another tenant's, and refusals that say what to do."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from django_app.ingest.models import CheckRun, Delivery
from django_app.scoring.models import Batch, PredictionRequest
from django_app.tenants.admin_base import OwnValuesFilter, ScopedAdmin, TenantFilter
from django_app.tenants.models import Tenant

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

NOW = dt.datetime(2013, 11, 1, 12, 34, 56, tzinfo=dt.UTC)
#: A word that stands in every text of the other tenant's rows, and a year that only its rows have.
OTHER, OTHER_YEAR = "ZZSECRET", 2077
OWN = "own_source"
SCOPED = [model for model, page in admin.site._registry.items() if isinstance(page, ScopedAdmin)]


def _rows(tenant: str, word: str, moment: dt.datetime, user: Any) -> None:
    pinned = {
        "model_name": f"{word}_model", "model_version": "1", "package_digest": word, "contract_fingerprint": word,
        "contract_version": 1,
    }  # fmt: skip
    delivery = Delivery.objects.create(
        source=word, tenant_id=tenant, day=moment.date(), sha256=word, size_bytes=1, archive_path=f"/{word}",
        status="rejected", dag_run_id=word, attempts=1, reasons=[word], warnings=[word],
    )  # fmt: skip
    Delivery.objects.filter(pk=delivery.pk).update(landed_at=moment)
    CheckRun.objects.create(
        delivery=delivery, attempt=1, decision="rejected", severity="critical", rows=3, contract_version=1,
        started_at=moment, finished_at=moment,
        results=[{"expectation": word, "severity": "critical", "success": False, "message": word}],
    )  # fmt: skip
    Batch.objects.create(
        **pinned, tenant_id=tenant, key=word, day=moment.date(), start=moment, end=moment, status="done",
        created_at=moment, finished_at=moment, requested_by=user,
    )  # fmt: skip
    PredictionRequest.objects.create(
        **pinned, tenant_id=tenant, features={"carrier": word}, status="done", score=0.25, created_at=moment,
        requested_by=user,
    )  # fmt: skip


@pytest.fixture
def owner(users: dict[str, Any]) -> Client:
    """The data owner of EWR, who may view everything; beside rows of another tenant with words of their own."""
    from django.contrib.auth.models import User

    Tenant.objects.create(slug=OTHER, name=OTHER)
    stranger = User.objects.create_user(f"{OTHER}-person")
    _rows("EWR", OWN, NOW, users["owner"])
    _rows(OTHER, OTHER, NOW.replace(year=OTHER_YEAR), stranger)
    views = Permission.objects.filter(codename__startswith="view_").exclude(content_type__app_label="auth")
    users["owner"].user_permissions.set(views)
    client = Client()
    client.force_login(users["owner"])
    return client


def _list(model: Any) -> str:
    return reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")


@pytest.mark.parametrize("query", ["", "?_facets=True", "?_popup=1", "?q=own", "?o=1&all="])
@pytest.mark.parametrize("model", SCOPED)
def test_a_list_has_no_word_of_another_tenant(owner: Client, model: Any, query: str) -> None:
    """Rows, filters, facets, years of the hierarchy and pop-ups are about the user's own rows."""
    page = owner.get(_list(model) + query, follow=True)
    assert page.status_code == 200
    text = page.content.decode()
    assert OTHER not in text
    assert str(OTHER_YEAR) not in text


@pytest.mark.parametrize("model", [Delivery, CheckRun, Batch, PredictionRequest])
def test_someone_who_sees_all_has_the_others_words(owner: Client, users: dict[str, Any], model: Any) -> None:
    """The words are on these pages, so the test above does not pass by looking for something else."""
    client = Client()
    client.force_login(users["root"])
    text = client.get(_list(model) + "?_facets=True").content.decode()
    assert OTHER in text
    assert str(OTHER_YEAR) in text
    assert OWN in owner.get(_list(model)).content.decode()


@pytest.mark.parametrize(
    "query",
    [
        f"delivery__source={OTHER}", f"source={OTHER}", f"delivery__tenant__slug__exact={OTHER}", f"q={OTHER}",
        f"finished_at__year={OTHER_YEAR}", f"model_name={OTHER}_model",
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", [Delivery, CheckRun, Batch])
def test_asking_by_address_finds_none_of_the_others_rows(owner: Client, model: Any, query: str) -> None:
    """A filter typed by hand is over the user's own rows too."""
    page = owner.get(f"{_list(model)}?{query}", follow=True)
    if (context := page.context) is not None and "cl" in context:
        assert not {str(row.pk) for row in context["cl"].result_list} - {
            str(pk) for pk in model.objects.exclude(**_of_other(model)).values_list("pk", flat=True)
        }


def _of_other(model: Any) -> dict[str, str]:
    return {"delivery__tenant" if model is CheckRun else "tenant": OTHER}


@pytest.mark.parametrize("view", ["change", "history", "delete"])
@pytest.mark.parametrize("model", [Delivery, CheckRun, Batch, PredictionRequest, Tenant])
def test_no_page_of_another_tenants_row(owner: Client, model: Any, view: str) -> None:
    """Change, history and delete alike: as if the row were not there."""
    name = model._meta.label_lower.replace(".", "_")
    other = model.objects.get(pk=OTHER) if model is Tenant else model.objects.get(**_of_other(model))
    answer = owner.get(reverse(f"admin:{name}_{view}", args=[other.pk]))
    assert answer.status_code in (302, 403)
    assert other._meta.verbose_name not in answer.content.decode()


@pytest.mark.parametrize(
    ("app", "model", "field"),
    [("ingest", "checkrun", "delivery"), ("tenants", "membership", "user"), ("tenants", "membership", "tenant"),
     ("scoring", "batch", "tenant"), ("scoring", "batch", "requested_by"), ("ingest", "delivery", "tenant")],
)  # fmt: skip
def test_autocomplete_tells_nothing(owner: Client, app: str, model: str, field: str) -> None:
    """Users and other tenants cannot be listed through Django's own look-up of related rows."""
    answer = owner.get(f"/admin/autocomplete/?app_label={app}&model_name={model}&field_name={field}&term=")
    assert OTHER not in answer.content.decode()


def test_every_filter_of_a_tenants_rows_is_a_known_kind() -> None:
    """Choices, yes or no, dates; values and relations by the filters that know the user. New ones are decided here."""
    shared = {("flights.flight", "carrier")}  # airlines belong to no tenant
    for model in SCOPED:
        for entry in admin.site._registry[model].list_filter:
            path, kind = entry if isinstance(entry, tuple) else (entry, None)
            field = admin.utils.get_fields_from_path(model, path)[-1]
            if kind in (OwnValuesFilter, TenantFilter) or (model._meta.label_lower, path) in shared:
                continue
            tenants_own = model._meta.app_label == "flights" and not hasattr(model, "origin")
            plain = bool(field.choices) or field.get_internal_type() in (
                "BooleanField",
                "DateField",
                "DateTimeField",
            )
            assert plain or tenants_own, (model, path)


def test_a_right_that_is_missing_is_told_of(users: dict[str, Any]) -> None:
    """403 names the user and who can help."""
    client = Client()
    client.force_login(users["owner"])
    answer = client.get(reverse("admin:auth_user_changelist"))
    text = answer.content.decode()
    assert answer.status_code == 403
    assert "You are logged in as test-owner" in text
    assert "An administrator gives the right" in text


def test_a_form_without_a_token_says_what_to_do(users: dict[str, Any]) -> None:
    """Not a bare "403 Forbidden"."""
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/admin/login/", {"username": "x", "password": "y"})
    text = answer.content.decode()
    assert (answer.status_code, "load the page again" in text.replace("\n", " ")) == (403, True)


def test_a_page_that_is_not_there(client: Client) -> None:
    """404 as a page with a way on."""
    answer = client.get("/nothing/")
    assert (answer.status_code, "There is nothing at /nothing/" in answer.content.decode()) == (404, True)
    assert 'href="/admin/"' in answer.content.decode()


def test_a_page_that_fails(users: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """500 as a page without the cause."""

    def broken(*_: Any) -> Any:
        raise RuntimeError("the secret cause")

    monkeypatch.setattr("django_app.ingest.admin.DeliveryAdmin.get_queryset", broken)
    client = Client(raise_request_exception=False)
    client.force_login(users["root"])
    answer = client.get(_list(Delivery))
    text = answer.content.decode()
    assert (answer.status_code, "secret" in text, "server&#x27;s log" in text) == (500, False, True)


@pytest.mark.parametrize(
    "path",
    ["tenants/tenant/a%00b/change/", "ingest/delivery/?source=%00", "ingest/delivery/?q=%00", "scoring/batch/?model_name=%00",
     "flights/flight/?o=%00"],
)  # fmt: skip
def test_nul_in_an_address(owner: Client, path: str) -> None:
    """400 that names the place; PostgreSQL would refuse the query with a failure of ours."""
    answer = owner.get(f"/admin/{path}")
    assert answer.status_code == 400
    assert "U+0000" in answer.content.decode()


def test_nul_in_a_cookie(db: None) -> None:
    """A quoted cookie may hold it: the session would be looked up by it."""
    answer = Client(headers={"cookie": 'sessionid="abcdefghijkl\\000"'}).get("/admin/")
    assert (answer.status_code, "cookie sessionid" in answer.content.decode()) == (400, True)


def test_dates_are_iso(owner: Client) -> None:
    """2013-11-01 12:34:56 in lists, on a row's page and in the hierarchy; day first stands nowhere."""
    texts = [
        owner.get(_list(Delivery)).content.decode(),
        owner.get(
            reverse("admin:ingest_delivery_change", args=[Delivery.objects.get(source=OWN).pk])
        ).content.decode(),
        owner.get(_list(Batch)).content.decode(),
    ]
    for text in texts:
        assert "2013-11-01 12:34:56" in text
        assert "1 Nov" not in text
        assert "Nov. 1" not in text
    assert "2013-11-01" in owner.get(_list(Delivery) + "?day__year=2013").content.decode()


def test_a_date_is_read_as_it_is_written(users: dict[str, Any]) -> None:
    """What a form shows is what it takes: no month is read as a day."""
    client = Client()
    client.force_login(users["root"])
    url = reverse("admin:auth_user_change", args=[users["owner"].pk])
    form = client.get(url).context["adminform"].form
    field = form.fields["date_joined"]
    assert field.widget.decompress(NOW) == [NOW.date(), NOW.time()]
    assert [
        w.format_value(v) for w, v in zip(field.widget.widgets, (NOW.date(), NOW.time()), strict=True)
    ] == [
        "2013-11-01",
        "12:34:56",
    ]
    assert field.clean(["2013-02-01", "12:34:56"]) == NOW.replace(month=2)


@pytest.mark.parametrize(
    "query",
    [
        "p=-1", "p=x", f"p={'9' * 30}", "o=x", f"o={'9' * 30}", "o=1.1.1.-1", "all=x", "e=1", "nonsense=1",
        "created_at__year=99999", "created_at__year=0", "created_at__year=-1", "created_at__year=x",
        "created_at__year=2013&created_at__month=13", "created_at__year=2013&created_at__month=2&created_at__day=31",
        "created_at_from=nonsense", "created_at_from=99999-01-01", "created_at_to=0000-00-00",
        f"status__exact={'x' * 3000}", "status__exact=%FF",
        "tenant__slug__exact=%ED%A0%80", "rows_total__gt=1", "requested_by__password__startswith=pbkdf2", "q=%ED%A0%80",
    ],
)  # fmt: skip
def test_no_query_breaks_a_list(owner: Client, query: str) -> None:
    """A page, or the way back to the list: never a failure, and never what was not to be asked."""
    answer = owner.get(f"{_list(Batch)}?{query}")
    assert answer.status_code in (200, 302, 400)


@pytest.mark.parametrize("key", ["x", "9" * 40, "-1", "_5F", "%ED%A0%80", "a" * 3000])
@pytest.mark.parametrize("model", SCOPED)
def test_no_key_breaks_a_page(owner: Client, model: Any, key: str) -> None:
    """The row is not there, and the page says so on the start page."""
    name = model._meta.label_lower.replace(".", "/")
    assert owner.get(f"/admin/{name}/{key}/change/").status_code == 302
