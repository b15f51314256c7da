"""Rows of another day than the delivered one: no day's batch has them with this delivery, and the delivery says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from django_app.contracts.compilation.source_compiler import compile_source
from django_app.ingest.models import Delivery
from django_app.ingest.services.loading import delivery_load
from hotclub import contract_files
from hotclub.declarations import Source
from tests import factories
from tests.django_app import strangers
from tests.django_app.declaration_tables import tables_restored
from tests.django_app.ingest.test_loading import NOW, Stage, _delivery, at

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

Models = SimpleNamespace
Deliver = Callable[..., Delivery]


@pytest.fixture(name="m", scope="module")
def _models() -> Iterator[Models]:
    with strangers.registered() as made:
        yield made


@pytest.fixture
def contracts(m: Models, settings: Any, tmp_path: Path) -> Path:
    """Temporary tables with ten stations, and the folder that Django reads contracts from."""
    strangers.create_tables(m.Region, m.Station, m.Child, m.Reading)
    m.Station.objects.bulk_create(m.Station(code=f"S{n}", label=f"station {n}") for n in range(1, 11))
    settings.HOTCLUB_CONTRACTS = [tmp_path / "contracts"]
    return tmp_path / "contracts"


@pytest.fixture
def scored_by(contracts: Path, m: Models) -> Callable[..., None]:
    """Write the contract of a model that scores the loads of `readings`."""

    def write(
        event_time: str | None, name: str = "frost", model: str = "flights.Reading", **policy: Any
    ) -> None:
        changes = {"django_model": model, "event_time": event_time, "score_on": "readings"} | policy
        contract_files.write(factories.make_contract(name, **changes), contracts)

    return write


@pytest.fixture
def deliver(contracts: Path, m: Models, stage: Stage) -> Deliver:
    """Load rows of a source for 2013-11-01, whose days are New York's."""

    def run(rows: list[dict[str, Any]], digest: str = "1", **declared: Any) -> Delivery:
        body = {
            "model": m.Reading, "natural_key": ("id",), "timezone": "America/New_York",
            "columns": {"id": "id", "station": "station", "day": "day", "taken": "taken_at"},
        } | declared  # fmt: skip
        with tables_restored():
            cls = type(
                "Readings", (Source,), {"__module__": "django_app.flights.ml", "name": "readings"} | body
            )
            made = compile_source(cls, version=1, policy_revision=1)
        contract_files.write(made, contracts)
        delivery = _delivery("readings", digest, tenant_id=None)
        stage(str(delivery.pk), rows)
        delivery_load(delivery_id=delivery.pk, clock=at(NOW))
        delivery.refresh_from_db()
        return delivery

    return run


def uid(number: int) -> str:
    """Return a UUID."""
    return f"00000000-0000-0000-0000-{number:012d}"


def reading(number: int, taken: str | None, day: str = "2013-11-01") -> dict[str, Any]:
    """Return a row of a file."""
    return {"id": uid(number), "station": number, "day": day, "taken": taken}


#: 23:59 and 00:00 in New York, as UTC.
LAST, NEXT = "2013-11-02 03:59Z", "2013-11-02 04:00Z"


def test_rows_of_another_day_are_a_warning_with_lines(deliver: Deliver, scored_by: Any) -> None:
    """By the source's own zone, exactly counted; the file is loaded."""
    scored_by("taken_at")
    rows = [reading(1, LAST), reading(2, NEXT), reading(3, "2035-01-01 12:00")]
    delivery = deliver(rows)
    assert (delivery.status, delivery.rows_loaded) == ("loaded", 3)
    (warning,) = delivery.warnings
    assert warning == (
        "taken: 2 of 3 rows do not lie on 2013-11-01, the day that is delivered, so that frost scores none of them with it: "
        "line 2 (2013-11-02 00:00:00-04), line 3 (2035-01-01 12:00:00-05)"
    )


def test_a_file_of_another_day_altogether_says_all_of_it(deliver: Deliver, scored_by: Any) -> None:
    """Its batch would be green and empty. Few rows are shown, and that there are more."""
    scored_by("day")
    (warning,) = deliver([reading(n, None, "2013-10-30") for n in range(1, 11)]).warnings
    assert warning.startswith("day: 10 of 10 rows do not lie on 2013-11-01")
    assert warning.endswith("line 5 (2013-10-30), …")


