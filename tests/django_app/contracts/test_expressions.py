"""What declarations may say of dates, values and keys: each is compiled, built and read in a stranger's project."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo

import psycopg
import pytest

from hotclub import contract_files, days, names
from hotclub.contract import ModelContract
from tests.conftest import Database
from tests.django_app.foreign import ForeignProject, make_foreign_project

pytestmark = pytest.mark.integration

ZONES = ("Europe/Berlin", "America/New_York", "Pacific/Apia", "America/Havana")
#: Ordinary days, days on which clocks change in one of the zones, and the day that Apia left out.
DAYS = [
    dt.date(2013, 1, 15), dt.date(2013, 3, 10), dt.date(2013, 3, 31), dt.date(2013, 4, 7), dt.date(2013, 7, 1),
    dt.date(2013, 9, 29), dt.date(2013, 10, 27), dt.date(2013, 11, 3), dt.date(2011, 12, 31),
]  # fmt: skip

SHOP = """
import uuid
from django.contrib.postgres.fields import ArrayField
from django.db import models

class Visit(models.Model):
    day = models.DateField()
    born_on = models.DateField()
    at = models.DateTimeField()
    opens = models.TimeField()
    country = models.CharField(max_length=2)
    quantity = models.IntegerField()
    price = models.DecimalField(max_digits=8, decimal_places=2)
    stay = models.DurationField()
    ref = models.UUIDField(default=uuid.uuid4)
    raw = models.BinaryField()
    tags = ArrayField(models.CharField(max_length=9))
    sizes = ArrayField(models.IntegerField())
    data = models.JSONField()
    host = models.GenericIPAddressField()

class Event(models.Model):
    at = models.DateTimeField()

class Concert(Event):
    seats = models.IntegerField()

class Positive(models.Model):
    code = models.PositiveIntegerField(primary_key=True)
    big = models.PositiveBigIntegerField(unique=True)
    small = models.PositiveSmallIntegerField(unique=True)
    mail = models.EmailField(unique=True)
    link = models.URLField(unique=True)
    at = models.DateTimeField()

class Ulid(models.CharField):
    def __init__(self, *args, **kwargs):
        kwargs["max_length"] = 26
        super().__init__(*args, **kwargs)
    def get_internal_type(self):
        return "Ulid"
    def db_type(self, connection):
        return "varchar(26)"
    def rel_db_type(self, connection):
        return self.db_type(connection)

class Ticket(models.Model):
    code = Ulid(primary_key=True)
    at = models.DateTimeField()

class Refund(models.Model):
    ticket = models.OneToOneField(Ticket, models.CASCADE, primary_key=True)
    at = models.DateTimeField()
"""
ML = (
    """
import datetime as dt
import uuid
from decimal import Decimal
from django.db import models
from django.db.models import Case, Count, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, ExtractYear, Least
from hotclub.declarations import Age, Boolean, Category, MLModel, Number
from shop.models import Concert, Positive, Refund, Visit

class Country(models.TextChoices):
    GERMANY = "DE"

LABEL = dict(event_time="at", horizon=dt.timedelta(0), label=Value(1), task="binary", metric="roc_auc")
WEEK = Visit.objects.filter(country=OuterRef("country"), at__gte=OuterRef("at") - dt.timedelta(days=7), at__lt=OuterRef("at"))
WEEK = WEEK.order_by().values("country").annotate(n=Count("pk")).values("n")

