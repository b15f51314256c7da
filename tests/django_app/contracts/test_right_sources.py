"""Right declarations of sources: a real file is staged, checked and loaded, and the table holds exactly its rows."""

from __future__ import annotations

import datetime as dt
import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection

from data_checks import staging_tables
from django_app.contracts.compilation.source_compiler import compile_source
from django_app.contracts.validation.source_checks import notes
from django_app.ingest import selectors
from django_app.ingest.models import Delivery
from django_app.ingest.services import row_loading
from django_app.ingest.services.loading import delivery_load
from hotclub import contract, names
from hotclub.declarations import Check, Source
from tests.conftest import Database
from tests.django_app import strangers

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Great Expectations warns of its own dependencies as it is imported
    from data_checks import checks
    from data_checks.delivery_suite import DeliveryFacts

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.integration,
    pytest.mark.usefixtures("declared_for_a_moment"),
]

DAY = dt.date(2013, 11, 1)
NOW = dt.datetime(2013, 11, 1, 12, tzinfo=dt.UTC)
UID = uuid.UUID("123e4567-e89b-12d3-a456-426614174000")
Models = SimpleNamespace


@dataclass(frozen=True)
class Right:
    """A declaration, a file, and what the table holds afterwards.

    Attributes:
        declared: its attributes.
        file: the CSV text.
        rows: what the queryset's `fields` are afterwards, in any order.
        fields: of the model.
        tenant: whose file it is.
        note: a part of what makecontracts says of it.
    """

    declared: Callable[[Models], dict[str, Any]]
    file: str
    fields: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    tenant: str | None = None
    note: str = ""
    warnings: list[str] = field(default_factory=list)


def _reading(**changes: Any) -> Callable[[Models], dict[str, Any]]:
    columns = {"station": "station", "day": "day"} | changes.pop("columns", {})
    return lambda m: {"model": m.Reading, "natural_key": ("station", "day"), "columns": columns} | changes


def _by(field_name: str, **changes: Any) -> Callable[[Models], dict[str, Any]]:
    return _reading(columns={"station": f"station__{field_name}"}, **changes)


