"""Each right declaration builds a view in PostgreSQL whose rows and values are those of Django's own queryset."""

from __future__ import annotations

import datetime as dt
import math
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.contrib.postgres.aggregates import BoolOr
from django.db import connections
from django.db.models import (
    Avg,
    BooleanField,
    Case,
    Count,
    Exists,
    F,
    FloatField,
    Func,
    Max,
    OuterRef,
    Q,
    Subquery,
    Sum,
    TextField,
    Value,
    When,
    Window,
)
from django.db.models.fields.json import KT
from django.db.models.functions import (
    Cast,
    Coalesce,
    Extract,
    ExtractHour,
    ExtractIsoWeekDay,
    Length,
    Lower,
    Rank,
    TruncDate,
)
from django.db.models.lookups import GreaterThan

from django_app.contracts import feature_views
from django_app.contracts.compiler import compile_model
from hotclub import names
from hotclub.columns import postgres_type
from hotclub.contract import ModelContract
from hotclub.declarations import Age, Boolean, Category, Feature, Number
from tests.conftest import Database
from tests.django_app.contracts import declared
from tests.django_app.contracts.cases import rows
from tests.django_app.contracts.cases.tables import (
    MODELS,
    BigOrder,
    Concert,
    Customer,
    Invoice,
    Line,
    Order,
    Species,
)

BERLIN = "Europe/Berlin"
ALIAS = "cases"


@dataclass(frozen=True)
class Views:
    """A database with the shop's tables and rows."""

    database: Database
    reader: psycopg.Connection[Any]

    def build(self, contract: ModelContract) -> list[dict[str, Any]]:
        """Build a contract's view as `migrate` does, and read it by the reader's login."""
        built, broken = feature_views.build(connections[ALIAS], [contract])
        assert broken == {}
        assert built == [feature_views.name_of(contract)]
        cursor = self.reader.cursor(row_factory=psycopg.rows.dict_row)
        return cursor.execute(f"SELECT * FROM {contract.view} ORDER BY entity").fetchall()


@pytest.fixture(scope="module")
def views(provision: Callable[[str], Database], django_db_blocker: Any) -> Iterator[Views]:
    """The shop's tables in a database of their own."""
    database = provision("declaration_cases")
    parts = psycopg.conninfo.conninfo_to_dict(database.admin_url)
    connections.databases[ALIAS] = {
        **connections["default"].settings_dict,
        "NAME": database.name, "USER": parts["user"], "PASSWORD": parts.get("password", ""), "HOST": parts["host"],
        "PORT": str(parts.get("port") or ""), "OPTIONS": {},
    }  # fmt: skip
    with django_db_blocker.unblock():
        with connections[ALIAS].schema_editor() as editor:
            for each in MODELS:
                editor.create_model(each)
        rows.insert(ALIAS)
        with psycopg.connect(database.url(names.ROLE_READER), autocommit=True) as reader:
            reader.execute("SET TimeZone = 'Asia/Tokyo'")
            yield Views(database, reader)
        connections[ALIAS].close()
    del connections[ALIAS]
    del connections.databases[ALIAS]
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {database.name} WITH (FORCE)")


@pytest.fixture(autouse=True)
def _declared() -> Iterator[None]:
    with declared.tables_restored():
        yield


LINES = Line.objects.filter(order=OuterRef("pk")).order_by().values("order")
LINE_COUNT = Coalesce(Subquery(LINES.annotate(n=Count("pk")).values("n")), 0)
FIRST_PRODUCT = Subquery(Line.objects.filter(order=OuterRef("pk")).order_by("pk").values("product")[:1])

