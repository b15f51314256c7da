"""Each wrong declaration of a model is refused: the class, the attribute, what was found, and the fix."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import (
    Avg,
    Case,
    Count,
    DateTimeField,
    Exists,
    F,
    FloatField,
    Func,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)
from django.db.models.expressions import RawSQL
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, ExtractHour, Lag, Lower, NullIf
from django.db.models.lookups import GreaterThan

from django_app import conf
from django_app.contracts import changes, system_checks
from django_app.contracts.compiler import compile_model
from django_app.contracts.declaration_problems import DeclarationError
from hotclub import declarations
from hotclub.declarations import Age, Boolean, Category, Feature, MLModel, Number, Source
from tests.django_app.contracts import declared
from tests.django_app.contracts.cases.tables import Concert, Customer, Line, Order, Size, Species

ROWS = Order.objects.all()
LINES = Line.objects.filter(order=OuterRef("pk"))
NAN, INFINITY, HUGE = float("nan"), float("inf"), 10**400


@pytest.fixture(autouse=True)
def _declared() -> Iterator[None]:
    with declared.tables_restored():
        yield


def _feature(feature: Any, **attributes: Any) -> dict[str, Any]:
    return {"features": {"it": feature}, **attributes}


IT = "features['it']"
#: Attributes, the place that the message names, and words of what was found and of the fix.
WRONG: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    # What is missing, and what does not exist.
    "no rows": ({"rows": ...}, "rows", ("is missing", "set it")),
    "no label": ({"label": ...}, "label", ("is missing",)),
    "no task": ({"task": ...}, "task", ("is missing",)),
    "no metric": ({"metric": ...}, "metric", ("is missing",)),
    "no features": ({"features": ...}, "features", ("is missing",)),
    "no event time": ({"event_time": ..., "horizon": ...}, "event_time", ("is missing", "None where rows have no time")),
    "misspelt": ({"lable": "gift"}, "lable", ("not a setting of MLModel", "did you mean 'label'?")),
    "unknown": ({"colour": "red"}, "colour", ("not a setting of MLModel", "known are baseline_by")),
    "doc": ({"__doc__": 5}, "__doc__", ("5 must be a text",)),
    # Rows.
    "rows are a model": ({"rows": Order}, "rows", ("the class Order", "write Order.objects.all()")),
    "rows are a list": ({"rows": [1, 2]}, "rows", ("not [1, 2]", "write a queryset")),
    "rows are None": ({"rows": None}, "rows", ("not None",)),
    "rows are a function": ({"rows": lambda: 1}, "rows", ("a lambda", "write a queryset")),
    "rows are a generator": ({"rows": (n for n in range(3))}, "rows", ("an object of generator",)),
    "rows are sliced": ({"rows": ROWS[:10]}, "rows", ("slice", "write a filter")),
    "rows are values": ({"rows": ROWS.values("total")}, "rows", ("values()", "leave it out")),
    "rows are a values list": ({"rows": ROWS.values_list("total", flat=True)}, "rows", ("values()",)),
    "rows are a union": ({"rows": ROWS.union(ROWS)}, "rows", ("union()", "Q(…) | Q(…)")),
    "rows are raw": ({"rows": Order.objects.raw("SELECT 1")}, "rows", ("raw()",)),
    "rows are none": ({"rows": Order.objects.none()}, "rows", ("none()",)),
    "rows can never be": ({"rows": ROWS.filter(pk__in=[])}, "rows", ("for no row",)),
    "rows are locked": ({"rows": ROWS.select_for_update()}, "rows", ("select_for_update()",)),
    "rows are of another database": ({"rows": ROWS.using("other")}, "rows", ("'other'", "leave using() out")),
    "rows are distinct by a field": ({"rows": ROWS.distinct("country")}, "rows", ("distinct() of fields",)),
    "rows have extra tables": ({"rows": ROWS.extra(tables=["x"])}, "rows", ("extra()", "write expressions")),
    "rows by lines": ({"rows": ROWS.filter(lines__price__gt=3)}, "rows", ("'lines' has many rows for one", ".distinct()")),
    "rows by labels": ({"rows": ROWS.filter(labels__name="neu")}, "rows", ("'labels' has many rows", "Exists")),
    "rows by a sum that labels multiply": (
        {"rows": ROWS.annotate(n=Count("lines")).filter(n__gt=1, labels__name="neu")}, "rows", ("Count counts rows once for each row of 'labels'", "Subquery"),
    ),
    "rows depend on the moment": ({"rows": ROWS.filter(placed_at__lt=Func(function="NOW", output_field=DateTimeField()))}, "rows", ("another value at every read",)),
    "rows depend on the session": ({"rows": ROWS.filter(placed_at__hour=3)}, "rows", ("without a zone", "tzinfo=")),
    # What names a row.
    "entity is not there": ({"entity": "nummer"}, "entity", ("no field 'nummer'", "'id', 'number'")),
    "entity is not unique": ({"entity": "slot"}, "entity", ("'slot' is not unique", "unique=True")),
    "entity is unique with another": ({"entity": "shelf"}, "entity", ("'shelf' is not unique",)),
    "entity may be null": ({"entity": "code"}, "entity", ("'code' may be null", ".filter(code__isnull=False)")),
    "entity is a path": ({"entity": "customer__id"}, "entity", ("another table",)),
    "entity is a relation": ({"entity": "lines"}, "entity", ("another table",)),
    "entity is a moment": ({"entity": "placed_at"}, "entity", ("cannot name a row", "a number, a UUID or a text")),
    "entity is None": ({"entity": None}, "entity", ("None must be the name of a field",)),
    "entity is a tuple": ({"entity": ("slot", "shelf")}, "entity", ("must be the name of a field",)),
    # Whose a row is.
    "tenant is not there": ({"tenant": "custommer__tenant"}, "tenant", ("no field named 'custommer'", "path of foreign keys")),
    "tenant is a text": ({"tenant": "customer__name"}, "tenant", ("CharField 'name'", "not to a tenant")),
    "tenant is a customer": ({"tenant": "customer"}, "tenant", ("leads to cases.Customer", "not to a tenant")),
    "tenant's name": ({"tenant": "customer__tenant__name"}, "tenant", ("'name'", "not to a tenant")),
    "tenant goes on": ({"tenant": "customer__name__tenant"}, "tenant", ("'name' leads nowhere",)),
    "tenant by many": ({"rows": Customer.objects.all(), "event_time": None, "label": Q(name="x"), "tenant": "orders__customer__tenant", "features": {"name": Category("name")}}, "tenant", ("'orders' has many rows for one",)),
    "tenant is an expression": ({"tenant": F("customer__tenant")}, "tenant", ("an object of F", "as a text")),
    "tenant is a number": ({"tenant": 3}, "tenant", ("3 must be a field path",)),
    # Time.
    "event time is a number": ({"event_time": "total"}, "event_time", ("type float", "a date or a moment")),
    "event time is not there": ({"event_time": "placed"}, "event_time", ("'placed'", "Choices are")),
    "event time of many": ({"event_time": "lines__order__placed_at"}, "event_time", ("'lines' has many rows for one",)),
    "event time may be null": ({"event_time": "closed_at"}, "event_time", ("may be null", ".filter(closed_at__isnull=False)")),
    "event time may be missing": ({"event_time": "invoice__order__placed_at"}, "event_time", ("may be null", "'invoice'")),
    "event time depends on the session": ({"event_time": "placed_at__date"}, "event_time", ("without a zone",)),
    "event time is an expression": ({"event_time": F("placed_at")}, "event_time", ("an object of F", "as a text")),
    "event time is empty": ({"event_time": ""}, "event_time", ("'' must be a field path",)),
    "no horizon": ({"horizon": ...}, "horizon", ("is missing", "timedelta of zero or more")),
    "horizon is a number": ({"horizon": 3600}, "horizon", ("timedelta", "got 3600")),
    "horizon is negative": ({"horizon": dt.timedelta(-1)}, "horizon", ("zero or more",)),
    "horizon is endless": ({"horizon": dt.timedelta.max}, "horizon", ("at most 36500 days", "999999999")),
    "horizon has a fraction": ({"horizon": dt.timedelta(milliseconds=5)}, "horizon", ("whole seconds",)),
    "horizon without time": ({"event_time": None, "horizon": dt.timedelta(1)}, "horizon", ("no time to count", "leave it out")),
    "days without time": ({"event_time": None, "evaluate_days": 3}, "evaluate_days", ("leave it out",)),
    "evaluate days are zero": ({"evaluate_days": 0}, "evaluate_days", ("from 1 to 36500", "got 0")),
    "stopping days are True": ({"stopping_days": True}, "stopping_days", ("whole number", "got True")),
    "evaluate days are huge": ({"evaluate_days": HUGE}, "evaluate_days", ("from 1 to 36500",)),
    "stopping days are half": ({"stopping_days": 1.5}, "stopping_days", ("got 1.5",)),
    "timezone does not exist": ({"timezone": "Europe/Pariss"}, "timezone", ("'Europe/Pariss'", "did you mean 'Europe/Paris'?")),
    "timezone is a folder": ({"timezone": "America"}, "timezone", ("IANA",)),
    "timezone is an offset": ({"timezone": dt.UTC}, "timezone", ("IANA", "'Europe/Paris'")),
    "timezone is None": ({"timezone": None}, "timezone", ("None must be a zone",)),
    # Splits.
    "split by with time": ({"split_by": "customer"}, "split_by", ("split by their time", "leave it out")),
    "split by a moment": ({"event_time": None, "split_by": "placed_at"}, "split_by", ("type datetime", "such as the customer")),
    "split by many": ({"event_time": None, "split_by": "lines__product"}, "split_by", ("'lines' has many rows for one",)),
    "split by what is not there": ({"event_time": None, "split_by": "customr"}, "split_by", ("'customr'",)),
    "split by a list": ({"event_time": None, "split_by": ["customer"]}, "split_by", ("as a text",)),
    # Task, metric and gates.
    "task": ({"task": "ranking"}, "task", ("'ranking'", "binary, multiclass, regression")),
    "task is a set": ({"task": {"binary"}}, "task", ("{'binary'}",)),
    "metric of another task": ({"metric": "rmse"}, "metric", ("'rmse'", "roc_auc")),
    "metric is a function": ({"metric": len}, "metric", ("the function len",)),
    "gate above its range": ({"gates": {"roc_auc": 70}}, "gates['roc_auc']", ("from 0 to 1", "got 70")),
    "gate below its range": ({"gates": {"log_loss": -0.1}}, "gates['log_loss']", ("of at least 0", "got -0.1")),
    "gate of r2": ({"task": "regression", "gates": {"r2": 1.1}}, "gates['r2']", ("of at most 1",)),
    "gate is NaN": ({"gates": {"roc_auc": NAN}}, "gates['roc_auc']", ("got nan",)),
    "gate is endless": ({"task": "regression", "gates": {"rmse": INFINITY}}, "gates['rmse']", ("got inf",)),
    "gate is huge": ({"task": "regression", "gates": {"rmse": HUGE}}, "gates['rmse']", ("must be a number",)),
    "gate is True": ({"gates": {"roc_auc": True}}, "gates['roc_auc']", ("got True",)),
    "gate of another task": ({"gates": {"rmse": 3}}, "gates", ("'rmse' is neither", "roc_auc")),
    "gate is no name": ({"gates": {3: 0.5}}, "gates", ("3 is neither",)),
    "gates are a list": ({"gates": ["roc_auc"]}, "gates", ("must be a dict", "['roc_auc']")),
    "worse than a champion can be": ({"gates": {"worse_than_champion_by": 5}}, "gates['worse_than_champion_by']", ("from 0 to 1",)),
    "better than the champion": ({"gates": {"worse_than_champion_by": -0.1}}, "gates['worse_than_champion_by']", ("from 0 to 1",)),
    "parameter": ({"parameters": {"max_dept": 3}}, "parameters['max_dept']", ("did you mean 'max_depth'?",)),
    "parameter's value": ({"parameters": {"max_depth": HUGE}}, "parameters['max_depth']", ("whole number",)),
    "parameters are text": ({"parameters": "max_depth"}, "parameters", ("must be a dict",)),
    "interaction of a list": ({"parameters": {"interaction_constraints": [[["total"]]]}}, "parameters['interaction_constraints']", ("not among the features",)),
    # Lists of features.
    "baseline is a text": ({"baseline_by": "total"}, "baseline_by", ("'total' is one text", "('total',)")),
    "baseline is unknown": ({"baseline_by": ("totl",)}, "baseline_by", ("'totl'", "did you mean 'total'?")),
    "baseline twice": ({"baseline_by": ("total", "total")}, "baseline_by", ("'total' twice",)),
    "baseline is a set": ({"baseline_by": {"total"}}, "baseline_by", ("must be a tuple",)),
    "baseline of lists": ({"baseline_by": [["total"]]}, "baseline_by", ("not among the features",)),
    "leakage of what is not there": ({"leakage_accepted": {"ttotal": "known"}}, "leakage_accepted", ("'ttotal'", "did you mean 'total'?")),
    "leakage without a reason": ({"leakage_accepted": {"total": " "}}, "leakage_accepted['total']", ("the reason why",)),
    "leakage with a number": ({"leakage_accepted": {"total": 1}}, "leakage_accepted['total']", ("1 must be a text",)),
    "leakage is a list": ({"leakage_accepted": ["total"]}, "leakage_accepted", ("must be a dict",)),
    # When.
    "schedule has six fields": ({"schedule": "0 0 * * * *"}, "schedule", ("6 fields", "has five")),
    "schedule is no cron": ({"schedule": "0 25 * * *"}, "schedule", ("no cron expression", "'0 3 * * 1'")),
    "schedule never comes": ({"schedule": "0 0 31 2 *"}, "schedule", ("never comes due",)),
    "schedule is croniter's own": ({"schedule": "@midnight"}, "schedule", ("none of @hourly, @daily",)),
    "schedule is a timedelta": ({"schedule": dt.timedelta(1)}, "schedule", ("must be a cron expression",)),
    "schedule is empty": ({"schedule": ""}, "schedule", ("0 fields",)),
    "scored by nothing": ({"score_on": "nothing"}, "score_on", ("no source is named 'nothing'", "flight_schedule")),
    "scored by a model": ({"score_on": MLModel}, "score_on", ("the class MLModel",)),
    "scored in another zone": ({"score_on": "flight_schedule"}, "score_on", ("'America/New_York'", "'UTC'", "set both to one timezone")),
    "scored by rows of another model": ({"event_time": None, "score_on": "flight_schedule"}, "score_on", ("flights.Flight", "cases.Order")),
    # Features' own settings.
    "features are a list": ({"features": [Number("total")]}, "features", ("must be a dict",)),
    "features are empty": ({"features": {}}, "features", ("at least one feature",)),
    "feature's name": ({"features": {"Total": Number("total")}}, "features['Total']", ("lower case", "rename it")),
    "feature's name ends the line": ({"features": {"total\n": Number("total")}}, "features['total\\n']", ("lower case",)),
    "feature's name is taken": ({"features": {"label": Number("total")}}, "features['label']", ("none of entity",)),
    "feature's name is a number": ({"features": {1: Number("total")}}, "features[1]", ("rename it",)),
    "feature is a text": (_feature("total"), IT, ("not a text", "Number('total')")),
    "feature is a class": (_feature(Number), IT, ("the class Number",)),
    "feature is the base": (_feature(Feature("total")), IT, ("Number, Category, Boolean or Age",)),
    "feature has other arguments": (_feature(Number("total", max=3)), IT, ("unexpected keyword argument 'max'", "see the arguments")),
    "feature without an expression": (_feature(Number()), IT, ("missing 1 required positional argument",)),
    "expression is a number": (_feature(Number(3)), IT, ("not of 3", "Value(3)")),
    "expression is None": (_feature(Category(None)), IT, ("not of None",)),
    "expression is a function": (_feature(Number(lambda row: row.total)), IT, ("a lambda", "Django expression")),
    "expression is a class": (_feature(Number(F)), IT, ("the class F",)),
    "expression is a queryset": (_feature(Number(LINES)), IT, ("has many rows", "Subquery(")),
    "expression is not there": (_feature(Number("totl")), IT, ("'totl'", "Choices are")),
    "expression is a lookup": (_feature(Boolean("returned__isnull")), IT, ("isnull",)),
    "expression of nothing": (_feature(Number(OuterRef("total"))), IT, ("inside of a Subquery", "F(…)")),
    "minimum is NaN": (_feature(Number("total", minimum=NAN)), f"{IT}.minimum", ("got nan",)),
    "maximum is endless": (_feature(Number("total", maximum=INFINITY)), f"{IT}.maximum", ("leave it out",)),
    "minimum is True": (_feature(Number("total", minimum=True)), f"{IT}.minimum", ("got True",)),
    "minimum is a Decimal": (_feature(Number("total", minimum=decimal.Decimal(1))), f"{IT}.minimum", ("Decimal('1')",)),
    "minimum is huge": (_feature(Number("total", minimum=HUGE)), f"{IT}.minimum", ("must be a number",)),
    "bounds are exchanged": (_feature(Number("total", minimum=3, maximum=1)), f"{IT}.minimum", ("3 is more than maximum, 1",)),
    "pattern": (_feature(Category("country", pattern="[A-Z")), f"{IT}.pattern", ("'[A-Z'", "no regular expression")),
    "pattern is a number": (_feature(Category("country", pattern=3)), f"{IT}.pattern", ("as a text", "got 3")),
    "unit is a number": (_feature(Number("total", unit=3)), f"{IT}.unit", ("must be a text",)),
    "doc is a list": (_feature(Number("total", doc=["a"])), f"{IT}.doc", ("must be a text",)),
    "group is None": (_feature(Number("total", group=None)), f"{IT}.group", ("must be a text",)),
    "text that no file holds": (_feature(Number("total", doc="\ud800")), f"{IT}.doc", ("UTF-8",)),
    "age's unit": (_feature(Age("day", unit="w")), f"{IT}.unit", ("one of s, min, h, d", "'w'")),
    "age's unit is a list": (_feature(Age("day", unit=[])), f"{IT}.unit", ("got []",)),
    "age without time": (_feature(Age("day"), event_time=None), IT, ("these rows have none", "Extract")),
    "nullable is a text": (_feature(Number("total", nullable="no")), f"{IT}.nullable", ("True or False", "'no'")),
    # Declared types.
    "number of a text": (_feature(Number("country")), IT, ("a Number cannot be a text", "Category('country')", "Cast('country', FloatField())")),
    "number of a boolean": (_feature(Number("gift")), IT, ("a boolean", "Boolean('gift')")),
    "number of a condition": (_feature(Number(Q(total__gt=3))), IT, ("a boolean",)),
    "number of a date": (_feature(Number("day")), IT, ("a date is no value", "Age('day')", "Extract…")),
    "number of a moment": (_feature(Number("placed_at")), IT, ("a datetime is no value",)),
    "number of a time": (_feature(Number("opens")), IT, ("a time is no value", 'Extract(\'opens\', "epoch")')),
    "number of a duration": (_feature(Number("stay")), IT, ("a duration is no value", 'Extract(\'stay\', "epoch")')),
    "number of a uuid": (_feature(Number("ref")), IT, ("a uuid", "Category('ref')")),
    "number of a foreign key": (_feature(Number("customer")), IT, ("a foreign key", "Category('customer')")),
    "number of a whole foreign key": (
        _feature(Number("order"), rows=Line.objects.all(), event_time=None, label=Q(price__gt=3)),
        IT,
        ("a foreign key", "Category('order')"),
    ),
    "number of an array": (_feature(Number("sizes")), IT, ("an array", "'sizes__0'")),
    "number of JSON": (_feature(Number("data")), IT, ("a json", "'data__key'")),
    "number of a JSON text": (_feature(Number(KT("data__price"), nullable=True)), IT, ("a text",)),
    "number of bytes": (_feature(Number("raw")), IT, ("a binary",)),
    "category of a float": (_feature(Category("total")), IT, ("a Category cannot be a float", "Number('total')")),
    "category of a decimal": (_feature(Category("price")), IT, ("Number('price')",)),
    "category of a boolean": (_feature(Category("gift")), IT, ("Boolean('gift')",)),
    "category of a date": (_feature(Category("day")), IT, ("a date is no value",)),
    "category of an array": (_feature(Category("tags")), IT, ("'tags__0'", "'tags__len'")),
    "category of JSON": (_feature(Category("data")), IT, ("'data__key'",)),
    "category of an address": (_feature(Category("host")), IT, ('function="HOST"',)),
    "category of a slice": (_feature(Category("tags__0_2", nullable=True)), IT, ("an array",)),
    "boolean of an integer": (_feature(Boolean("quantity")), IT, ("this is an integer", "Q(…=…)", "Number('quantity')")),
    "boolean of a text": (_feature(Boolean("country")), IT, ("this is a text", "Q(…=…)")),
    "boolean of a date": (_feature(Boolean("day")), IT, ("a date is no value",)),
    "age of a number": (_feature(Age("total")), IT, ("must be a date or a moment", "Number('total')")),
    "age of a time": (_feature(Age("opens")), IT, ("must be a date or a moment", "epoch")),
    "age of a text": (_feature(Age("country")), IT, ("must be a date or a moment",)),
    "types that are mixed": (_feature(Number(Coalesce("quantity", Value(0.5)))), IT, ("Django cannot tell its type", "output_field=")),
    "a type that is not there": (_feature(Number(Func(function="PI"))), IT, ("output_field=",)),
    "JSON in an expression": (_feature(Category(Coalesce("data__colour", Value("x"), output_field=Order._meta.get_field("data")))), IT, ("a json",)),
    # Many rows for one.
    "feature of many": (_feature(Number("lines__price", nullable=True)), IT, ("'lines' has many rows for one", "Subquery(")),
    "feature of many labels": (_feature(Category("labels__name", nullable=True)), IT, ("'labels' has many rows for one",)),
    "condition on many": (_feature(Boolean(Q(lines__price__gt=3), nullable=True)), IT, ("'lines' has many rows for one",)),
    "window over many": (_feature(Number(Window(Sum("lines__price")), nullable=True)), IT, ("'lines' has many rows for one",)),
    "a sum that a join multiplies": (
        {"features": {"it": Number(Sum("lines__price", default=0.0)), "other": Number(Count("lines__discounts"))}},
        IT, ("Sum counts rows once for each row of 'discounts'",),
    ),
    "an own sum that a join multiplies": (
        {"features": {"it": Number(Sum("total")), "other": Number(Count("lines"))}}, IT, ("each row of 'lines'", "Subquery("),
    ),
    "a count by a filter on another": (_feature(Number(Count("lines", filter=Q(labels__name="neu")))), IT, ("Count counts rows once", "Subquery(")),
    "rows that a join loses": (_feature(Category("depot__name")), IT, ("'depot' has no constraint in the database", "Subquery")),
    "label of many": ({"task": "regression", "label": "lines__price"}, "label", ("'lines' has many rows for one",)),
    "label known by many": ({"label_known": Q(lines__price__gt=3)}, "label_known", ("'lines' has many rows for one",)),
    # What may be null.
    "null of a column": (_feature(Number("rating")), IT, ("may be null", "rating is a nullable column", "nullable=True, or filter rows")),
    "null of a foreign key": (_feature(Category("referrer")), IT, ("referrer is a nullable foreign key",)),
    "null on the way": (_feature(Category("referrer__name")), IT, ("'referrer' leads to may be missing",)),
    "null at the end": (_feature(Category("customer__city")), IT, ("city is a nullable column",)),
    "null of a one-to-one": (_feature(Number("invoice__amount")), IT, ("'invoice' leads to may be missing",)),
    "null in a sum": (_feature(Number(F("rating") + F("total"))), IT, ("rating is a nullable column",)),
    "null in a function": (_feature(Category(Lower("customer__city"))), IT, ("city is a nullable column",)),
    "null of a case": (_feature(Number(Case(When(total__gt=3, then=Value(1))))), IT, ("Case without default",)),
    "null in a case": (_feature(Number(Case(When(total__gt=3, then=F("rating")), default=Value(0.0)))), IT, ("rating is a nullable",)),
    "null in the default": (_feature(Number(Case(When(rating__gt=3, then=Value(0.0)), default=F("rating")))), IT, ("rating is a nullable",)),
    "null in the default of a negation": (_feature(Number(Case(When(~(Q(GreaterThan(F("rating"), 3.0)) & Q(total__isnull=False)), then=Value(0.0)), default=F("rating")))), IT, ("rating is a nullable",)),
    "null of all": (_feature(Number(Coalesce("rating", F("rating")))), IT, ("rating is a nullable",)),
    "null of an average": (_feature(Number(Avg("lines__price"))), IT, ("Avg of no rows is null", "default=")),
    "null of a filtered sum": (_feature(Number(Sum("total", filter=Q(gift=True)))), IT, ("Sum with a filter is null",)),
    "null of a subquery": (_feature(Number(Subquery(LINES.values("price")[:1]))), IT, ("a Subquery may find no row",)),
    "null of a condition": (_feature(Boolean(Q(rating__gt=3))), IT, ("rating is a nullable",)),
    "null of a JSON key": (_feature(Category("data__colour")), IT, ("the key 'colour'",)),
    "null of an index": (_feature(Number("sizes__0")), IT, ("shorter than the index",)),
    "null by name": (_feature(Number(NullIf("quantity", Value(0)))), IT, ("NullIf",)),
    "null at the edge": (_feature(Number(Window(Lag("total"), order_by="number"))), IT, ("Lag without default",)),
    "null of a filter with or": (_feature(Number("rating"), rows=ROWS.filter(Q(rating__gt=3) | Q(gift=True))), IT, ("rating is a nullable",)),
    "null after exclude": (_feature(Number("rating"), rows=ROWS.exclude(rating=3)), IT, ("rating is a nullable",)),
    "null of two": (_feature(Number("rating"), rows=ROWS.exclude(rating=None, code=None)), IT, ("rating is a nullable",)),
    # Values that depend on who reads, and when.
    "hour without a zone": (_feature(Number(ExtractHour("placed_at"))), IT, ("without a zone", "tzinfo=")),
    "raw SQL of the moment": (_feature(Number(RawSQL("EXTRACT(EPOCH FROM now())", [], output_field=FloatField()))), IT, ("another value at every read",)),
    "known at a moment": ({"label_known": Q(placed_at__lt=Func(function="NOW", output_field=DateTimeField()))}, "label_known", ("another value at every read",)),
    # Labels.
    "label is a number": ({"label": 1}, "label", ("not 1", "write 'returned'")),
    "label is a class": ({"label": F}, "label", ("the class F",)),
    "label is not there": ({"label": "lat"}, "label", ("'lat'", "Choices are")),
    "label is a date": ({"label": "day"}, "label", ("a date is no value",)),
    "label is a duration": ({"task": "regression", "label": "stay"}, "label", ("a duration is no value", "epoch")),
    "label is an array": ({"label": "tags"}, "label", ("type array", "Q(…)")),
    "label is JSON": ({"label": "data"}, "label", ("type json",)),
    "label is a JSON key": ({"label": "data__late"}, "label", ("name its values in classes", "BooleanField()")),
    "text to regress": ({"task": "regression", "label": "country"}, "label", ("of type text", "Cast(")),
    "truth to regress": ({"task": "regression", "label": "gift"}, "label", ("of type boolean", "task = 'binary'")),
    "truth of many classes": ({"task": "multiclass", "label": "gift", "classes": ("a", "b", "c")}, "label", ("true or false", "task = 'binary'")),
    "label known is a text": ({"label_known": "returned"}, "label_known", ("'returned'", "Q(returned__isnull=False)")),
    "label known is True": ({"label_known": True}, "label_known", ("not True",)),
    "label known is empty": ({"label_known": Q()}, "label_known", ("holds always", "leave it out")),
    "label known is not there": ({"label_known": Q(returnd=True)}, "label_known", ("'returnd'",)),
    # Classes.
    "no classes of a text": ({"label": "country"}, "classes", ("the label is a text", "classes = ('no', 'yes')")),
    "three choices of two": ({"label": "species"}, "classes", ("3 are named", "task = 'multiclass'")),
    "no classes of many": ({"task": "multiclass", "label": "country"}, "classes", ("three or more classes", "('red', 'green', 'blue')")),
    "two of many": ({"task": "multiclass", "classes": ("a", "b")}, "classes", ("2 are named", "task = 'binary'")),
    "one of many": ({"task": "multiclass", "classes": ("a",)}, "classes", ("1 are named",)),
    "three of two": ({"classes": ("a", "b", "c")}, "classes", ("3 are named",)),
    "classes of a number": ({"task": "regression", "classes": ("a", "b")}, "classes", ("has no classes", "leave it out")),
    "classes twice": ({"task": "multiclass", "classes": ("adelie", "gentoo", "adelie")}, "classes", ("'adelie' is there twice",)),
    "values twice": ({"task": "multiclass", "classes": (("adelie", "A"), ("adelie", "B"), ("x", "X"))}, "classes", ("the value 'adelie' is there twice",)),
    "names twice": ({"task": "multiclass", "classes": {"adelie": "A", "gentoo": "A", "x": "X"}}, "classes", ("the name 'A' is there twice",)),
    "classes are a text": ({"task": "multiclass", "classes": "abc"}, "classes", ("'abc' is one text", "write a tuple")),
    "classes are a set": ({"task": "multiclass", "classes": {"a", "b", "c"}}, "classes", ("must be a tuple",)),
    "classes are a generator": ({"task": "multiclass", "classes": (c for c in "abc")}, "classes", ("an object of generator",)),
    "classes are None": ({"classes": None}, "classes", ("not None",)),
    "a class is empty": ({"task": "multiclass", "classes": ("a", "b", "")}, "classes", ("not empty",)),
    "a class is null": ({"task": "multiclass", "classes": ("a", "b", None)}, "classes", ("null is no class",)),
    "a class is a float": ({"task": "multiclass", "classes": (1.5, 2.5, 3.5)}, "classes", ("1.5 must be a text",)),
    "a class of three parts": ({"task": "multiclass", "classes": (("a", "b", "c"),) * 3}, "classes", ("a pair of a value and its name",)),
    "groups of classes": ({"task": "multiclass", "classes": (("Group", (("a", "A"),)),) * 3}, "classes", ("a pair of a value and its name",)),
    "pairs and values": ({"task": "multiclass", "classes": (("a", "A"), "b", "c")}, "classes", ("both values and pairs",)),
    "numbers for a text": ({"task": "multiclass", "classes": (1, 2, 3)}, "classes", ("1 must be a text, as the label is",)),
    "texts for a number": ({"task": "multiclass", "label": "quantity", "classes": {"1": "a", "2": "b", "3": "c"}}, "classes", ("'1' must be a whole number",)),
    "truths for a number": ({"label": "quantity", "classes": (False, True)}, "classes", ("False must be a whole number",)),
    "texts for a uuid": ({"task": "multiclass", "label": "ref", "classes": ("a", "b", "c")}, "classes", ("'a' is no UUID",)),
    "values for a float": ({"task": "multiclass", "label": "total", "classes": {1: "a", 2: "b", 3: "c"}}, "classes", ("type float", "whole number")),
    "too many classes": ({"task": "multiclass", "label": "quantity", "classes": tuple(range(1001))}, "classes", ("more than 1000",)),
}  # fmt: skip


def _problems(cls: type[MLModel]) -> tuple[str, ...]:
    with pytest.raises(DeclarationError) as raised:
        compile_model(cls, version=1, policy_revision=1)
    return raised.value.problems


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_declaration_is_refused_with_the_place_and_the_fix(case: str) -> None:
    """One message, and no other."""
    attributes, place, words = WRONG[case]
    (problem,) = _problems(declared.model(**attributes))
    assert problem.startswith(f"{declared.MODULE}.Wrong.{place}: ")
    for word in words:
        assert word in problem


#: What somebody may write by mistake, or a program may generate: of every kind that Python has.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, HUGE, NAN, INFINITY, 1j, "", "x", "\x00", "\ud800", b"x", (), ("x",), [], [[]], {}, {"x": 1},
    {1: {2}}, set(), frozenset({"x"}), range(3), lambda: 1, int, object(), ..., NotImplemented, dt.date.max, dt.timedelta.max,
    decimal.Decimal("NaN"), uuid.UUID(int=0), iter(()), (n for n in ()), Order, Order.objects, ROWS, ROWS[:1], Source, F("x"), F("total"), Q(),
    Q(x=1), Value(None), Value(HUGE), Count("lines"), Exists(LINES), OuterRef("pk"), Number("total"), Number, MLModel, Species,
    Size.SMALL, Exception("x"), memoryview(b"x"), type("Bad", (), {"__repr__": lambda self: 1 / 0, "__eq__": lambda self, other: 1 / 0})(),
)  # fmt: skip
ATTRIBUTES = tuple(name for name in MLModel.__annotations__ if name != "name")
SETTINGS = {
    Number: ("expression", "nullable", "doc", "group", "unit", "minimum", "maximum"),
    Category: ("expression", "nullable", "doc", "group", "pattern"),
    Age: ("expression", "nullable", "doc", "group", "unit", "minimum", "maximum"),
    Boolean: ("expression", "nullable", "doc", "group"),
}  # fmt: skip


def _told(cls: type[MLModel]) -> None:
    """Compile a declaration; what is wrong with it comes as messages about its attributes."""
    problems: tuple[str, ...] = ("Wrong.",)
    try:
        compile_model(cls, version=1, policy_revision=1)
    except DeclarationError as error:
        problems = error.problems
    assert problems
    assert [problem for problem in problems if "Wrong." not in problem] == []


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_no_value_of_an_attribute_is_a_traceback(attribute: str) -> None:
    """By itself; where the attribute holds many, in a tuple, as a key and as a value; for every task where that matters."""
    tasks = ("binary", "multiclass", "regression") if attribute in ("label", "classes") else ("binary",)
    for value in VALUES:
        forms = [value]
        if isinstance(getattr(MLModel, attribute, {}), tuple | dict):
            forms += [(value,), [value, value, value], {"x": value}, {"total": value}, {"roc_auc": value}]
        for form in forms:
            for task in tasks:
                _told(declared.model(**{"task": task, attribute: form}))


@pytest.mark.parametrize("kind", SETTINGS)
def test_no_value_of_a_features_setting_is_a_traceback(kind: type[Feature]) -> None:
    """Nor is one in the place of its expression."""
    for setting in SETTINGS[kind]:
        for value in VALUES:
            _told(declared.model(**_feature(kind(**{"expression": "total", setting: value}))))


def test_all_problems_of_all_declarations_come_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With how many there are, and exit 1; two classes of one name, and one without a usable one, among them."""
    for module in (changes, conf):
        monkeypatch.setattr(module, "contracts_root", lambda app: tmp_path / app)
    declared.model(
        "First", metric="rmse", timezone="Mars", features={"a": Number("rating"), "b": Number("country")}
    )
    declared.model("Second", label="nothing")
    declared.model("Third", name="No Name", metric="mae")
    declared.model("first")
    written = StringIO()
    with pytest.raises(CommandError) as raised:
        call_command("makecontracts", stdout=written)
    lines = str(raised.value).splitlines()
    assert lines[0] == "8 problems in 4 declarations:"
    places = [line.strip().removeprefix(f"{declared.MODULE}.").split(": ")[0] for line in lines[1:]]
    assert places == [
        "First.timezone", "First.metric", "First.features['b']", "First.features['a']", "Second.label", "Third.name",
        "Third.metric", "first.name",
    ]  # fmt: skip
    assert "are both named 'first': set a different `name`" in lines[-1]
    assert list(tmp_path.iterdir()) == []


