"""New rows of a stranger's model: what Django's defaults complete, and what PostgreSQL refuses for good."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.db import connection, models
from django.db.models.functions import Now

from django_app.conf import hotclub_settings
from django_app.contracts.column_defaults import defaults_of
from django_app.contracts.validation.source_columns import compile_columns
from django_app.ingest import load_errors, selectors, tasks
from django_app.ingest.load_statement import LoadStatement
from django_app.ingest.models import Delivery
from django_app.ingest.services import loading, sweep
from django_app.ingest.services.loading import delivery_load
from django_app.ingest.services.row_loading import rows_load
from hotclub import contract_files, declarations
from hotclub.contract import SourceContract, SourcePolicy, SourceSchema
from tests.conftest import Database
from tests.django_app.ingest.test_loading import NOW, Stage, _delivery, at

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


def short_code() -> str:
    """Return another text at each call, as a project's own default may."""
    return uuid.uuid4().hex[:8]


@pytest.fixture
def orders() -> Iterator[type[models.Model]]:
    """A model whose new rows need Django's defaults, with a temporary table for it."""

    class StrangersOrder(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        number = models.IntegerField(unique=True)
        city = models.TextField(blank=True)
        note = models.CharField(max_length=20, blank=True)
        code = models.CharField(max_length=20, default=short_code)
        state = models.CharField(max_length=10, default="new")
        weight = models.FloatField(default=1.5)
        tags = models.JSONField(default=dict)
        created_at = models.DateTimeField(auto_now_add=True)
        updated_at = models.DateTimeField(auto_now=True)
        day = models.DateField(auto_now_add=True)
        stamped_at = models.DateTimeField(db_default=Now())

        class Meta:
            app_label = "flights"
            managed = False
            db_table = "strangers_orders"
            ordering = ("number",)

        def __str__(self) -> str:
            return str(self.number)

    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE strangers_orders (id uuid PRIMARY KEY, number integer NOT NULL UNIQUE,"
            " city text NOT NULL, note varchar(20) NOT NULL, code varchar(20) NOT NULL, state varchar(10) NOT NULL,"
            " weight float8 NOT NULL, tags jsonb NOT NULL, created_at timestamptz NOT NULL,"
            " updated_at timestamptz NOT NULL, day date NOT NULL, stamped_at timestamptz NOT NULL DEFAULT now())"
            " ON COMMIT DROP"
        )
    yield StrangersOrder
    del apps.all_models["flights"]["strangersorder"]
    apps.clear_cache()


def contract_of(model: type[models.Model], columns: dict[str, str], key: tuple[str, ...]) -> SourceContract:
    """Return the contract of a source into a model."""
    declared: Any = SimpleNamespace(
        model=model, columns=columns, __module__=__name__, __qualname__="Orders", timezone="UTC"
    )
    schema = SourceSchema(
        django_model=model._meta.label, table=model._meta.db_table, natural_key=key, tenant_path=None, tenant_column=None,
        timezone="UTC", columns=compile_columns(declared),
    )  # fmt: skip
    return SourceContract("orders", "flights", 1, schema=schema, policy=SourcePolicy(()))


@pytest.fixture
def contract(orders: type[models.Model], monkeypatch: pytest.MonkeyPatch) -> SourceContract:
    """The source `orders`: a number and a city."""
    made = contract_of(orders, {"number": "number", "city": "city"}, ("number",))
    monkeypatch.setattr(selectors, "source_contract", lambda _name: made)
    return made


def _order(digest: str = "1", **changes: Any) -> Delivery:
    """Return a delivery of `orders`, whose files have no tenant."""
    return _delivery("orders", digest, **{"tenant_id": None} | changes)


def _load(stage: Stage, rows: list[dict[str, Any]], **changes: Any) -> Delivery:
    delivery = _order(**{"landed_at": NOW} | changes)
    stage(str(delivery.pk), rows)
    tasks.delivery_load(str(delivery.pk))
    delivery.refresh_from_db()
    return delivery


def test_new_rows_get_what_django_would_give_them(
    contract: SourceContract, orders: Any, stage: Stage
) -> None:
    """A key made in Python, functions called once a row, constants, the time, and empty texts that may be empty."""
    delivery = _order()
    stage(str(delivery.pk), [{"number": n, "city": f"city {n}"} for n in range(200)])
    assert delivery_load(delivery_id=delivery.pk, clock=at(NOW))
    delivery.refresh_from_db()
    assert (delivery.status, delivery.rows_loaded, delivery.rows_changed) == ("loaded", 200, 200)
    rows = list(orders.objects.all())
    assert len({row.id for row in rows}) == len({row.code for row in rows}) == 200
    row = rows[7]
    assert (row.number, row.city, row.note, row.state, row.weight, row.tags) == (
        7,
        "city 7",
        "",
        "new",
        1.5,
        {},
    )
    assert (row.created_at, row.updated_at, row.day) == (NOW, NOW, NOW.date())


def test_rows_that_are_there_keep_their_defaults_and_are_stamped(
    contract: SourceContract, orders: Any, stage: Stage
) -> None:
    """An update touches the file's columns and ``auto_now``; a row without a difference not even that."""
    later = NOW + dt.timedelta(hours=1)
    for moment, digest, rows in (
        (NOW, "1", [{"number": 1, "city": "a"}, {"number": 2, "city": "b"}]),
        (later, "2", [{"number": 1, "city": "A"}, {"number": 2, "city": "b"}]),
    ):
        delivery = _order(digest, landed_at=moment)
        stage(str(delivery.pk), rows)
        before = {row.number: (row.id, row.code) for row in orders.objects.all()}
        assert delivery_load(delivery_id=delivery.pk, clock=at(moment))
    assert {row.number: (row.id, row.code) for row in orders.objects.all()} == before
    stamps = {row.number: (row.created_at, row.updated_at) for row in orders.objects.all()}
    assert stamps == {1: (NOW, later), 2: (NOW, NOW)}


def test_what_a_new_row_needs_beside_the_file_is_named(orders: Any) -> None:
    """Only columns without any default keep a source from inserting."""
    assert defaults_of(orders, {"number", "city"}, NOW).required == []
    assert defaults_of(orders, {"city"}, NOW).required == ["number"]


def test_no_statement_orders_where_no_order_is_asked_for(
    contract: SourceContract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model's ``Meta.ordering`` sorted the whole table once for each row of a file: a minute for 300 rows."""
    monkeypatch.undo()
    contracts = [
        c
        for c in contract_files.read_all(hotclub_settings.contracts).values()
        if isinstance(c, SourceContract)
    ]
    assert {c.name for c in contracts} == {s.name for s in declarations.sources.values()}
    for each in contracts:
        in_file = {c.target for c in each.schema.columns}
        defaults = defaults_of(apps.get_model(each.schema.django_model), in_file, NOW)
        statement = LoadStatement(each, "delivery_0", defaults, shown=5)
        foreign = statement.foreign("EWR")
        assert foreign is not None
        made = [
            foreign,
            statement.upsert(),
            statement.update(),
            statement.unmatched(),
            statement.key_hashes(),
        ]
        for text in (part.as_string(connection.connection) for part in made):
            assert "ORDER BY" not in text.replace('ORDER BY n."_row"', "")


def _refuse(cursor: Any, kind: str) -> None:
    """Put a rule of the database in the way."""
    if kind == "conditional":
        cursor.execute("ALTER TABLE strangers_orders DROP CONSTRAINT strangers_orders_number_key")
        cursor.execute("CREATE UNIQUE INDEX ON strangers_orders (number) WHERE state = 'new'")
    elif kind == "raise":
        cursor.execute(
            "CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no orders on Fridays'; END $$"
        )
    elif kind == "swallow":
        cursor.execute(
            "CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
        )
    elif kind == "check":
        cursor.execute("ALTER TABLE strangers_orders ADD CONSTRAINT small CHECK (number < 1)")
    elif kind == "dropped column":
        cursor.execute("ALTER TABLE strangers_orders DROP COLUMN city")
    elif kind == "dropped table":
        cursor.execute("DROP TABLE strangers_orders")
    elif kind == "too narrow":
        cursor.execute("ALTER TABLE strangers_orders ALTER COLUMN city TYPE varchar(1)")
    if kind in ("raise", "swallow"):
        cursor.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON strangers_orders FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse()"
        )


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        ("conditional", "failed", "strangers_orders has no unique constraint over exactly (number)"),
        ("raise", "failed", "no orders on Fridays"),
        ("swallow", "rejected", "2 rows did not reach strangers_orders"),
        ("check", "failed", 'violates check constraint "small"'),
        ("dropped column", "failed", "run migrate"),
        ("dropped table", "failed", "run migrate"),
        ("too narrow", "failed", "too long for type character varying(1)"),
    ],
)
def test_what_the_same_rows_would_meet_again_is_final(
    contract: SourceContract, stage: Stage, kind: str, status: str, reason: str
) -> None:
    """The delivery ends with the reason at once, instead of being tried for ever."""
    with connection.cursor() as cursor:
        _refuse(cursor, kind)
    delivery = _load(stage, [{"number": 1, "city": "aa"}, {"number": 2, "city": "bb"}])
    assert delivery.status == status
    assert reason in delivery.reasons[0]
    assert (delivery.waits_for, delivery.finished_at is not None) == ("", True)