#: Features by themselves, on all orders.
FEATURES: dict[str, Feature] = {
    "float": Number("total"),
    "integer": Number("quantity"),
    "big integer": Number("big"),
    "small integer": Number(F("positive")),
    "decimal": Number("price"),
    "decimal by a decimal": Number(F("price") * Decimal("1.19")),
    "float by an integer": Number(F("total") * F("quantity")),
    "nullable float": Number("rating", nullable=True),
    "null filled": Number(Coalesce("rating", Value(-1.0))),
    "null guarded": Number(Case(When(rating__isnull=False, then=F("rating")), default=Value(0.0))),
    "null guarded in the default": Number(Case(When(rating__isnull=True, then=Value(0.0)), default=F("rating"))),
    "null guarded by a negation": Number(Case(When(~Q(rating__isnull=False), then=Value(0.0)), default=F("rating"))),
    "null guarded by one of two": Number(
        Case(When(Q(rating__isnull=True) | Q(gift=True), then=Value(0.0)), default=F("rating"))
    ),
    "generated": Number("double"),
    "hour of a moment": Number(ExtractHour("placed_at", tzinfo=ZoneInfo(BERLIN))),
    "weekday of a date": Number(ExtractIsoWeekDay("day")),
    "seconds of a time": Number(Extract("opens", "epoch")),
    "seconds of a duration": Number(Extract("stay", "epoch")),
    "seconds between moments": Number(Extract(F("closed_at") - F("placed_at"), "epoch"), nullable=True),
    "length of a text": Number(Length("country")),
    "length of an array": Number("tags__len", nullable=True),
    "value of an array": Number("sizes__0", nullable=True),
    "number of a JSON key": Number("data__price", nullable=True),
    "number by KT": Number(Cast(KT("data__price"), FloatField()), nullable=True),
    "value": Number(Value(1.5)),
    "rank": Number(Window(Rank(), order_by=["number"])),
    "text": Category("country"),
    "long text": Category("note"),
    "slug": Category("slug"),
    "file": Category("photo"),
    "lower": Category(Lower("country")),
    "integer as category": Category("size"),
    "foreign key": Category("customer"),
    "foreign key's column": Category("customer_id"),
    "foreign key's key": Category("customer__id"),
    "nullable foreign key": Category("referrer", nullable=True),
    "key without a constraint": Category("depot"),
    "subquery by a key without a constraint": Category(
        Subquery(Customer.objects.filter(pk=OuterRef("depot")).values("name")), nullable=True
    ),
    "uuid": Category("ref"),
    "text of a parent": Category("customer__name"),
    "text of a nullable parent": Category("referrer__city", nullable=True),
    "two steps": Category("customer__tenant__slug"),
    "text of an array": Category("tags__0", nullable=True),
    "text of a JSON key": Category("data__colour", nullable=True),
    "text of a JSON key by F": Category(F("data__colour"), nullable=True),
    "text of a nested JSON key": Category("data__a__b", nullable=True),
    "text in a JSON list": Category("data__list__0", nullable=True),
    "address": Category(Func("host", function="HOST", output_field=TextField())),
    "case": Category(Case(When(total__gt=3, then=Value("high %s")), default=Value("l'ow"))),
    "boolean": Boolean("gift"),
    "nullable boolean": Boolean("returned", nullable=True),
    "truth of a JSON key": Boolean("data__new", nullable=True),
    "condition": Boolean(Q(total__gt=3) | Q(country="Česko")),
    "condition that may be null": Boolean(Q(rating__gt=1), nullable=True),
    "condition that guards itself": Boolean(Q(rating__gt=1, rating__isnull=False)),
    "condition or null": Boolean(Q(rating__gt=1) | Q(rating__isnull=True)),
    "negated condition": Boolean(~Q(rating__gt=1)),
    "no foreign key": Boolean(Q(referrer__isnull=True)),
    "lookup": Boolean(GreaterThan(F("total"), 3.0)),
    "exists": Boolean(Exists(Line.objects.filter(order=OuterRef("pk"), price__gt=3))),
    "subquery of another table": Number(LINE_COUNT),
    "first of another table": Category(FIRST_PRODUCT, nullable=True),
    "joined count": Number(Count("lines")),
    "joined sum": Number(Sum("lines__price", default=0.0)),
    "joined average": Number(Avg("lines__price"), nullable=True),
    "joined count over two steps": Number(Count("lines__discounts")),
    "joined count of labels": Number(Count("labels")),
    "joined maximum": Number(Max("lines__price"), nullable=True),
    "own aggregate": Number(Sum("total")),
    "reverse one-to-one": Number("invoice__amount", nullable=True),
    "has a reverse one-to-one": Boolean(Q(invoice__isnull=False)),
    "age of a moment": Age("closed_at", unit="min", nullable=True),
    "age of a date": Age("paid_on", unit="h", nullable=True),
    "age of a local date": Age(TruncDate("placed_at", tzinfo=ZoneInfo("Asia/Kolkata")), unit="s"),
}  # fmt: skip

NUMBERED = {"Adélie": 0, "Gentoo": 1, "Chin'strap %": 2}
BY_VALUE = {"adelie": 0, "gentoo": 1, "chin'strap": 2}


def _class(numbers: Mapping[Any, int]) -> Callable[[Any], float | None]:
    return lambda value: None if value is None else float(numbers.get(value, -1))


