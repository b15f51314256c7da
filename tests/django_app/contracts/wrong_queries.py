"""Models whose queries give several rows, other values at another read, or nulls; in the form of `wrong_models`."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.postgres.aggregates import BitAnd, BoolOr, Corr, StringAgg
from django.db.models import (
    Case,
    Count,
    DateField,
    DateTimeField,
    DurationField,
    Exists,
    F,
    FilteredRelation,
    FloatField,
    Func,
    OuterRef,
    Q,
    RowRange,
    Subquery,
    Sum,
    TextField,
    Value,
    When,
    Window,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import (
    Coalesce,
    Concat,
    Extract,
    FirstValue,
    Lag,
    Left,
    Mod,
    Now,
    NthValue,
    Ntile,
    Power,
    Replace,
    RowNumber,
    StrIndex,
    Substr,
)

from hotclub.declarations import Age, Boolean, Category, Number
from tests.django_app.contracts.cases.odd_tables import Parcel
from tests.django_app.contracts.cases.tables import Discount, Line, Order
from tests.django_app.contracts.wrong_models import IT, LINES, ROWS, feature

PARCELS = Parcel.objects.all()
OF_LINES = Discount.objects.filter(line=OuterRef("lines__pk"))
BY_LINES = ROWS.filter(lines__price__gt=1).distinct()
#: As ``timezone.now()`` gives it.
MOMENT = dt.datetime(2024, 3, 1, 12, 30, 5, 123456, tzinfo=dt.UTC)


def parcels(**attributes: Any) -> dict[str, Any]:
    """Return the attributes of a model of parcels."""
    body = {"rows": PARCELS, "event_time": "sent_at", "label": "lost", "features": {"w": Number("weight")}}
    return body | attributes


class _Parts(Func):
    """A function of a project's own."""

    function = "parts_of"
    set_returning = True
    output_field = TextField()


def _text(name: str, *sources: Any) -> Func:
    return Func(*sources, function=name, output_field=TextField())


def _number(name: str, *sources: Any) -> Func:
    return Func(*sources, function=name, output_field=FloatField())


MANY_ROWS = ("may give several rows of cases.", "order_by('-pk')[:1]")
ANOTHER = ("gives another value at every read",)
ZONE = ("depends on the session's time zone", "tzinfo=")
IMPORTED = (
    "2024-03-01 12:30:05.123456+00:00 was taken when ml.py was imported",
    "datetime(2024, 3, 1, tzinfo=UTC)",
)