class Values(MLModel):
    locals().update(LABEL)
    rows = Visit.objects.filter(at__gte=dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc))
    timezone = "Europe/Berlin"
    features = {
        "last_week": Number(Coalesce(Subquery(WEEK), 0)),
        "gross": Number(F("quantity") * Decimal("1.19"), ),
        "late": Boolean(Q(at__gt=F("at") - dt.timedelta(hours=1, microseconds=5))),
        "long": Boolean(Q(stay__gt=dt.timedelta(minutes=90))),
        "early": Boolean(Q(opens__lt=dt.time(9, 30))),
        "old": Boolean(Q(born_on__lt=dt.date(1970, 1, 1))),
        "since": Age(Value(dt.date(2013, 7, 1)), unit="h"),
        "since_moment": Age(Value(dt.datetime(2013, 7, 1, 12, tzinfo=dt.timezone.utc)), unit="h"),
        "year": Number(ExtractYear(Value(dt.date(1999, 5, 5)))),
        "known": Boolean(Q(ref=uuid.UUID(int=7))),
        "bytes": Boolean(Q(raw=bytes([0, 37, 115]))),
        "tagged": Boolean(Q(tags__contains=["a'b", "50%"])),
        "sized": Boolean(Q(sizes__overlap=[7, 9])),
        "listed": Boolean(Q(country__in=["DE", "FR"])),
        "keyed": Boolean(Q(data__kind="x"), nullable=True),
        "holds": Boolean(Q(data__contains={"n": [1, 2]})),
        "local": Boolean(Q(host="10.0.0.1")),
        "german": Boolean(Q(country=Country.GERMANY)),
        "capped": Number(Least(F("quantity") * 1.0, Value(float("inf")))),
        "percent": Category(Case(When(quantity__gt=3, then=Value("100%")), default=Value("%s"))),
    }

def dated(zone):
    body = dict(LABEL, event_time="day", rows=Visit.objects.all(), timezone=zone, label=Value(0),
        features={"age": Age("born_on", unit="d"), "at": Age("at", unit="h")}, __module__=__name__)
    return type("Dated" + zone.split("/")[1].replace("_", ""), (MLModel,), body)

for zone in """
    + repr(ZONES)
    + """:
    dated(zone)

def keyed(name, rows, entity):
    body = dict(LABEL, rows=rows.objects.all(), entity=entity, features={"one": Number(Value(1.5))}, __module__=__name__)
    return type(name, (MLModel,), body)

keyed("Concerts", Concert, "pk")
keyed("Refunds", Refund, "pk")
for entity in ("pk", "big", "small", "mail", "link"):
    keyed("By" + entity.title(), Positive, entity)
