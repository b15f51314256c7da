"""Each right declaration builds a view in PostgreSQL whose rows and values are those of Django's own queryset."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.db import connections
from django.db.models import (
    BooleanField,
    Case,
    F,
    FloatField,
    Value,
    When,
)
from django.db.models.fields.json import KT
from django.db.models.functions import (
    Cast,
)

from django_app.contracts import feature_views
from django_app.contracts.compilation.model_compiler import compile_model
from hotclub import names
from hotclub.columns import postgres_type
from hotclub.contract import ModelContract
from hotclub.declarations import Age, Category, Feature, Number
from tests.conftest import Database
from tests.django_app.contracts import declared
from tests.django_app.contracts.cases import rows
from tests.django_app.contracts.cases.tables import (
    MODELS,
)
from tests.django_app.contracts.right_models import BERLIN, FEATURES, LINE_COUNT, NUMBERED, WHOLE
from tests.django_app.declaration_tables import tables_restored

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
    with tables_restored():
        yield


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