WRONG_QUERIES: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    # Several rows for one, by a way that is no path of the feature itself.
    "outer reference to many": (feature(Number(Subquery(OF_LINES.order_by("pk").values("percent")[:1]), nullable=True)), IT, ("'lines' has many rows for one",)),
    "exists of many": (feature(Boolean(Exists(OF_LINES))), IT, ("'lines' has many rows for one",)),
    "exists of many in a case": (feature(Number(Case(When(Exists(OF_LINES), then=Value(1)), default=Value(0)))), IT, ("'lines' has many rows for one",)),
    "union of outer references to many": (feature(Number(Subquery(OF_LINES.values("percent").union(OF_LINES.values("percent")).order_by("percent")[:1]), nullable=True)), IT, ("'lines' has many rows for one", "Subquery(")),
    "label exists of many": ({"label": Exists(OF_LINES)}, "label", ("'lines' has many rows for one",)),
    "label known by exists of many": ({"label_known": Exists(OF_LINES)}, "label_known", ("'lines' has many rows for one",)),
    "rows by exists of many": ({"rows": ROWS.filter(Exists(OF_LINES))}, "rows", ("'lines' has many rows for one",)),
    "rows annotated with many": ({"rows": ROWS.annotate(each=F("lines__price"))}, "rows", ("'lines' has many rows for one",)),
    "filtered relation of many": (feature(Number("dear__price", nullable=True), rows=ROWS.annotate(dear=FilteredRelation("lines", condition=Q(lines__price__gt=3)))), IT, ("'lines' has many rows for one",)),
    "filtered relation that loses rows": (feature(Category("known__name"), rows=ROWS.annotate(known=FilteredRelation("customer", condition=Q(customer__name="李")))), IT, ("'customer' does not fit the condition of the FilteredRelation would be left out", "Subquery")),
    "values of an array": (feature(Category(_text("unnest", "tags"))), IT, ("unnest gives several rows for one", "'tags__0'")),
    "values of an array in a case": (feature(Category(Case(When(gift=True, then=_text("UNNEST", "tags")), default=Value("-"), output_field=TextField()))), IT, ("unnest gives several rows",)),
    "values by a function that says so": (feature(Category(_Parts("country"))), IT, ("_Parts gives several rows for one",)),
    "a series": (feature(Number(_number("generate_series", Value(1), "quantity"))), IT, ("generate_series gives several rows",)),
    "values of JSON": ({"label": _text("jsonb_array_elements_text", "data"), "classes": ("a", "b")}, "label", ("jsonb_array_elements_text gives several rows",)),
    "parts of a text by hand": (feature(Category(RawSQL("regexp_split_to_table(country, ',')", [], output_field=TextField()))), IT, ("regexp_split_to_table gives several rows",)),
    "rows by values of an array": ({"rows": ROWS.filter(country=_text("unnest", "tags"))}, "rows", ("unnest gives several rows",)),
    "window over copies": (feature(Number(Window(Sum("total"), partition_by="customer")), rows=BY_LINES), IT, ("a Window sees each row once for each row of 'lines'",)),
    "row number of copies": (feature(Number(Coalesce(Window(RowNumber(), order_by="number"), 0)), rows=BY_LINES), IT, ("a Window sees each row",)),
    "window in an expression beside an aggregate": ({"features": {"n": Number(Count("lines")), "it": Number(Coalesce(Window(Sum("total"), partition_by="customer"), 0.0))}}, IT, ("a Window inside of Coalesce cannot stand beside a joined aggregate",)),
    "a generic relation": (parcels(features={"n": Number(Count("notes"))}), "features['n']", ("'notes' is a GenericRelation", "another database gives another", "content_type__model")),
    "a generic relation from its other end": (parcels(features={"n": Boolean(Exists(Parcel.objects.filter(notes__weight__gt=1, pk=OuterRef("pk"))))}), "features['n']", ("'notes' is a GenericRelation",)),
    # A subquery that is no single value.
    "subquery of many": (feature(Number(Subquery(LINES.values("price")), nullable=True)), IT, MANY_ROWS),
    "subquery of two": (feature(Number(Subquery(LINES.order_by("pk").values("price")[:2]), nullable=True)), IT, MANY_ROWS),
    "subquery by other groups": (feature(Number(Subquery(LINES.values("product").annotate(n=Count("pk")).values("n")), nullable=True)), IT, MANY_ROWS),
    "subquery without a filter": (feature(Number(Subquery(Line.objects.values("price")), nullable=True)), IT, MANY_ROWS),
    "subquery by its own column": (feature(Number(Subquery(Line.objects.filter(pk=F("order")).values("price")), nullable=True)), IT, MANY_ROWS),
    "subquery by one or the other": (feature(Number(Subquery(Order.objects.filter(Q(pk=OuterRef("pk")) | Q(number=1)).values("total")), nullable=True)), IT, MANY_ROWS),
    "subquery of all others": (feature(Number(Subquery(Order.objects.exclude(pk=OuterRef("pk")).values("total")), nullable=True)), IT, MANY_ROWS),
    "subquery of many by a unique field": (feature(Number(Subquery(Order.objects.filter(pk=OuterRef("pk")).values("lines__price")), nullable=True)), IT, MANY_ROWS),
    "subquery by half of a constraint": (feature(Number(Subquery(Order.objects.filter(slot=OuterRef("slot")).values("total")), nullable=True)), IT, MANY_ROWS),
    "subquery by a parent's key": (feature(Number(Subquery(Order.objects.filter(customer__id=OuterRef("customer")).values("total")), nullable=True)), IT, MANY_ROWS),
    "subquery by a parent's unique field": (feature(Number(Subquery(Line.objects.filter(order__number=OuterRef("number")).values("price")), nullable=True)), IT, MANY_ROWS),
    "subquery in the filter of a subquery": (feature(Number(Subquery(LINES.filter(price__gt=Subquery(Discount.objects.values("percent"))).order_by("pk").values("price")[:1]), nullable=True)), IT, ("several rows of cases.Discount",)),
    "subquery in a union": (feature(Number(Subquery(LINES.values("price").union(LINES.filter(price__gt=Subquery(Discount.objects.values("percent"))).values("price")).order_by("price")[:1]), nullable=True)), IT, ("several rows of cases.Discount",)),
    "subquery in a subquery": (feature(Boolean(Exists(LINES.filter(price__gt=Subquery(Discount.objects.filter(line=OuterRef("pk")).values("percent")))))), IT, MANY_ROWS),
    "rows by a subquery of many": ({"rows": ROWS.filter(total__gt=Subquery(LINES.values("price")))}, "rows", MANY_ROWS),
    "label known by a subquery of many": ({"label_known": Q(total__gt=Subquery(LINES.values("price")))}, "label", MANY_ROWS),
    "filtered relation by a subquery of many": (feature(Number(Count("dear")), rows=ROWS.annotate(dear=FilteredRelation("lines", condition=Q(lines__price__gt=Subquery(Line.objects.values("price")))))), "rows", MANY_ROWS),
    "first without an order": (feature(Number(Subquery(LINES.values("price")[:1]), nullable=True)), IT, ("without an order the first row of cases.Line is any of them", ".order_by('-pk')")),
    "first in any order": (feature(Number(Subquery(LINES.order_by("?").values("price")[:1]), nullable=True)), IT, ("order_by('?') gives another row",)),
    # Other values at another read, or for another reader.
    "subquery in an order of the moment": (feature(Number(Subquery(LINES.order_by(Now() - F("order__placed_at")).values("price")[:1]), nullable=True)), IT, ANOTHER),
    "union with the moment": (feature(Number(Subquery(LINES.values("price").union(LINES.filter(order__placed_at__lt=Now()).values("price"))[:1]), nullable=True)), IT, ANOTHER),
    "filtered relation of chance": (feature(Number(Count("old")), rows=ROWS.annotate(old=FilteredRelation("lines", condition=Q(lines__price__gt=_number("random"))))), "rows", ANOTHER),
    "row number without an order": (feature(Number(Window(RowNumber()))), IT, ("RowNumber without an order", "order_by='pk'")),
    "value before without an order": (feature(Number(Window(Lag("total", default=0.0), partition_by="customer"))), IT, ("Lag without an order",)),
    "quarter without an order": (feature(Number(Window(Ntile(4)))), IT, ("Ntile without an order",)),
    "joined texts without an order": (feature(Category(StringAgg("lines__product", Value(",")), nullable=True)), IT, ("StringAgg without an order",)),
    "the next number": (feature(Number(_number("nextval", Value("s")))), IT, ANOTHER),
    "a random number by hand": (feature(Number(_number("random_normal"))), IT, ANOTHER),
    "who reads": (feature(Category(RawSQL("current_user::text", [], output_field=TextField()))), IT, ANOTHER),
    "subquery with extra SQL": (feature(Number(Subquery(LINES.extra(where=["price > 1"]).order_by("pk").values("price")[:1]), nullable=True)), IT, ("extra() adds SQL",)),
    "rows with extra SQL": ({"rows": ROWS.extra(where=["total > 1"])}, "rows", ("extra() adds SQL", "write expressions")),
    "a moment as text": (feature(Category(_text("to_char", "placed_at", Value("HH24")))), IT, ZONE),
    "a part of a moment by hand": (feature(Number(_number("date_part", Value("hour"), "placed_at"))), IT, ZONE),
    "an age by hand": (feature(Number(Extract(Func("placed_at", function="AGE", output_field=DurationField()), "epoch"))), IT, ZONE),
    "a date by hand": (feature(Age(RawSQL("placed_at::date", [], output_field=DateField()))), IT, ZONE),
    "a moment joined to a text": (feature(Category(Concat("placed_at", Value("!"), output_field=TextField()))), IT, ZONE),
    "a moment by its beginning": (feature(Boolean(Q(placed_at__startswith="2024-03"))), IT, ZONE),
    "rows by a moment's text": ({"rows": ROWS.filter(placed_at__contains="2024-03")}, "rows", ZONE),
    "a moment by its text": (feature(Boolean(Q(placed_at__iexact="2024"))), IT, ZONE),
    "rows by a moment's pattern": ({"rows": ROWS.filter(placed_at__regex="^2024")}, "rows", ZONE),
    "rows before the import": ({"rows": ROWS.filter(placed_at__lt=MOMENT)}, "rows", IMPORTED),
    "rows in a range of the import": ({"rows": ROWS.filter(placed_at__range=(dt.datetime(2024, 1, 1, tzinfo=dt.UTC), MOMENT))}, "rows", IMPORTED),
    "a feature of the import": (feature(Age(Value(MOMENT, output_field=DateTimeField()))), IT, IMPORTED),
    "label known by the import": ({"label_known": Q(placed_at__lt=MOMENT)}, "label_known", IMPORTED),
    # Nulls of functions, aggregates, windows and parts of values.
    "null of a part": (feature(Category(Substr("customer__city", 1, 3))), IT, ("city is a nullable column",)),
    "null of the left": (feature(Category(Left("customer__city", 3))), IT, ("city is a nullable column",)),
    "null of a replacement": (feature(Category(Replace("customer__city", Value("a"), Value("b")))), IT, ("city is a nullable column",)),
    "null of a place": (feature(Number(StrIndex("customer__city", Value("a")))), IT, ("city is a nullable column",)),
    "null of a power": (feature(Number(Power("rating", 2))), IT, ("rating is a nullable column",)),
    "null of a remainder": (feature(Number(Mod("rating", 2))), IT, ("rating is a nullable column",)),
    "null of a function by hand": (feature(Number(_number("abs", "rating"))), IT, ("rating is a nullable column",)),
    "null of any": (feature(Boolean(BoolOr(Q(lines__price__gt=3)))), IT, ("BoolOr of no rows is null", "default=")),
    "null of joined texts": (feature(Category(StringAgg("lines__product", Value(","), order_by="lines__pk"))), IT, ("StringAgg of no rows is null",)),
    "null of bits": (feature(Number(BitAnd("lines__pk"))), IT, ("BitAnd of no rows is null",)),
    "null of a correlation": (feature(Number(Corr("total", "total"))), IT, ("Corr of a single row is null",)),
    "null in a window": (feature(Number(Window(Sum("rating"), partition_by="customer"))), IT, ("rating is a nullable column",)),
    "null of the first": (feature(Number(Window(FirstValue("rating"), order_by="number"))), IT, ("rating is a nullable column",)),
    "null of the second": (feature(Number(Window(NthValue("total", nth=2), order_by="number"))), IT, ("NthValue without default",)),
    "null of the value before": (feature(Number(Window(Lag("rating", default=0.0), order_by="number"))), IT, ("rating is a nullable column",)),
    "null of the rows before": (feature(Number(Window(Sum("total"), order_by="number", frame=RowRange(start=-7, end=-1)))), IT, ("Sum is null at the edge",)),
    "null of the rows after": (feature(Number(Window(Sum("total"), order_by="number", frame=RowRange(start=1, end=3)))), IT, ("Sum is null at the edge",)),
    "null of a filtered relation": (feature(Category("known__name"), rows=ROWS.filter(referrer__isnull=False).annotate(known=FilteredRelation("referrer", condition=Q(referrer__name="李")))), IT, ("may be missing",)),
    "null of another key": (parcels(features={"it": Category("extra__colour")}), IT, ("the key 'colour' of the field may be missing",)),
    "null of a bound": (parcels(features={"it": Number("sizes__startswith")}), IT, ("a range may be empty",)),
    # Types of other fields.
    "another store of keys": (parcels(features={"it": Category("extra")}), IT, ("cannot be a hstore", "'extra__key'")),
    "a range": (parcels(features={"it": Number("sizes")}), IT, ("cannot be a range", "'sizes__startswith'")),
    "a range of moments": (parcels(features={"it": Age("open")}), IT, ("not a range", "'open__startswith'")),
    "values that Python converts": (parcels(features={"it": Number("cents")}), IT, ("CentsField.from_db_value", "Cast('cents', IntegerField())")),
    "a sum of values that Python converts": (parcels(features={"it": Number(Sum("cents"))}), IT, ("CentsField.from_db_value", "Cast(…, IntegerField())")),
    "a label that Python converts": (parcels(task="regression", label="cents"), "label", ("CentsField.from_db_value",)),
    "SQL without a type": (feature(Number(RawSQL("total * 2", []))), IT, ("cannot tell its type", "output_field=")),
    "a function without a type": (feature(Number(Func(Value(1), Value(2.0), function="power"))), IT, ("cannot tell its type", "output_field=")),
    "unique with another, in small letters": (parcels(entity="mixed"), "entity", ("'mixed' is not unique",)),
    "an entity without a column": (parcels(entity="notes"), "entity", ("'notes' is not unique",)),
    "a number of a text": (feature(Number(Func("quantity", function="to_hex", output_field=TextField()))), IT, ("cannot be a text",)),
    # Labels of other fields.
    "three numbers of two": (parcels(label="stars"), "classes", ("has 3 choices", "task = 'multiclass'", "Q(stars__gte=4)")),
    "keys of two": (parcels(label="kind"), "classes", ("the label is a foreign key", "name its two values")),
    "a key to regress": (parcels(task="regression", label="kind"), "label", ("'kind' is a foreign key, whose number says nothing",)),
    "a parent's key to regress": (parcels(task="regression", label="kind__id"), "label", ("'kind' is a foreign key",)),
}  # fmt: skip
