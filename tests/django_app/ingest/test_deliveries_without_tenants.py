"""Sources without tenants: where their files land, who sees them, and how they load beside those of tenants."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from django_app.contracts.compilation.source_compiler import compile_source
from django_app.ingest import selectors
from django_app.ingest.models import Delivery, RefusedFile
from django_app.ingest.services import landed_files, sweep
from django_app.ingest.services.loading import TooEarlyError, delivery_load
from django_app.ingest.services.row_loading import rows_load
from django_app.tenants.models import Tenant
from hotclub import contract_files, names
from hotclub.declarations import Source
from tests.conftest import Database
from tests.django_app import strangers
from tests.django_app.declaration_tables import tables_restored
from tests.django_app.ingest.test_loading import DAY, NOW, Stage, at

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

Models = SimpleNamespace


@pytest.fixture(name="m", scope="module")
def _models() -> Iterator[Models]:
    with strangers.registered() as made:
        yield made


@pytest.fixture(autouse=True)
def sources(m: Models, settings: Any, tmp_path: Path) -> dict[str, Any]:
    """The contracts of three sources into stations: of no tenant, of tenants, and one of no tenant that only updates."""
    columns = {"code": "code", "label": "label", "tenant": "tenant"}
    right: dict[str, Any] = {"model": m.Station, "natural_key": ("code",), "columns": columns}
    declared = {
        "stations": right,
        "own_stations": right | {"tenant": "tenant"},
        "streets": right | {"columns": {"code": "code", "street": "street"}},
        "own_streets": right | {"columns": {"code": "code", "street": "street"}, "tenant": "tenant"},
    }
    made = {}
    with tables_restored():
        for name, body in declared.items():
            cls = type("Momentary", (Source,), {"__module__": "django_app.flights.ml", "name": name} | body)
            made[name] = compile_source(cls, version=1, policy_revision=1)
            contract_files.write(made[name], tmp_path / "contracts")
    settings.HOTCLUB_CONTRACTS = [tmp_path / "contracts"]
    return made


@pytest.fixture
def tables(m: Models) -> Models:
    """The models with their tables."""
    strangers.create_tables(m.Region, m.Station)
    return m


def _land(settings: Any, name: str, text: str = "a,b\n1,2\n") -> Path:
    path = Path(settings.HOTCLUB_LANDING) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _find(settings: Any, now: dt.datetime = NOW) -> list[Delivery]:
    return landed_files.landed_files_register(
        landing_root=settings.HOTCLUB_LANDING, archive_root=settings.HOTCLUB_ARCHIVE, now=now
    )


def _delivery(source: str, digest: str = "1", **changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "source": source, "day": DAY, "sha256": digest * 64, "size_bytes": 1, "archive_path": "/nowhere",
        "status": "loading", "attempts": 1, "landed_at": NOW, "started_at": NOW,
    }  # fmt: skip
    return Delivery.objects.create(**values | changes)


def _load(stage: Stage, delivery: Delivery, rows: list[dict[str, Any]], now: dt.datetime = NOW) -> Delivery:
    stage(str(delivery.pk), rows)
    delivery_load(delivery_id=delivery.pk, clock=at(now))
    delivery.refresh_from_db()
    return delivery


def _station(code: str, tenant: str = "EWR") -> dict[str, Any]:
    return {"code": code, "label": f"label of {code}", "tenant": tenant}


def test_a_file_in_the_sources_folder_is_a_delivery_of_its_day(settings: Any) -> None:
    """Its partition is the day alone; the same bytes again are the same delivery."""
    _land(settings, "stations/2013-11-01.csv")
    (delivery,) = _find(settings)
    assert (delivery.source, delivery.tenant, delivery.day, delivery.partition) == (
        "stations", None, DAY, "2013-11-01",
    )  # fmt: skip
    assert str(delivery) == "stations 2013-11-01"
    assert not list((Path(settings.HOTCLUB_LANDING) / "stations").iterdir())
    _land(settings, "stations/2013-11-01.csv")
    assert [d.pk for d in _find(settings, NOW + dt.timedelta(minutes=1))] == [delivery.pk]
    assert not RefusedFile.objects.exists()


def test_a_crash_after_the_file_was_taken_loses_nothing(settings: Any) -> None:
    """The name that it was taken under is read in the source's folder too."""
    _land(settings, "stations/2013-11-01.20131101T120000000000Z.ff.taken")
    assert [d.partition for d in _find(settings)] == ["2013-11-01"]