def test_a_key_that_the_table_reads_more_loosely_is_final(
    orders: type[models.Model], stage: Stage, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two texts of the file are one value of a case-insensitive column."""
    with psycopg.connect(
        database.admin_url.replace("/postgres?", f"/{database.name}?"), autocommit=True
    ) as admin:
        admin.execute("CREATE EXTENSION IF NOT EXISTS citext")
        admin.execute("GRANT USAGE ON SCHEMA public TO hotclub_app")
    made = contract_of(orders, {"number": "number", "city": "city"}, ("city",))
    monkeypatch.setattr(selectors, "source_contract", lambda _name: made)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE strangers_orders ALTER COLUMN city TYPE citext")
        cursor.execute("ALTER TABLE strangers_orders ADD UNIQUE (city)")
    delivery = _load(stage, [{"number": 1, "city": "SPRING"}, {"number": 2, "city": "spring"}])
    assert delivery.status == "failed"
    assert "two rows of the file are one row to strangers_orders" in delivery.reasons[0]


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (psycopg.errors.DeadlockDetected, True),
        (psycopg.errors.SerializationFailure, True),
        (psycopg.errors.AdminShutdown, True),
        (psycopg.errors.QueryCanceled, True),
        (psycopg.errors.LockNotAvailable, True),
        (psycopg.errors.DiskFull, True),
        (psycopg.errors.TooManyConnections, True),
        (psycopg.OperationalError, True),
        (psycopg.errors.UndefinedColumn, False),
        (psycopg.errors.InsufficientPrivilege, False),
        (psycopg.errors.CardinalityViolation, False),
        (psycopg.errors.UniqueViolation, False),
        (psycopg.errors.RaiseException, False),
        (psycopg.errors.NumericValueOutOfRange, False),
        (psycopg.errors.GeneratedAlways, False),
        (psycopg.errors.FeatureNotSupported, False),
        (psycopg.ProgrammingError, False),
    ],
)
def test_what_passes_is_told_by_its_sqlstate(error: type[psycopg.Error], passing: bool) -> None:
    """Not by psycopg's classes, which lump the final and the passing together."""
    assert load_errors.passes(error("x")) is passing


def test_a_statement_that_takes_too_long_is_final(
    contract: SourceContract, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends it before the task's limit ends the process: the same rows would take as long again."""
    monkeypatch.setattr(loading, "MAX_STATEMENT_TIME", dt.timedelta(seconds=1))
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION pg_temp.slow() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(5); RETURN NEW; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER slow BEFORE INSERT ON strangers_orders FOR EACH ROW EXECUTE FUNCTION pg_temp.slow()"
        )
    delivery = _load(stage, [{"number": 1, "city": "a"}])
    assert delivery.status == "failed"
    assert "took longer than a load may" in delivery.reasons[0]


def test_a_load_ends_before_its_task_does(settings: Any) -> None:
    """Else the process would go, and the statement with its locks stay."""
    assert loading.MAX_STATEMENT_TIME.total_seconds() < settings.CELERY_TASK_SOFT_TIME_LIMIT


@pytest.mark.parametrize("status", ["landed", "checking", "accepted", "loading"])
def test_without_a_day_in_the_key_files_count_in_the_order_of_landing(
    contract: SourceContract, orders: Any, stage: Stage, status: str
) -> None:
    """An older file of another day that is still on its way would write its values over the newer ones."""
    older = _order("1", status=status, day=NOW.date() - dt.timedelta(days=1))
    newer = _load(stage, [{"number": 1, "city": "new"}], landed_at=NOW + dt.timedelta(minutes=1), digest="2")
    assert (newer.status, "landed before" in newer.waits_for) == ("loading", True)
    Delivery.objects.filter(pk=older.pk).update(status="loaded")
    tasks.delivery_load(str(newer.pk))
    newer.refresh_from_db()
    assert (newer.status, newer.waits_for) == ("loaded", "")


def test_a_match_that_comes_late_does_not_bring_old_values_back(
    orders: Any, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Day 1's file waits, day 2's is loaded without a row of day 1's key; when the rows come, both are loaded again."""
    monkeypatch.setattr(
        orders._meta.get_field("note"), "blank", False
    )  # the file of states cannot invent an order
    states = contract_of(orders, {"number": "number", "state": "state"}, ("number",))
    made = contract_of(orders, {"number": "number", "note": "note"}, ("number",))
    contracts = {"states": states, "orders": made}
    monkeypatch.setattr(selectors, "source_contract", contracts.__getitem__)
    monkeypatch.setattr(selectors, "source_contracts", lambda: contracts)

    def load(source: str, digest: str, minute: int, rows: list[dict[str, Any]]) -> Delivery:
        at = NOW + dt.timedelta(minutes=minute)
        delivery = _delivery(
            source,
            digest,
            tenant_id=None,
            landed_at=at,
            started_at=at,
            day=at.date() + dt.timedelta(days=minute),
        )
        stage(str(delivery.pk), rows)
        delivery_load(delivery_id=delivery.pk, clock=lambda: at)
        delivery.refresh_from_db()
        return delivery

    load("orders", "1", 0, [{"number": 2, "note": "x"}])
    first = load("states", "2", 1, [{"number": 1, "state": "paid"}])
    second = load("states", "3", 2, [{"number": 1, "state": "refunded"}, {"number": 2, "state": "paid"}])
    assert (first.status, second.status, second.rows_unmatched) == ("waiting", "loaded", 1)
    load("orders", "4", 3, [{"number": 1, "note": "x"}])
    # Past the week in which a loaded file is looked at for its own sake.
    assert sweep.deliveries_rematch(now=NOW + dt.timedelta(days=8)) == 1
    for delivery in (second, first, second):
        Delivery.objects.filter(pk=delivery.pk, status="landed").update(status="loading")
        tasks.delivery_load(str(delivery.pk))
    assert dict(orders.objects.values_list("number", "state")) == {1: "refunded", 2: "paid"}


def test_one_load_at_a_time_where_the_key_does_not_tell_tenants_apart(
    contract: SourceContract, stage: Stage, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tenants' files could meet in one row, and the later write take it over unseen."""
    schema = dataclasses.replace(contract.schema, tenant_path="city", tenant_column="city")
    shared = dataclasses.replace(contract, schema=schema)
    assert shared.key_has_tenant is False
    monkeypatch.setattr(selectors, "source_contract", lambda _name: shared)
    with psycopg.connect(database.url("hotclub_app")) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('ingest.load strangers_orders', 0))")
        delivery = _load(stage, [{"number": 1, "city": "EWR"}], tenant_id="EWR")
        other.rollback()
    assert (delivery.status, "being loaded into strangers_orders" in delivery.waits_for) == ("loading", True)


def test_what_passes_is_shown_on_the_delivery(
    contract: SourceContract, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a load is tried again the delivery says why the last try failed."""

    def deadlock(**_: Any) -> None:
        raise psycopg.errors.DeadlockDetected("deadlock detected")

    monkeypatch.setattr(loading, "rows_load", deadlock)
    delivery = _load(stage, [{"number": 1, "city": "a"}])
    assert (delivery.status, delivery.waits_for) == (
        "loading",
        "the load is tried again; the last failure: deadlock detected",
    )


def test_a_receiver_of_the_projects_own_that_fails_ends_the_delivery(
    contract: SourceContract, orders: Any, stage: Stage
) -> None:
    """The same rows would meet it again; nothing of the load stays."""
    from django_app.ingest.signals import delivery_loaded

    def broken(**_: Any) -> None:
        raise ValueError("no such warehouse")

    delivery_loaded.connect(broken, weak=False)
    try:
        delivery = _load(stage, [{"number": 1, "city": "a"}])
    finally:
        delivery_loaded.disconnect(broken)
    assert (delivery.status, delivery.reasons) == ("failed", ["ValueError: no such warehouse"])
    assert not orders.objects.exists()


def test_a_null_in_a_nullable_key_matches_a_null(
    orders: Any, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the constraint takes nulls as equal, the load does too: no row is doubled, none is missed."""
    monkeypatch.setattr(orders._meta.get_field("number"), "null", True)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE strangers_orders DROP CONSTRAINT strangers_orders_number_key")
        cursor.execute("ALTER TABLE strangers_orders ALTER COLUMN number DROP NOT NULL")
        cursor.execute("ALTER TABLE strangers_orders ADD UNIQUE NULLS NOT DISTINCT (number)")
    made = contract_of(orders, {"number": "number", "city": "city"}, ("number",))
    for city in ("a", "b"):
        staged = str(uuid.uuid4())
        stage(staged, [{"number": None, "city": city}])
        result = rows_load(contract=made, delivery_id=staged, tenant="EWR", now=NOW)
        assert (result.unmatched, result.loaded) == (0, 1)
    assert [row.city for row in orders.objects.all()] == ["b"]


def test_the_end_of_a_load_is_its_end(contract: SourceContract, stage: Stage) -> None:
    """`finished_at` is read when the work is done, not when it begins."""
    ticks = iter(NOW + dt.timedelta(seconds=n) for n in range(60))
    delivery = _order()
    stage(str(delivery.pk), [{"number": 1, "city": "a"}])
    seen: list[dt.datetime] = []

    def clock() -> dt.datetime:
        seen.append(next(ticks))
        return seen[-1]

    assert delivery_load(delivery_id=delivery.pk, clock=clock)
    delivery.refresh_from_db()
    assert delivery.finished_at == seen[-1] > seen[0]