#: Whole declarations, with the label that the view has for a value of Django's.
WHOLE: dict[str, tuple[dict[str, Any], Callable[[Any], float | None]]] = {
    "boolean label": ({"label": "gift"}, float),
    "nullable boolean label": ({"label": "returned"}, lambda v: None if v is None else float(v)),
    "condition as label": ({"label": Q(total__gt=3)}, float),
    "condition as label, known": ({"label": Q(total__gt=3), "label_known": Q(returned__isnull=False)}, lambda v: None if v is None else float(v)),
    "boolean label, known": ({"label": "gift", "label_known": Q(returned__isnull=False) & ~Q(country="FR")}, lambda v: None if v is None else float(v)),
    "named boolean label": ({"label": "gift", "classes": ("no", "yes")}, float),
    "boolean label by value": ({"label": "gift", "classes": {True: "yes", False: "no"}}, float),
    "number as label": ({"label": Case(When(total__gt=3, then=Value(1)), default=Value(0))}, float),
    "named numbers": ({"label": Case(When(total__gt=3, then=Value(1)), default=Value(0)), "classes": ("few", "many")}, float),
    "numbers from choices": ({"label": "late"}, lambda v: None if v is None else float(v)),
    "two numbers from choices": ({"label": "size"}, _class({10: 0, 30: 1})),
    "two texts": ({"label": "kind", "classes": ("b", "a")}, _class({"b": 0, "a": 1})),
    "two texts from choices": ({"label": "kind"}, _class({"a": 0, "b": 1})),
    "a text of the parent": ({"label": "customer__city", "classes": ["北京", "Kraków"]}, _class({"北京": 0, "Kraków": 1})),
    "a key of JSON": ({"label": "data__colour", "classes": ("räd", "blue")}, _class({"räd": 0})),
    "exists as label": ({"label": Exists(Line.objects.filter(order=OuterRef("pk")))}, float),
    "three texts": ({"task": "multiclass", "classes": ("adelie", "gentoo", "chin'strap")}, _class(BY_VALUE)),
    "three texts, known": ({"task": "multiclass", "classes": tuple(BY_VALUE), "label_known": Q(gift=True)}, _class(BY_VALUE)),
    "three pairs": ({"task": "multiclass", "classes": [("gentoo", "G"), ("adelie", "A"), ("x", "X")]}, _class({"gentoo": 0, "adelie": 1, "x": 2})),
    "three from choices": ({"task": "multiclass"}, _class(BY_VALUE)),
    "three from an enum": ({"task": "multiclass", "classes": Species}, _class(BY_VALUE)),
    "three members": ({"task": "multiclass", "classes": tuple(Species)}, _class(BY_VALUE)),
    "three named numbers": ({"task": "multiclass", "label": F("quantity") % 3, "classes": ("a", "b", "c")}, float),
    "three numbers by value": ({"task": "multiclass", "label": "quantity", "classes": {3: "x", 1: "y", 2: "z"}}, _class({3: 0, 1: 1, 2: 2})),
    "three plain numbers": ({"task": "multiclass", "label": "quantity", "classes": (3, 1, 2)}, _class({3: 0, 1: 1, 2: 2})),
    "three uuids": ({"task": "multiclass", "label": "customer", "classes": {str(uuid.UUID(int=1)): "a", uuid.UUID(int=2): "b", uuid.UUID(int=9): "c"}}, _class({uuid.UUID(int=1): 0, uuid.UUID(int=2): 1})),
    "regression of a decimal": ({"task": "regression", "label": "price"}, float),
    "regression of a JSON key": ({"task": "regression", "label": "data__price"}, lambda v: None if v is None else float(v)),
    "regression of a count": ({"task": "regression", "label": Count("lines")}, float),
    "rows without a time": ({"event_time": None, "split_by": "customer"}, float),
    "split by a text of the parent": ({"event_time": None, "split_by": "customer__name"}, float),
    "a date as time": ({"event_time": "day", "timezone": BERLIN, "features": {"age": Age("closed_at", nullable=True)}}, float),
    "time of the parent row": ({"rows": Invoice.objects.all(), "event_time": "order__placed_at", "label": Q(amount__gt=3), "features": {"total": Number("order__total"), "amount": Number("amount")}}, float),
    "a nullable time that is filtered": ({"rows": Order.objects.filter(closed_at__isnull=False), "event_time": "closed_at"}, float),
    "tenant": ({"tenant": "customer__tenant"}, float),
    "tenant by its column": ({"tenant": "customer__tenant_id"}, float),
    "tenant by its key": ({"tenant": "customer__tenant__pk"}, float),
    "a uuid as entity": ({"rows": Customer.objects.all(), "event_time": None, "label": Q(name__gt="M"), "features": {"city": Category("city", nullable=True)}}, float),
    "a unique field as entity": ({"entity": "number"}, float),
    "a unique constraint as entity": ({"entity": "ticket"}, float),
    "a nullable unique field as entity": ({"entity": "code", "rows": Order.objects.exclude(code=None)}, float),
    "a parent's key as entity": ({"rows": Concert.objects.all(), "event_time": "at", "label": Q(seats__gt=1), "features": {"seats": Number("seats")}}, float),
    "a manager": ({"rows": Order.objects}, float),
    "a proxy": ({"rows": BigOrder.objects.filter(total__gt=3)}, float),
    "ordered and deferred rows": ({"rows": Order.objects.order_by("-total").only("total").select_related("customer")}, float),
    "null ruled out by isnull": ({"rows": Order.objects.filter(rating__isnull=False), "features": {"rating": Number("rating")}}, float),
    "null ruled out by exclude": ({"rows": Order.objects.exclude(rating=None), "features": {"rating": Number("rating")}}, float),
    "null ruled out by a comparison": ({"rows": Order.objects.filter(rating__gte=0, total__lt=1e9), "features": {"rating": Number(F("rating") * 2)}}, float),
    "null ruled out by both of two": ({"rows": Order.objects.filter(Q(rating__gt=2) | Q(rating__lt=1)), "features": {"rating": Number("rating")}}, float),
    "null key ruled out": ({"rows": Order.objects.filter(referrer__isnull=False), "features": {"name": Category("referrer__name")}}, float),
    "parent ruled in": ({"rows": Order.objects.filter(referrer__name="李"), "features": {"name": Category("referrer__name")}}, float),
    "rows whose key names something": ({"rows": Order.objects.filter(depot__name__gt=""), "features": {"depot": Category("depot__name")}}, float),
    "filter of many rows, distinct": ({"rows": Order.objects.filter(lines__price__gt=1).distinct()}, float),
    "filter of many rows, excluded": ({"rows": Order.objects.exclude(lines__price__gt=3)}, float),
    "filter by exists": ({"rows": Order.objects.filter(Exists(Line.objects.filter(order=OuterRef("pk"))))}, float),
    "rows with an aggregate": ({"rows": Order.objects.annotate(n=Count("lines")).filter(n__gt=1), "features": {"n": Number("n"), "total": Number("total")}}, float),
    "two aggregates of one join": ({"features": {"n": Number(Count("lines")), "sum": Number(Sum("lines__price"), nullable=True), "total": Number("total"), "name": Category("customer__name")}}, float),
    "two joins, each copy once": ({"features": {"n": Number(Count("lines", distinct=True)), "labels": Number(Count("labels", distinct=True)), "max": Number(Max("lines__price"), nullable=True), "any": Boolean(BoolOr(Q(lines__price__gt=3)), nullable=True)}}, float),
    "many features": ({"features": {re.sub(r"\W+", "_", name).lower(): f for name, f in FEATURES.items() if not name.startswith("joined") and name not in ("own aggregate", "rank")}}, float),
}  # fmt: skip