_IN_ORDER = ("station__code", "day")
_ONE = [("ALT", DAY)]
RIGHT: dict[str, Right] = {
    "a foreign key by its own key": Right(
        _reading(columns={"value": "value"}), "station,day,value\n1,2013-11-01,-3.5\n2,2013-11-01,\n",
        ("station_id", "value"), [(1, -3.5), (2, None)],
    ),
    "a foreign key by its field's other name": Right(
        _reading(columns={"station": "station_id"}, natural_key=("station_id", "day")), "station,day\n1,2013-11-01\n", _IN_ORDER, _ONE,
    ),
    "a foreign key by a text of the parent": Right(
        _by("code"), "station,day\nALT,2013-11-01\nNeu,2013-11-01\n", _IN_ORDER, [*_ONE, ("Neu", DAY)],
    ),
    "a foreign key by a number of the parent": Right(_by("number"), "station,day\n 11 ,2013-11-01\n", _IN_ORDER, _ONE),
    "a foreign key by a day of the parent": Right(_by("opened"), "station,day\n2000-02-03,2013-11-01\n", _IN_ORDER, _ONE),
    "a foreign key by a field that a constraint makes unique": Right(
        _by("label"), 'station,day\n"Old, and high",2013-11-01\n', _IN_ORDER, _ONE,
    ),
    "a foreign key by the parent's key, spelled out": Right(_by("id"), "station,day\n1,2013-11-01\n", _IN_ORDER, _ONE),
    "a foreign key that may be empty stays null": Right(
        _by("code"), "station,day\n,2013-11-01\nALT,2013-11-01\n", _IN_ORDER, [(None, DAY), *_ONE],
    ),
    "an optional second foreign key by a text": Right(
        lambda m: {
            "model": m.Reading, "natural_key": ("station", "day"),
            "columns": {"station": "station__code", "day": "day", "backup": "backup__code"},
        },
        "station,day,backup\nALT,2013-11-01,Neu\nNeu,2013-11-01,\n", ("station__code", "backup__code"), [("ALT", "Neu"), ("Neu", None)],
    ),
    "an unknown parent without a constraint is a warning": Right(
        lambda m: {
            "model": m.Reading, "natural_key": ("station", "day"),
            "columns": {"station": "station", "day": "day", "loose": "loose__code"},
        },
        "station,day,loose\n1,2013-11-01,Neu\n2,2013-11-01,gone\n", ("station_id", "loose__code"), [(1, "Neu"), (2, None)],
        warnings=["loose: 1 row not in code of flights_station: gone (line 3); they are loaded without it"],
    ),
    "defaults that are values, functions and the database's": Right(
        _reading(), "station,day\n1,2013-11-01\n2,2013-11-01\n", ("station_id", "count", "state", "valid", "note", "extra", "tags"),
        [(1, 7, "new", True, "", {}, []), (2, 7, "new", True, "", {}, [])],
    ),
    "numbers of every kind": Right(
        _reading(columns={"count": "count", "price": "price", "value": "value", "level": "level"}),
        "station,day,count,price,value,level\n1,2013-11-01,+5,12.50,1e1,2\n2,2013-11-01,-5,,,\n",
        ("count", "price", "value", "level"), [(5, Decimal("12.50"), 10.0, 2), (-5, None, None, None)],
    ),
    "truths, in the words of files": Right(
        _reading(columns={"valid": "valid"}), "station,day,valid\n1,2013-11-01,no\n2,2013-11-01,T\n", ("station_id", "valid"),
        [(1, False), (2, True)],
    ),
    "a number with blanks that is one of the field's choices": Right(
        _reading(columns={"level": "level"}), "station,day,level\n1,2013-11-01, +2\n", ("level",), [(2,)],
    ),
    "a text with letters beyond ASCII that is one of the field's choices": Right(
        _reading(columns={"état": "state"}), "état,station,day\nGröße,1,2013-11-01\n", ("state",), [("Größe",)],
    ),
    "a UUID": Right(
        _reading(columns={"uid": "uid"}), f"station,day,uid\n1,2013-11-01,{UID}\n2,2013-11-01,\n", ("uid",), [(UID,), (None,)],
    ),
    "the model's own UUID key": Right(
        lambda m: {"model": m.Reading, "natural_key": ("id",), "columns": {"key": "id", "day": "day"}},
        f"key,day\n{UID},2013-11-01\n", ("id", "day"), [(UID, DAY)],
    ),
    "times in the source's zone": Right(
        _reading(columns={"at": "taken_at"}, timezone="America/New_York"),
        "station,day,at\n1,2013-11-01,2013-11-01 05:15\n2,2013-11-01,2013-11-01T05:15:00+09:00\n", ("station_id", "taken_at"),
        [(1, dt.datetime(2013, 11, 1, 9, 15, tzinfo=dt.UTC)), (2, dt.datetime(2013, 10, 31, 20, 15, tzinfo=dt.UTC))],
    ),
    "columns with odd names": Right(
        _reading(columns={"no:te %s": "note", 'val"ue': "value", "Day": "count"}),
        'station,day,no:te %s,"val""ue",Day\n1,2013-11-01,x,2,3\n', ("note", "value", "count"), [("x", 2.0, 3)],
    ),
    "a generated column is computed": Right(
        _reading(columns={"note": "note"}), "station,day,note\n1,2013-11-01,abc\n2,2013-11-01,\n", ("note", "loud"), [("abc", "ABC"), ("", "")],
    ),
    "a composite primary key": Right(
        lambda m: {"model": m.Pair, "natural_key": ("right", "left"), "columns": {"l": "left", "r": "right", "w": "weight"}},
        "l,r,w\n1,2,0.5\n2,1,\n", ("left", "right", "weight"), [(1, 2, 0.5), (2, 1, None)],
    ),
    "a key alone, which is added": Right(
        lambda m: {"model": m.Region, "natural_key": ("code",), "columns": {"code": "code"}},
        "code\nNORD\nWEST\n", ("code",), [("NORD",), ("WEST",)],
    ),
    "a parent that inherits from another model": Right(
        lambda m: {"model": m.Log, "natural_key": ("line",), "columns": {"child": "child", "line": "line"}},
        "child,line\n3,7\n", ("child_id", "line"), [(3, 7)],
    ),
    "a model that inherits from another, whose rows are there": Right(
        lambda m: {"model": m.Child, "natural_key": ("station_ptr",), "columns": {"station": "station_ptr", "depth": "depth"}},
        "station,depth\n1,2.5\n", ("station_ptr_id", "depth"), [(1, 2.5), (3, None)],
    ),
    "a tenant in the file, by a natural key of the parent": Right(
        _by("code", tenant="station__tenant"), "station,day\nALT,2013-11-01\n", _IN_ORDER, _ONE, tenant="EWR",
    ),
    "a tenant's own key": Right(
        lambda m: {
            "model": m.Account, "natural_key": ("tenant", "number"), "tenant": "tenant",
            "columns": {"who": "tenant", "number": "number", "total": "total"},
        },
        "who,number,total\nEWR,1,2.5\n", ("tenant_id", "number", "total"), [("EWR", 1, 2.5)], tenant="EWR",
    ),
    "checks of every kind of argument": Right(
        _reading(
            columns={"value": "value", "note": "note"},
            checks=(
                Check("ExpectColumnValuesToBeBetween", column="value", min_value=-3.5, max_value=60),
                Check("ExpectColumnValuesToBeBetween", column="day", min_value="2013-01-01", severity="warning"),
                Check("ExpectColumnValuesToNotBeNull", column="station_id", mostly=0.5, severity="info"),
                Check("ExpectColumnValuesToMatchRegex", column="note", regex=r"^\m[a-z]+$"),
                Check("ExpectCompoundColumnsToBeUnique", column_list=("station", "day")),
                Check("UnexpectedRowsExpectation", unexpected_rows_query="SELECT * FROM {batch} WHERE note ~ 'z{{3}}'"),
            ),
        ),
        "station,day,value,note\n1,2013-11-01,-3.5,abc\n", ("value", "note"), [(-3.5, "abc")],
    ),
    "a table that Django does not manage": Right(
        lambda m: {"model": m.Legacy, "natural_key": ("number",), "columns": {"number": "number", "title": "title"}},
        "number,title\n1,a\n2,\n", ("number", "title"), [(1, "a"), (2, "")],
        note="Django does not manage the table of flights.Legacy",
    ),
    "updates alone": Right(
        lambda m: {"model": m.Station, "natural_key": ("code",), "columns": {"code": "code", "street": "street"}},
        "code,street\nALT,Long Street\n", ("code", "street"), [("ALT", "Long Street"), ("Neu", ""), ("Fern", "")],
        note="only updates rows that are there, because its files lack what a new row of flights.Station needs: label",
    ),
}  # fmt: skip