@pytest.mark.parametrize(
    ("name", "tenant", "reason"),
    [
        (
            "stations/EWR/2013-11-01.csv", "EWR",
            "it lies in a folder, and files of stations have no tenant; land it as stations/2013-11-01.csv",
        ),
        (
            "stations/nobody/2013-11-01.csv", None,
            "it lies in a folder, and files of stations have no tenant; land it as stations/2013-11-01.csv",
        ),
        (
            "own_stations/2013-11-01.csv", None,
            ("it lies in no tenant's folder; files of own_stations land as own_stations/<tenant>/2013-11-01.csv, "
            "with one of: EWR, JFK, LGA"),
        ),
        (
            "own_stations/readme.txt", None,
            ("it lies in no tenant's folder; files of own_stations land as own_stations/<tenant>/<YYYY-MM-DD>.csv, "
            "with one of: EWR, JFK, LGA"),
        ),
        ("stations/today.csv", None, "its name is not a day, such as 2013-11-01.csv"),
        ("nothing/2013-11-01.csv", None, "there is no source 'nothing'; there are: own_stations, own_streets, stations, streets"),
        (
            "2013-11-01.csv", None,
            ("it lies in no source's folder; files land as <source>/<tenant>/<YYYY-MM-DD>.csv, or as <source>/<YYYY-MM-DD>.csv "
            "where the source has no tenants"),
        ),
    ],
)  # fmt: skip
def test_a_file_in_the_wrong_place_is_refused_with_the_right_one(
    settings: Any, name: str, tenant: str | None, reason: str
) -> None:
    """Both ways round, with a record that who put it there may see."""
    _land(settings, name)
    assert _find(settings) == []
    refused = RefusedFile.objects.get()
    assert (refused.path, refused.tenant_id, refused.reason) == (f"{name}.refused", tenant, reason)


@pytest.mark.parametrize("name", ["stations/2013-11-01.csv", "stations/EWR/2013-11-01.csv"])
def test_with_a_broken_contract_a_file_waits_wherever_it_landed(settings: Any, name: str) -> None:
    """Nobody can say now whether it has a tenant; the load will."""
    (file,) = (settings.HOTCLUB_CONTRACTS[0] / "stations").glob("*.json")
    file.write_text("{")
    _land(settings, name)
    assert len(_find(settings)) == 1


def test_the_same_bytes_are_one_delivery_also_without_a_tenant() -> None:
    """The table itself holds that: two nulls are the same tenant."""
    _delivery("stations")
    with pytest.raises(IntegrityError), transaction.atomic():
        _delivery("stations")
    _delivery("stations", tenant_id="EWR")


def test_only_who_sees_every_tenant_sees_them(api: Callable[[str], Any], users: dict[str, Any]) -> None:
    """Not who is of one tenant, by list, key or page; nor of all that there are by membership."""
    none = _delivery("streets", only_updates="a new row would lack label", waits_for="waits for rows")
    own = _delivery("own_stations", tenant_id="EWR")
    refused = RefusedFile.objects.create(path="stations/x.csv.refused", reason="its name is not a day")

    def seen(who: str) -> set[str]:
        return {row["id"] for row in api(who).get("/api/v1/deliveries/").json()["results"]}

    assert seen("owner") == {str(own.pk)}
    assert seen("service") == seen("root") == {str(none.pk), str(own.pk)}
    assert api("owner").get(f"/api/v1/deliveries/{none.pk}/").status_code == 404
    found = api("root").get(f"/api/v1/deliveries/{none.pk}/").json()
    assert (found["tenant"], found["partition"]) == (None, "2013-11-01")
    assert (found["only_updates"], found["waits_for"]) == ("a new row would lack label", "waits for rows")
    assert api("service").get(f"/api/v1/deliveries/{none.pk}/file/").json()["tenant"] is None
    assert api("owner").get(f"/api/v1/refused-files/{refused.pk}/").status_code == 404
    assert api("root").get(f"/api/v1/refused-files/{refused.pk}/").status_code == 200


def test_the_admin_shows_them_with_their_reason(client: Any, users: dict[str, Any]) -> None:
    """A page for who sees every tenant, with what it waits for and why it only updates."""
    delivery = _delivery("streets", waits_for="waits for rows", only_updates="a new row would lack label")
    refused = RefusedFile.objects.create(path="stations/x.csv.refused", reason="its name is not a day")
    client.force_login(users["root"])
    page = client.get(f"/admin/ingest/delivery/{delivery.pk}/change/").content.decode()
    assert "waits for rows" in page
    assert "a new row would lack label" in page
    assert "waits for rows" in client.get("/admin/ingest/delivery/").content.decode()
    page = client.get(f"/admin/ingest/refusedfile/{refused.pk}/change/").content.decode()
    assert "its name is not a day" in page


