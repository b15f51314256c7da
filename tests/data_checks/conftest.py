"""A private PostgreSQL with Hotclub's roles, and contracts to check against."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from hotclub import names
from hotclub.contract import (
    CheckSpec,
    ColumnSpec,
    FeatureSpec,
    ModelContract,
    ModelPolicy,
    ModelSchema,
    SourceContract,
    SourcePolicy,
    SourceSchema,
    ViewSpec,
)

# Its import warns of its own dependencies; what it does for us afterwards may not warn.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import great_expectations.expectations  # noqa: F401


@pytest.fixture(scope="session")
def database(provision):
    """A private database with Hotclub's roles and schemas."""
    return provision("checks")


@pytest.fixture(scope="session")
def stager_url(database) -> str:
    """PostgreSQL as hotclub_stager."""
    return database.url(names.ROLE_STAGER)


def source_contract(*checks: CheckSpec) -> SourceContract:
    """Return the contract of `orders`: one column of each kind."""
    columns = (
        ColumnSpec("shop", "shop_id", "text", nullable=False, max_length=5),
        ColumnSpec("number", "number", "integer", nullable=False, minimum=1),
        ColumnSpec("ordered_at", "ordered_at", "timestamptz", nullable=False),
        ColumnSpec("price", "price", "float8", nullable=True, minimum=0, maximum=1000),
        ColumnSpec("paid", "paid", "float8", nullable=True),
        ColumnSpec("state", "state", "text", nullable=True, choices=("new", "sent")),
        ColumnSpec("gift {x}", "gift", "boolean", nullable=True),
    )
    return SourceContract(
        name="orders",
        app="shop",
        version=3,
        schema=SourceSchema(
            django_model="shop.Order",
            table="shop_order",
            natural_key=("shop_id", "number", "ordered_at"),
            tenant_path="shop",
            tenant_column="shop_id",
            timezone="America/New_York",
            columns=columns,
        ),
        policy=SourcePolicy(checks=checks),
    )


def text_contract(*columns: str | ColumnSpec, key: tuple[str, ...] = (), **changes: Any) -> SourceContract:
    """Return the contract of `texts`: nullable text columns by name, or columns as they are given."""
    specs = tuple(
        c if isinstance(c, ColumnSpec) else ColumnSpec(c, c, "text", nullable=True) for c in columns
    )
    policy = changes.pop("policy", SourcePolicy(checks=()))
    schema = {
        "django_model": "shop.Text",
        "table": "shop_text",
        "natural_key": key,
        "tenant_path": None,
        "tenant_column": None,
        "timezone": "America/New_York",
        "columns": specs,
    }
    return SourceContract("texts", "shop", 1, schema=SourceSchema(**{**schema, **changes}), policy=policy)


def model_contract() -> ModelContract:
    """Return the contract of `late`: a binary model with a number, a category and a boolean."""
    return ModelContract(
        name="late",
        app="shop",
        version=1,
        schema=ModelSchema(
            django_model="shop.Order",
            task="binary",
            entity="pk",
            entity_type="bigint",
            tenant_path=None,
            event_time="ordered_at",
            horizon_seconds=0,
            timezone="UTC",
            classes=(),
            features=(
                FeatureSpec("hour", "number", nullable=False, unit="h", minimum=0, maximum=23),
                FeatureSpec("carrier", "category", nullable=True, pattern="[A-Z]{2}"),
                FeatureSpec("gift", "boolean", nullable=True),
            ),
            view=ViewSpec("SELECT 1"),
        ),
        policy=ModelPolicy(
            metric="roc_auc",
            gates={},
            baseline_by=(),
            evaluate_days=1,
            stopping_days=1,
            score_on=None,
            schedule=None,
            parameters={},
        ),
    )


@pytest.fixture
def contract() -> SourceContract:
    """The contract of `orders` without checks of its own."""
    return source_contract()


@pytest.fixture
def late() -> ModelContract:
    """The contract of the model `late`."""
    return model_contract()


@pytest.fixture
def make_contract() -> object:
    """A function from the source's own checks to the contract of `orders`."""
    return source_contract


HEADER = "shop,number,ordered_at,price,paid,state,gift {x}"


@pytest.fixture
def csv_file(tmp_path: Path) -> object:
    """A function from lines to a CSV file with the contract's header."""

    def write(*lines: str, header: str = HEADER) -> Path:
        path = tmp_path / "delivered.csv"
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        return path

    return write