@pytest.fixture(name="m", scope="module")
def _models() -> Iterator[Models]:
    with strangers.registered() as made:
        yield made


@pytest.fixture
def tables(m: Models, db: None) -> Models:
    """The models with their tables, and three stations."""
    strangers.create_tables(m.Region, m.Station, m.Child, m.Log, m.Reading, m.Pair, m.Account, m.Legacy)
    with connection.cursor() as cursor:
        cursor.execute("CREATE UNIQUE INDEX ON flights_legacy (number)")
    m.Station.objects.create(
        code="ALT", number=11, label="Old, and high", opened=dt.date(2000, 2, 3), tenant_id="EWR"
    )
    m.Station.objects.create(code="Neu", number=12, label="New", tenant_id="JFK")
    m.Child.objects.create(code="Fern", label="Far")
    return m


Load = Callable[..., Delivery]


@pytest.fixture
def load(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Stage, check and load a file as a delivery of a declared source, as its DAG does."""
    url = database.url(names.ROLE_STAGER)

    def run(declared: dict[str, Any], text: str, tenant: str | None = None, digest: str = "1") -> Delivery:
        declared = {"__module__": "django_app.flights.ml"} | declared
        made = compile_source(type("Readings", (Source,), declared), version=1, policy_revision=1)
        # What other parts read is the file.
        made = contract.SourceContract.from_json(made.to_json())
        monkeypatch.setattr(selectors, "source_contract", lambda _name: made)
        delivery = Delivery.objects.create(
            source="readings", tenant_id=tenant, day=DAY, sha256=digest * 64, size_bytes=1, archive_path="/nowhere",
            status="loading", attempts=1, landed_at=NOW,
        )  # fmt: skip
        path = tmp_path / "2013-11-01.csv"
        path.write_text(text, encoding="utf-8")
        staged = staging_tables.stage(url, str(delivery.pk), path, made)
        assert staged.problem is None
        if digest == "1":  # the same file passes again
            report = checks.check_delivery(
                url, made, str(delivery.pk), DeliveryFacts(tenant, DAY), lambda: NOW
            )
            assert [r.message for r in report.results if not r.success] == []
        delivery_load(delivery_id=delivery.pk, clock=lambda: NOW)
        delivery.refresh_from_db()
        return delivery

    return run


@pytest.mark.parametrize("right", RIGHT.values(), ids=list(RIGHT))
def test_a_right_source_loads_its_file(tables: Models, load: Load, right: Right) -> None:
    """Every value as the file means it, no row more and none less; loaded again it changes nothing."""
    declared = right.declared(tables)
    model = declared["model"]
    before = model.objects.count()
    delivery = load(declared, right.file, right.tenant)
    assert (delivery.status, delivery.reasons, delivery.warnings) == ("loaded", [], right.warnings)
    count = len(right.file.splitlines()) - 1
    assert (delivery.rows_staged, delivery.rows_loaded, delivery.rows_unmatched) == (count, count, 0)
    assert sorted(model.objects.values_list(*right.fields), key=repr) == sorted(right.rows, key=repr)
    assert bool(delivery.only_updates) == (right.note.startswith("only updates"))
    assert model.objects.count() == max(before, len(right.rows))
    again = load(declared, right.file, right.tenant, digest="2")
    assert (again.status, again.rows_changed, again.rows_unchanged) == ("loaded", 0, count)


@pytest.mark.parametrize("right", RIGHT.values(), ids=list(RIGHT))
def test_what_a_person_should_know_of_it_is_said(m: Models, right: Right) -> None:
    """A source that only updates says so, with the fields; others have no note."""
    found = notes(type("Readings", (Source,), {"__module__": "django_app.flights.ml"} | right.declared(m)))
    assert [right.note in note for note in found] == ([True] if right.note else [])


def test_new_rows_have_keys_and_times_of_their_own(tables: Models, load: Load) -> None:
    """A UUID key and a function's default for each row, ``auto_now_add`` and the database's default."""
    load(_reading()(tables), "station,day\n1,2013-11-01\n2,2013-11-01\n")
    rows = list(tables.Reading.objects.all())
    assert len({row.id for row in rows}) == len({row.token for row in rows}) == 2
    assert all(row.token.startswith("token ") and row.id.version == 4 for row in rows)
    assert {(row.created_at, row.changed_at) for row in rows} == {(NOW, NOW)}
    assert all(row.stamped_at is not None for row in rows)


def test_an_unknown_parent_is_refused_with_line_and_value(tables: Models, load: Load) -> None:
    """Nothing is loaded, also of the rows whose parent is known."""
    text = "station,day\nALT,2013-11-01\nnowhere,2013-11-01\nalt,2013-11-01\n"
    delivery = load(_by("code")(tables), text)
    assert (delivery.status, delivery.reasons) == (
        "rejected",
        ["station: 2 rows not in code of flights_station: alt (line 4), nowhere (line 3)"],
    )
    assert not tables.Reading.objects.exists()


def test_an_unknown_parent_that_looks_right_says_what_is_not(tables: Models, load: Load) -> None:
    """Two forms of an accent are one on the screen, and a blank is none."""
    tables.Station.objects.create(code="Süd", label="South")
    delivery = load(_by("code")(tables), "station,day\nSu\u0308d,2013-11-01\nSüd ,2013-11-01\n")
    (reason,) = delivery.reasons
    assert reason == (
        "station: 2 rows not in code of flights_station: Su\u0308d (line 2: its accents are characters of their own, "
        "Unicode NFD instead of NFC), 'Süd ' (line 3)"
    )


def test_another_tenants_parent_is_refused(tables: Models, load: Load) -> None:
    """The tenant follows from the parent that a natural key names."""
    declared = _by("code", tenant="station__tenant")(tables)
    delivery = load(declared, "station,day\nALT,2013-11-01\nNeu,2013-11-01\n", "EWR")
    assert (delivery.status, delivery.reasons) == (
        "rejected", ["station: 1 row (line 3) does not belong to EWR, the tenant that delivers"],
    )  # fmt: skip


def test_a_parent_that_was_renamed_is_still_the_same_row(tables: Models, load: Load) -> None:
    """What is loaded is the key: a natural key that names it differently later updates the same row."""
    declared = {
        "model": tables.Reading, "natural_key": ("station", "day"),
        "columns": {"station": "station__code", "day": "day", "value": "value"},
    }  # fmt: skip
    load(declared, "station,day,value\nALT,2013-11-01,1\n")
    tables.Station.objects.filter(code="ALT").update(code="RENAMED")
    second = load(declared, "station,day,value\nRENAMED,2013-11-01,2\n", digest="2")
    assert (second.status, second.rows_changed) == ("loaded", 1)
    assert list(tables.Reading.objects.values_list("station__code", "value")) == [("RENAMED", 2.0)]


def test_numbers_that_a_file_gives_are_not_given_again(tables: Models, load: Load) -> None:
    """The database counts on from the greatest; it does not go back for a smaller one."""
    declared = {
        "model": tables.Station,
        "natural_key": ("id",),
        "columns": {"id": "id", "code": "code", "label": "label"},
    }
    load(declared, "id,code,label\n50,A,a\n7,B,b\n")
    assert tables.Station.objects.create(code="own", label="own").pk == 51
    load(declared, "id,code,label\n20,C,c\n", digest="2")
    assert tables.Station.objects.create(code="next", label="next").pk == 52


def test_a_parent_that_goes_while_rows_are_written_refuses_them(
    tables: Models, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its natural key nothing is found then, and the reference would be empty without a word."""
    check = row_loading._tenant_check

    def parent_goes(cursor: Any, statement: Any, tenant: str | None) -> None:
        tables.Station.objects.filter(code="ALT").delete()
        check(cursor, statement, tenant)

    monkeypatch.setattr(row_loading, "_tenant_check", parent_goes)
    delivery = load(_by("code")(tables), "station,day\nALT,2013-11-01\n")
    assert (delivery.status, delivery.reasons) == (
        "rejected",
        ["station: 1 row lost the row that it names while it was loaded; deliver the file again"],
    )
    assert not tables.Reading.objects.exists()