"""
)


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, provision: Callable[[str], Database]
) -> Iterator[ForeignProject]:
    """The project with its views and a few rows."""
    database = provision("foreign_expressions")
    made = make_foreign_project(tmp_path_factory.mktemp("expressions"), database, shop=SHOP, ml=ML)
    done = made.manage("makecontracts")
    assert done.stderr == ""
    assert done.returncode == 0
    made.must("migrate")
    with psycopg.connect(database.url(names.ROLE_APP)) as app:
        for number, day in enumerate(DAYS):
            app.execute(
                "INSERT INTO shop_visit (day, born_on, at, opens, country, quantity, price, stay, ref, raw, tags, sizes,"
                " data, host) VALUES (%s, %s, %s, '08:00', 'DE', %s, 1.5, '2 hours', %s, %s, %s, %s, %s, '10.0.0.1')",
                [
                    day, day - dt.timedelta(days=100), f"2013-07-{number + 1:02d}T12:00Z", number,
                    f"00000000-0000-0000-0000-{number:012d}", bytes([0, 37, 115]), ["50%", "a'b"], [9],
                    '{"kind": "x", "n": [1, 2, 3]}',
                ],
            )  # fmt: skip
        app.execute("INSERT INTO shop_event (id, at) VALUES (7, now())")
        app.execute("INSERT INTO shop_concert VALUES (7, 3)")
        app.execute(
            "INSERT INTO shop_positive VALUES (1, 5000000000, 30000, 'a@example.org', 'http://example.org', now())"
        )
        app.execute("INSERT INTO shop_ticket VALUES ('01ARZ3NDEKTSV4RRFFQ69G5FAV', now())")
        app.execute("INSERT INTO shop_refund VALUES ('01ARZ3NDEKTSV4RRFFQ69G5FAV', now())")
    yield made
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {database.name} WITH (FORCE)")


def _contract(project: ForeignProject, name: str) -> ModelContract:
    return contract_files.find_model(name, [project.folder / "shop" / "contracts"])


@pytest.mark.parametrize("session_zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
@pytest.mark.parametrize("zone", ZONES)
def test_a_date_begins_at_midnight_in_the_models_zone(
    project: ForeignProject, zone: str, session_zone: str
) -> None:
    """Whoever asks: a row belongs to its own local day, on days when clocks change too, and ages count from there."""
    name = "dated_" + {"New_York": "new_york"}.get(zone.split("/")[1], zone.split("/")[1].lower())
    with psycopg.connect(project.database.url(names.ROLE_READER)) as reader:
        reader.execute(f"SET TimeZone = '{session_zone}'")
        rows = reader.execute(f"SELECT event_time, age FROM features.ml_{name}_v1 ORDER BY entity").fetchall()
    for day, (event_time, age) in zip(DAYS, rows, strict=True):
        start, end = days.day_interval(day, zone)
        born, _ = days.day_interval(day - dt.timedelta(days=100), zone)
        assert start <= event_time < end
        assert event_time.astimezone(ZoneInfo(zone)).date() == day
        # In Havana clocks change at midnight: it comes twice in autumn.
        assert event_time - start in (dt.timedelta(0), dt.timedelta(hours=zone == "America/Havana"))
        assert age == pytest.approx((event_time - born) / dt.timedelta(days=1))


@pytest.mark.parametrize("session_zone", ["UTC", "America/New_York"])
def test_values_of_every_type_keep_it(project: ForeignProject, session_zone: str) -> None:
    """A duration, a decimal, a date, a list and the others mean in the view what they mean in Django."""
    columns = (
        "last_week, gross, late, long, early, old, since, since_moment, year, known, bytes, tagged, sized, listed, "
        "keyed, holds, local, german, capped, percent"
    )
    with psycopg.connect(project.database.url(names.ROLE_READER)) as reader:
        reader.execute(f"SET TimeZone = '{session_zone}'")
        row = reader.execute(
            f"SELECT {columns} FROM features.ml_values_v1 ORDER BY entity OFFSET 7 LIMIT 1"
        ).fetchone()
    # The eighth visit, on 8 July 2013 at noon UTC; 1 July began in Berlin at 22:00 UTC the day before.
    assert row == (
        7, pytest.approx(8.33), True, True, True, False, 7 * 24 + 14, 7 * 24, 1999, True, True, True, True, True,
        True, True, True, True, 7, "100%",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("model", "kind", "key"),
    [
        ("concerts", "bigint", 7),
        ("refunds", "text", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        ("by_pk", "integer", 1),
        ("by_big", "bigint", 5_000_000_000),
        ("by_small", "smallint", 30000),
        ("by_mail", "text", "a@example.org"),
        ("by_link", "text", "http://example.org"),
    ],
)
def test_keys_of_every_kind_name_a_row(project: ForeignProject, model: str, kind: str, key: object) -> None:
    """A parent's key, a foreign key, a positive number, an address: the view finds the row by it, in its own type."""
    assert _contract(project, model).schema.entity_type == kind
    with psycopg.connect(project.database.url(names.ROLE_SERVING)) as serving:
        found = serving.execute(
            f"SELECT entity FROM features.ml_{model}_v1 WHERE entity = ANY(%s::text[]::{kind}[])",
            [[str(key)]],
        ).fetchall()
    assert found == [(key,)]


def test_files_without_types_still_stand_for_their_declarations(project: ForeignProject) -> None:
    """What compiled without types before compiles to the same file: nothing is trained anew for it."""
    project.write(
        "shop/ml.py",
        """
        import datetime as dt
        from django.db.models import Value
        from hotclub.declarations import MLModel, Number
        from shop.models import Visit
        class Since(MLModel):
            rows = Visit.objects.filter(at__gte=dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc))
            event_time, horizon, label = "at", dt.timedelta(0), Value(1)
            task, metric = "binary", "roc_auc"
            features = {"quantity": Number("quantity")}
        """,
    )
    project.must("makecontracts")
    written = _contract(project, "since")
    assert "%s::timestamptz" in written.schema.view.sql
    old = written.to_json()
    old["schema"]["view"]["sql"] = written.schema.view.sql.replace("%s::timestamptz", "%s")
    from hotclub.contract import canonical_json, fingerprint

    old["fingerprint"] = fingerprint(old["schema"])
    file = project.folder / "shop" / "contracts" / "since" / "0001.json"
    file.write_text(canonical_json(old))
    try:
        # The project's other contracts have no declaration meanwhile, which is a matter of its own.
        said = project.manage("makecontracts", "--check").stdout
        assert "Nothing to write: 1 contracts agree with their declarations." in said
    finally:
        project.write("shop/ml.py", ML)
        shutil.rmtree(file.parent)