def _expression(feature: Feature) -> Any:
    """Return what Django is asked for: for the key of a JSONField its value, which `KT` gives as text."""
    path = feature.expression.name if isinstance(feature.expression, F) else feature.expression
    if not isinstance(path, str):
        return feature.expression
    if path.startswith("data__"):
        fields = {"number": FloatField(), "boolean": BooleanField()}
        return Cast(KT(path), fields[feature.type]) if feature.type in fields else KT(path)
    return F(path)


def _moment(value: Any, zone: str) -> dt.datetime:
    if isinstance(value, dt.datetime):
        return value
    return dt.datetime.combine(value, dt.time(), ZoneInfo(zone)).astimezone(dt.UTC)


def _wanted(feature: Feature, value: Any, event_time: Any, zone: str) -> Any:
    """Return the view's value for Django's."""
    if value is None:
        return None
    if isinstance(feature, Age):
        seconds = (_moment(event_time, zone) - _moment(value, zone)) / dt.timedelta(seconds=1)
        return pytest.approx(seconds / {"s": 1, "min": 60, "h": 3600, "d": 86400}[feature.unit])
    if feature.type == "number":
        return pytest.approx(float(value), rel=1e-12)
    return value if feature.type == "boolean" else str(value)


def _queryset(cls: Any) -> list[dict[str, Any]]:
    """Return the rows as Django's own queryset gives them."""
    columns = {f"x_{name}": _expression(feature) for name, feature in cls.features.items()}
    label = F(cls.label) if isinstance(cls.label, str) else cls.label
    if isinstance(cls.label, str) and cls.label.startswith("data__"):
        label = KT(cls.label)
    columns |= {"x_key": F(cls.entity), "x_of_label": label}
    for name in ("tenant", "event_time", "split_by"):
        if getattr(cls, name) is not None:
            columns[f"x_of_{name}"] = F(getattr(cls, name))
    known = cls.label_known
    columns["x_known"] = Case(When(known, then=Value(True)), default=Value(False)) if known else Value(True)
    found = cls.rows.all().using(ALIAS).annotate(**columns).order_by("x_key")
    return [{**row} for row in found.values(*columns)]


