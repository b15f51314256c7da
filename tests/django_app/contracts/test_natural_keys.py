"""What a source's natural key needs of its table, reported before the first file comes."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Deferrable, Q, UniqueConstraint
from django.test.utils import isolate_apps

from django_app.contracts.validation.source_columns import check_natural_key, compile_columns
from hotclub.errors import ContractError


def _model(*constraints: UniqueConstraint, **fields: Any) -> Any:
    meta = type("Meta", (), {"app_label": "flights", "constraints": constraints})
    body = {
        "__module__": __name__,
        "Meta": meta,
        "shop": models.CharField(max_length=5),
        "number": models.IntegerField(),
        "part": models.IntegerField(null=True),
        "deleted_at": models.DateTimeField(null=True),
    }
    return type("Order", (models.Model,), body | fields)


def _source(model: Any, *key: str, **columns: str) -> Any:
    return SimpleNamespace(
        model=model, natural_key=key, columns=columns, __module__="shop.ml", __qualname__="Orders"
    )


@isolate_apps()
@pytest.mark.parametrize(
    ("constraints", "fields", "key"),
    [
        ((UniqueConstraint(fields=("shop", "number"), name="once"),), {}, ("number", "shop")),
        ((), {"number": models.IntegerField(unique=True)}, ("number",)),
        ((), {"number": models.IntegerField(primary_key=True)}, ("number",)),
        ((UniqueConstraint(fields=("part",), name="once", nulls_distinct=False),), {}, ("part",)),
    ],
)
def test_a_key_that_the_table_holds_is_taken(
    constraints: tuple[UniqueConstraint, ...], fields: dict[str, Any], key: tuple[str, ...]
) -> None:
    """A constraint over exactly its fields, in any order; a nullable part where two nulls count as equal."""
    check_natural_key(_source(_model(*constraints, **fields), *key))


@isolate_apps()
@pytest.mark.parametrize(
    ("constraints", "key", "reason"),
    [
        ((), ("shop", "number"), "it has none"),
        ((UniqueConstraint(fields=("shop",), name="once"),), ("shop", "number"), "it has none"),
        (
            (UniqueConstraint(fields=("shop", "number", "part"), name="once"),),
            ("shop", "number"),
            "it has none",
        ),
        (
            (UniqueConstraint(fields=("number",), condition=Q(deleted_at=None), name="once"),),
            ("number",),
            "once has a condition",
        ),
        (
            (UniqueConstraint(fields=("number",), deferrable=Deferrable.DEFERRED, name="once"),),
            ("number",),
            "once is deferrable",
        ),
        (
            (UniqueConstraint(fields=("number", "part"), name="once"),),
            ("number", "part"),
            "part may be null, and once takes two nulls as different",
        ),
    ],
)
def test_a_key_that_the_table_does_not_hold_is_refused_with_the_constraint_to_write(
    constraints: tuple[UniqueConstraint, ...], key: tuple[str, ...], reason: str
) -> None:
    """Every file would be refused by PostgreSQL, or rows with a null doubled with each delivery."""
    with pytest.raises(ContractError, match=r"shop\.ml\.Orders\.natural_key: .*") as raised:
        check_natural_key(_source(_model(*constraints), *key))
    assert reason in str(raised.value)
    assert "add UniqueConstraint(fields=(" in str(raised.value)
    assert ("nulls_distinct=False" in str(raised.value)) == ("part" in key)


@isolate_apps()
def test_a_table_that_django_does_not_manage_is_believed() -> None:
    """Its constraints are not in the model."""
    model = _model()
    model._meta.managed = False
    check_natural_key(_source(model, "number"))


@isolate_apps()
def test_a_file_loads_into_one_table() -> None:
    """A column of the parent of a multi-table inheritance lies in another one."""

    class Parent(models.Model):
        number = models.IntegerField(unique=True)

        class Meta:
            app_label = "flights"

        def __str__(self) -> str:
            return str(self.number)

    class Child(Parent):
        extra = models.IntegerField()

        class Meta:
            app_label = "flights"

    with pytest.raises(ContractError, match="declare a source with model = Parent"):
        compile_columns(_source(Child, number="number", extra="extra"))
    assert [c.target for c in compile_columns(_source(Child, extra="extra"))] == ["extra"]


@isolate_apps()
def test_bounds_are_those_of_numbers() -> None:
    """A date's earliest day is no number that a file's column could be held to."""
    model = _model(
        opened=models.DateField(validators=[MinValueValidator(dt.date(2000, 1, 1))]),
        weight=models.FloatField(validators=[MinValueValidator(1)]),
    )
    columns = compile_columns(_source(model, opened="opened", weight="weight"))
    assert [(c.minimum, c.maximum) for c in columns] == [(None, None), (1.0, None)]