def test_its_rows_may_be_of_any_tenant(tables: Models, stage: Stage) -> None:
    """Nothing of the file is compared with a tenant."""
    delivery = _load(stage, _delivery("stations"), [_station("A"), _station("B", "JFK")])
    assert (delivery.status, delivery.rows_loaded, delivery.only_updates) == ("loaded", 2, "")
    assert set(tables.Station.objects.values_list("code", "tenant_id")) == {("A", "EWR"), ("B", "JFK")}


@pytest.mark.parametrize(
    ("source", "tenant", "reason"),
    [
        ("own_stations", None, "files of own_stations have a tenant now; land it again as own_stations/<tenant>/2013-11-01.csv"),
        ("stations", "EWR", "files of stations have no tenant any more; land it again as stations/2013-11-01.csv"),
    ],
)  # fmt: skip
def test_a_source_that_got_or_lost_tenants_refuses_what_landed_before(
    tables: Models, stage: Stage, source: str, tenant: str | None, reason: str
) -> None:
    """Loaded as it is, rows of any tenant would go unchecked."""
    delivery = _load(stage, _delivery(source, tenant_id=tenant), [_station("A")])
    assert (delivery.status, delivery.reasons) == ("rejected", [reason])
    assert not tables.Station.objects.exists()


def test_rows_of_a_source_with_tenants_are_never_loaded_for_none(
    tables: Models, stage: Stage, sources: dict[str, Any]
) -> None:
    """Also where somebody calls the service directly."""
    delivery = _delivery("own_stations")
    stage(str(delivery.pk), [_station("A")])
    with pytest.raises(ValueError, match="cannot be loaded for none"):
        rows_load(contract=sources["own_stations"], delivery_id=str(delivery.pk), tenant=None, now=NOW)


def test_a_later_file_of_the_day_replaces_the_earlier_one(tables: Models, stage: Stage) -> None:
    """The keys of the first are compared with those of the second, as with tenants."""
    later = NOW + dt.timedelta(minutes=1)
    _load(stage, _delivery("stations"), [_station("A"), _station("B")])
    _delivery("stations", "9", tenant_id="EWR", status="loaded", landed_at=later)  # another's day
    second = _load(stage, _delivery("stations", "2", landed_at=later), [_station("A")], later)
    assert (second.status, second.rows_unchanged) == ("loaded", 1)
    assert [w.split(" are ")[0].split(" is ")[0] for w in second.warnings] == [
        "1 row of the file of the same day that landed at 2013-11-01 12:00:00 UTC"
    ]
    late = _load(
        stage, _delivery("stations", "3", landed_at=NOW + dt.timedelta(seconds=1)), [_station("C")], later
    )
    assert (late.status, late.reasons) == (
        "rejected", [f"superseded by delivery {second.pk}, a later file of the same day"],
    )  # fmt: skip


def test_files_of_one_source_are_loaded_one_after_the_other(
    tables: Models, stage: Stage, database: Database
) -> None:
    """One that landed before is waited for, and so is one that is being loaded now."""
    earlier = _delivery("stations", "0", status="checking", landed_at=NOW - dt.timedelta(minutes=1))
    delivery = _delivery("stations")
    stage(str(delivery.pk), [_station("A")])
    with pytest.raises(TooEarlyError, match="which landed before and is checking"):
        delivery_load(delivery_id=delivery.pk, clock=at(NOW))
    earlier.status = Delivery.Status.FAILED
    earlier.save()
    with psycopg.connect(database.url("hotclub_app")) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('ingest.load stations ', 0))")
        with pytest.raises(TooEarlyError, match="is being loaded"):
            delivery_load(delivery_id=delivery.pk, clock=at(NOW))
        other.rollback()
    assert delivery_load(delivery_id=delivery.pk, clock=at(NOW))