def test_rows_of_the_day_are_not_mentioned(deliver: Deliver, scored_by: Any) -> None:
    """Neither where another column has another day."""
    scored_by("taken_at")
    assert deliver([reading(1, LAST, "2013-10-01")]).warnings == []


def test_each_time_that_a_model_scores_by_is_compared(deliver: Deliver, scored_by: Any) -> None:
    """Models of one time share a warning; a time that is empty is of no day."""
    scored_by("taken_at")
    scored_by("taken_at", "storm")
    scored_by("day", "rain")
    first, second = sorted(deliver([reading(1, None), reading(2, NEXT, "2013-11-02")]).warnings)
    assert first.startswith("day: 1 of 2 rows")
    assert "so that rain scores none" in first
    assert second.startswith("taken: 2 of 2 rows")
    assert "so that frost and storm score none" in second
    assert "line 1 (no time)" in second


@pytest.mark.parametrize(
    ("event_time", "changes"),
    [
        ("taken_at", {"score_on": "others"}),
        ("taken_at", {"score_on": None}),
        ("taken_at", {"model": "flights.Station"}),
        ("taken_at", {"model": "flights.Gone"}),
        (None, {}),
        ("annotated", {}),
    ],
)
def test_without_a_models_time_no_day_is_wrong(
    deliver: Deliver, scored_by: Any, event_time: str | None, changes: dict[str, Any]
) -> None:
    """Where no model scores the source's rows by their time, nothing says which time is the day's."""
    scored_by(event_time, **changes)
    assert deliver([reading(1, NEXT)]).warnings == []


def test_a_time_that_the_file_lacks_counts_too(m: Models, deliver: Deliver, scored_by: Any) -> None:
    """A file that only updates has rows whose time another source loaded; and the time may be another table's."""
    scored_by("station__opened")
    m.Station.objects.filter(pk=1).update(opened="2013-10-30")
    m.Reading.objects.create(id=uid(1), day="2013-11-01", station_id=1)
    (warning,) = deliver([{"id": uid(1), "note": "x"}], columns={"id": "id", "note": "note"}).warnings
    assert warning.startswith("station__opened: 1 of 1 rows do not lie")


def test_rows_of_a_parents_table_are_the_childs(m: Models, deliver: Deliver, scored_by: Any) -> None:
    """A model of the child is scored by the parent's time, whichever of the two tables is loaded."""
    m.Child.objects.create(code="Fern", label="Far", opened="2013-10-30")
    scored_by("opened", model="flights.Child")
    parent = {"model": m.Station, "natural_key": ("code",), "columns": {"code": "code", "label": "label"}}
    (warning,) = deliver([{"code": "Fern", "label": "Far"}, {"code": "x", "label": "y"}], **parent).warnings
    assert warning.startswith("opened: 1 of 2 rows do not lie on 2013-11-01")


def test_a_day_of_the_key_is_the_checks_to_refuse(deliver: Deliver, scored_by: Any) -> None:
    """They compare it before the load, so nothing is said twice."""
    scored_by("day")
    declared = {
        "natural_key": ("station", "day"),
        "columns": {"station": "station", "day": "day", "uid": "uid"},
    }
    row = {"station": 1, "day": "2013-10-30", "uid": uid(1)}
    assert deliver([row], **declared).warnings == []


def test_an_empty_day_of_the_key_is_of_no_day(
    m: Models, deliver: Deliver, scored_by: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks pass over it, because the field may be empty."""
    monkeypatch.setattr(m.Station._meta, "managed", False)
    for number in range(1, 11):
        m.Station.objects.filter(pk=number).update(opened=f"2000-01-{number:02}")
    scored_by("opened", model="flights.Station")
    columns = {"opened": "opened", "code": "code", "label": "label"}
    rows = [{"opened": None, "code": "x", "label": "y"}]
    (warning,) = deliver(rows, model=m.Station, natural_key=("opened",), columns=columns).warnings
    assert "line 1 (no time)" in warning


def test_loaded_again_it_is_said_once(deliver: Deliver, scored_by: Any) -> None:
    """A delivery is loaded again when rows that it missed may be there."""
    scored_by("taken_at")
    delivery = deliver([reading(1, NEXT)])
    Delivery.objects.update(status="loading")
    delivery_load(delivery_id=delivery.pk, clock=at(NOW))
    delivery.refresh_from_db()
    assert (delivery.loads, len(delivery.warnings)) == (2, 1)
