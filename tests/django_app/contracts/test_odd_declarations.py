"""Right declarations of models that no view is built of here: they compile, and the view's SQL says what is meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models import (
    Case,
    Count,
    DateTimeField,
    FloatField,
    Func,
    IntegerField,
    OuterRef,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Cast

from django_app.contracts.compilation.model_compiler import compile_model
from hotclub.declarations import Age, Category, Number
from tests.django_app.contracts import declared
from tests.django_app.contracts.cases.odd_tables import Label, Parcel
from tests.django_app.contracts.wrong_queries import parcels
from tests.django_app.declaration_tables import tables_restored

SAME_PLACE = Parcel.objects.filter(place=OuterRef("place"), kind=OuterRef("kind"))
HOUR = Func(
    Value("hour"),
    Func("sent_at", template="%(expressions)s AT TIME ZONE 'Europe/Berlin'", output_field=DateTimeField()),
    function="date_part",
    output_field=FloatField(),
)

#: What is declared, and a part of the view's SQL.
RIGHT: dict[str, tuple[dict[str, Any], str]] = {
    "the one row of a relation": ({"it": Number("labels__width", nullable=True)}, '"cases_label"."width" AS "hc_it"'),
    "a text whose type is in capitals": ({"it": Category("code")}, '"code" AS "hc_it"'),
    "a key of another store": ({"it": Category("extra__colour", nullable=True)}, "-> %s"),
    "a lower bound": ({"it": Number("sizes__startswith", nullable=True)}, "lower("),
    "a first moment": ({"it": Age("open__startswith", nullable=True)}, "lower("),
    "values as the database has them": ({"it": Number(Cast("cents", IntegerField()))}, '("cases_parcel"."cents")::integer'),
    "a subquery by fields that are unique together": ({"it": Number(Subquery(SAME_PLACE.values("weight")), nullable=True)}, "(SELECT U0"),
    "a subquery by a field that is unique together with none": ({"it": Number(Subquery(Parcel.objects.filter(alone=OuterRef("nick")).values("weight")), nullable=True)}, "(SELECT U0"),
    "a subquery by a relation of one row": ({"it": Number(Subquery(Label.objects.filter(parcel=OuterRef("pk")).values("width")), nullable=True)}, "(SELECT U0"),
    "a subquery of one group": ({"it": Number(Subquery(Parcel.objects.filter(kind=OuterRef("kind")).order_by().values("kind").annotate(n=Count("pk")).values("n")), nullable=True)}, "GROUP BY"),
    "a part of a moment by hand, in a zone": ({"it": Number(HOUR)}, "AT TIME ZONE"),
    "a case that no row is": ({"it": Number(Case(When(pk__in=[], then=Value(1)), default=Value(0)))}, "hc_it"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _declared() -> Iterator[None]:
    with tables_restored():
        yield


@pytest.mark.parametrize("case", RIGHT)
def test_a_right_declaration_compiles(case: str) -> None:
    """The view reads what was declared."""
    features, part = RIGHT[case]
    contract = compile_model(declared.model(**parcels(features=features)), version=1, policy_revision=1)
    assert part in contract.schema.view.sql


@pytest.mark.parametrize("entity", ["nick", "alone", "pk"])
def test_what_a_constraint_makes_unique_names_a_row(entity: str) -> None:
    """A field that is unique in small letters is unique, too."""
    contract = compile_model(declared.model(**parcels(entity=entity)), version=1, policy_revision=1)
    assert contract.schema.entity == entity


def test_a_pattern_that_all_choices_match_is_right() -> None:
    """Numbers too, as the texts that they become."""
    cls = declared.model(**parcels(features={"it": Category("stars", pattern="[1-3]")}))
    assert compile_model(cls, version=1, policy_revision=1).policy.choices["it"][0] == ("1", "bad")