@pytest.mark.parametrize(
    ("waiting", "waits_as", "rows_of", "comes_as", "again"),
    [
        ("streets", None, "stations", None, True),
        ("streets", None, "own_stations", "EWR", True),
        ("own_streets", "EWR", "stations", None, True),
        ("own_streets", "EWR", "own_stations", "EWR", True),
        ("own_streets", "EWR", "own_stations", "JFK", False),
    ],
)
def test_what_waits_for_rows_is_loaded_when_another_source_brings_them(
    tables: Models,
    stage: Stage,
    waiting: str,
    waits_as: str | None,
    rows_of: str,
    comes_as: str | None,
    again: bool,
) -> None:
    """Rows of no tenant may be anybody's, and anybody's rows may be those that it waits for."""
    first = _load(stage, _delivery(waiting, tenant_id=waits_as), [{"code": "A", "street": "Long Street"}])
    assert (first.status, first.rows_loaded, first.rows_unmatched) == ("waiting", 0, 1)
    assert first.only_updates == (
        "only rows that are there are updated: a new row of flights_station would lack label"
    )
    assert "a file of" in first.waits_for
    assert "only updates" in first.waits_for
    later = NOW + dt.timedelta(minutes=5)
    other = _load(stage, _delivery(rows_of, tenant_id=comes_as), [_station("A", comes_as or "EWR")], later)
    assert other.status == "loaded"
    assert sweep.deliveries_rematch(now=later) == int(again)
    first.refresh_from_db()
    assert first.status == ("landed" if again else "waiting")


@pytest.mark.parametrize(
    ("source", "tenant", "awaited", "awaited_tenant"),
    [
        ("streets", None, "own_stations", "JFK"),
        ("streets", None, "stations", None),
        ("own_streets", "EWR", "stations", None),
    ],
)
def test_a_load_waits_for_rows_that_are_on_their_way(
    tables: Models, stage: Stage, source: str, tenant: str | None, awaited: str, awaited_tenant: str | None
) -> None:
    """Of the same day, whoever brings them."""
    _delivery(awaited, tenant_id=awaited_tenant, status="checking", landed_at=NOW + dt.timedelta(seconds=1))
    delivery = _delivery(source, tenant_id=tenant)
    stage(str(delivery.pk), [{"code": "A", "street": "Long Street"}])
    with pytest.raises(TooEarlyError, match=f"waits for the {awaited} of 2013-11-01, which is checking"):
        delivery_load(delivery_id=delivery.pk, clock=at(NOW))


def test_loads_of_a_day_hold_those_of_no_tenant(tables: Models, stage: Stage) -> None:
    """For one tenant's batch too: their rows may be that tenant's."""
    _load(stage, _delivery("stations"), [_station("A")])
    (key,) = (str(d.pk) for d in Delivery.objects.all())
    ewr = Tenant.objects.get(pk="EWR")
    for tenant in (None, ewr):
        assert selectors.loads_of_day(source="stations", day=DAY, tenant=tenant) == [(key, 1)]


@pytest.mark.parametrize("source", ["stations", "streets"])
def test_an_empty_file_is_no_load(tables: Models, stage: Stage, database: Database, source: str) -> None:
    """Whatever the checks said of it."""
    delivery = _delivery(source)
    stage(str(delivery.pk), [_station("A") | {"street": "x"}])
    with psycopg.connect(database.url(names.ROLE_STAGER), autocommit=True) as stager:
        stager.execute(f"DELETE FROM staging.{names.staging_table(str(delivery.pk))}")
    delivery_load(delivery_id=delivery.pk, clock=at(NOW))
    delivery.refresh_from_db()
    assert (delivery.status, delivery.reasons) == ("rejected", ["the file has no rows"])


@pytest.mark.parametrize("source", ["stations", "streets"])
def test_rows_that_a_trigger_drops_are_not_loaded(tables: Models, stage: Stage, source: str) -> None:
    """An update that never reached its row is no row that stayed as it was."""
    tables.Station.objects.create(code="A", label="old")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION pg_temp.drop_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER dropping BEFORE UPDATE ON flights_station FOR EACH ROW EXECUTE FUNCTION pg_temp.drop_row()"
        )
    row = _station("A") if source == "stations" else {"code": "A", "street": "Long Street"}
    delivery = _load(stage, _delivery(source), [row])
    assert (delivery.status, delivery.reasons) == (
        "rejected", ["1 row did not reach flights_station: a rule or trigger of the database dropped them"],
    )  # fmt: skip


def test_a_trigger_that_changes_values_is_the_projects_own_business(tables: Models, stage: Stage) -> None:
    """The row was written; what the table makes of it is not the file's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION pg_temp.upper_label() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.label = upper(NEW.label); RETURN NEW; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER uppering BEFORE INSERT OR UPDATE ON flights_station FOR EACH ROW"
            " EXECUTE FUNCTION pg_temp.upper_label()"
        )
    delivery = _load(stage, _delivery("stations"), [_station("A"), _station("B")])
    assert (delivery.status, delivery.rows_changed) == ("loaded", 2)