def test_one_problem_is_counted_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, too."""
    declared.model("First", metric="rmse")
    with pytest.raises(
        CommandError, match=r"^1 problem in 1 declaration:\n  django_app\.flights\.ml\.First\.metric: 'rmse'"
    ):
        call_command("makecontracts", "--check")


def test_what_could_not_be_registered_is_a_warning_of_manage_check() -> None:
    """Every other command goes on."""
    assert system_checks.unregistered_declarations() == []
    declared.model("Third", name="No Name")
    (found,) = system_checks.unregistered_declarations()
    assert found.id == "hotclub.W002"
    assert found.msg.startswith(f"{declared.MODULE}.Third.name: the name 'No Name' must be lower case")
    assert declarations.models.get("third") is None


def test_a_source_that_is_scored_on_may_be_named_by_its_class() -> None:
    """In one zone, and of the same rows where there is no time."""
    orders = declared.source()
    for cls in (
        declared.model("Timed", score_on=orders),
        declared.model("Untimed", event_time=None, score_on="orders"),
    ):
        assert compile_model(cls, version=1, policy_revision=1).policy.score_on == "orders"
    (problem,) = _problems(
        declared.model(
            rows=Concert.objects.all(),
            event_time=None,
            label=Q(seats=1),
            features={"s": Number("seats")},
            score_on=orders,
        )
    )
    assert "delivers rows of cases.Order, and these rows are of cases.Concert" in problem


def test_presets_and_cron_expressions_that_airflow_takes() -> None:
    """They stay as they are declared."""
    for schedule in ("@daily", "@quarterly", "0 3 * * 1", "*/5 0-6 1,15 * mon-fri", None):
        cls = declared.model("Planned", schedule=schedule)
        assert compile_model(cls, version=1, policy_revision=1).policy.schedule == schedule