REFUSED = {
    "Cast of a moment to a date": ('Age(Cast("at", models.DateField()))', "Cast to DateField of a datetime"),
    "Cast of a date to a moment": ('Age(Cast("day", models.DateTimeField()))', "Cast to DateTimeField of a date"),
    "Cast of a moment to text": ('Category(Cast("at", models.TextField()))', "Cast to TextField of a datetime"),
    "Cast of a text to a moment": ('Age(Cast("country", models.DateTimeField()))', "of a text or number"),
    "moment as category": ('Category("at")', "a datetime is no value for a model"),
    "date as number": ('Number("day")', "a date is no value for a model"),
    "duration as number": ('Number("stay")', "a duration is no value for a model"),
    "age of a number": ('Age("quantity")', "must be a date or a moment"),
    "age of a time": ('Age("opens")', "must be a date or a moment"),
    "date before moment": ('Boolean(Q(day__lt=F("at")))', "a date compared with a moment"),
    "date plus duration": ('Age(F("day") + dt.timedelta(hours=9))', "a date and a duration"),
    "mixed coalesce": (
        'Age(Coalesce("day", "at", output_field=models.DateTimeField()))',
        "a date compared with a moment",
    ),
    "mixed case": (
        'Age(Case(When(quantity=1, then=F("at")), default=F("day"), output_field=models.DateTimeField()))',
        "a date compared with a moment",
    ),
    "hour without zone, in a condition": ('Boolean(Q(at__hour=3))', "ExtractHour of a time without a zone"),
    "hour without zone, in a subquery": (
        'Number(Subquery(Visit.objects.filter(at__hour=3).values("quantity")[:1]))',
        "ExtractHour of a time without a zone",
    ),
    "current time by another class": ('Age(TransactionNow())', "gives another value at every read"),
    "random key": ('Boolean(Q(ref=Func(function="gen_random_uuid", output_field=models.UUIDField())))', "gives another value"),
    "a value that no file can hold": ('Boolean(Q(quantity=Value(Range(1, 2))))', "cannot be kept"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_depend_on_the_session_is_refused(project: ForeignProject, case: str) -> None:
    """An expression that takes the session's zone or the moment of reading is reported at makecontracts, with the feature."""
    expression, words = REFUSED[case]
    try:
        project.write(
            "shop/ml.py",
            f"""
            import datetime as dt
            from django.contrib.postgres.functions import TransactionNow
            from django.db import models
            from django.db.models import Case, F, Func, Q, Subquery, Value, When
            from django.db.models.functions import Cast, Coalesce
            from hotclub.declarations import Age, Boolean, Category, MLModel, Number
            from psycopg.types.range import Range
            from shop.models import Visit
            class Refused(MLModel):
                rows, event_time, horizon, label = Visit.objects.all(), "at", dt.timedelta(0), Value(1)
                task, metric = "binary", "roc_auc"
                features = {{"it": {expression}}}
            """,
        )
        done = project.manage("makecontracts", "--check")
        assert done.returncode == 1
        assert "shop.ml.Refused" in done.stderr
        assert words in done.stderr
    finally:
        project.write("shop/ml.py", ML)


def test_an_expression_that_postgresql_refuses_is_told_before_migrate(project: ForeignProject) -> None:
    """Django compiles it and PostgreSQL does not read it: makecontracts says so where a database answers."""
    project.write(
        "shop/ml.py",
        """
        import datetime as dt
        from django.db import models
        from django.db.models import F, Func, Value
        from hotclub.declarations import MLModel, Number
        from shop.models import Visit
        class Wrong(MLModel):
            rows, event_time, horizon, label = Visit.objects.all(), "at", dt.timedelta(0), Value(1)
            task, metric = "binary", "roc_auc"
            features = {"it": Number(Func(F("country"), function="SQRT", output_field=models.FloatField()))}
        """,
    )
    try:
        done = project.manage("makecontracts", "--dry-run")
        assert (
            "PostgreSQL refuses the view of wrong version 1: function sqrt(character varying)" in done.stderr
        )
    finally:
        project.write("shop/ml.py", ML)