def _check(views: Views, cls: Any, label: Callable[[Any], float | None]) -> ModelContract:
    contract = compile_model(cls, version=1, policy_revision=1)
    view, queryset = views.build(contract), _queryset(cls)
    assert queryset, "a case without rows shows nothing"
    key = {"uuid": str}.get(contract.schema.entity_type, lambda value: value)
    assert [key(row["entity"]) for row in view] == [key(row["x_key"]) for row in queryset]
    for ours, theirs in zip(view, queryset, strict=True):
        time = theirs.get("x_of_event_time")
        assert ours["event_time"] == (None if time is None else _moment(time, cls.timezone))
        assert ours["tenant"] == theirs.get("x_of_tenant")
        assert ours.get("split_by") == (str(theirs["x_of_split_by"]) if cls.split_by else None)
        assert ours["label"] == (label(theirs["x_of_label"]) if theirs["x_known"] else None)
        for name, feature in cls.features.items():
            assert ours[name] == _wanted(feature, theirs[f"x_{name}"], time, cls.timezone), name
    for spec in contract.features:
        assert spec.nullable or all(row[spec.name] is not None for row in view), spec.name
        assert postgres_type(spec) in ("float8", "text", "boolean")
    return contract


@pytest.mark.parametrize("case", FEATURES)
def test_a_feature_has_the_values_of_the_queryset(views: Views, case: str) -> None:
    """Of every kind of field and expression that a feature may have."""
    name = f"Feature{list(FEATURES).index(case)}"
    _check(views, declared.model(name, features={"it": FEATURES[case]}, timezone=BERLIN), float)


@pytest.mark.parametrize("case", WHOLE)
def test_a_declaration_has_the_rows_of_the_queryset(views: Views, case: str) -> None:
    """Labels, classes, keys, times, tenants and filters."""
    attributes, label = WHOLE[case]
    _check(views, declared.model(f"Whole{list(WHOLE).index(case)}", **attributes), label)


def test_values_show_that_nothing_is_lost(views: Views) -> None:
    """The comparison above is with Django; these are by hand."""
    cls = declared.model(
        "ByHand",
        task="multiclass",
        features={
            "big": Number("big"),
            "country": Category("country"),
            "colour": Category("data__colour", nullable=True),
        },
    )
    found = views.build(compile_model(cls, version=1, policy_revision=1))
    assert [row["label"] for row in found] == [0, 1, 2, 0, 0, 0, 0, -1]
    assert [row["country"] for row in found][:4] == ["DE", "Česko", "日本", ""]
    assert [row["colour"] for row in found][4:7] == [None, "räd", None]
    assert math.isclose(found[2]["big"], 2**63)


def test_classes_and_choices_are_named_as_people_know_them() -> None:
    """Display names, of a text that is translated later too; a choice's name is no part of the schema."""
    cls = declared.model(
        "Named",
        task="multiclass",
        features={"size": Category("size"), "kind": Category("kind", nullable=True)},
    )
    contract = compile_model(cls, version=1, policy_revision=1)
    assert contract.schema.classes == tuple(NUMBERED)
    assert contract.policy.choices == {
        "size": (("10", "small"), ("30", "large")),
        "kind": (("a", "first"), ("b", "second")),
    }
    binary = compile_model(declared.model("Late", label="late"), version=1, policy_revision=1)
    assert binary.schema.classes == ("on time", "late")
    assert binary.policy.choices == {}


def test_tables_that_are_read_are_in_the_contract() -> None:
    """The tables of subqueries too: the views' owner needs the right to read them."""
    cls = declared.model("Reads", features={"n": Number(LINE_COUNT)})
    contract = compile_model(cls, version=1, policy_revision=1)
    assert contract.schema.view.reads == ("cases_line", "cases_order")
