"""What may lie in the landing folder beside files, and what becomes of it."""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from django_app.ingest import landing_folder, tasks
from django_app.ingest.models import Delivery, RefusedFile
from django_app.ingest.services import landed_files
from tests.conftest import Database

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

NOW = dt.datetime(2013, 11, 1, 12, tzinfo=dt.UTC)
GOOD = "flight_schedule/EWR/2013-11-01.csv"


def _land(settings: Any, name: str, text: str = "a,b\n1,2\n") -> Path:
    path = Path(settings.HOTCLUB_LANDING) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _find(settings: Any, now: dt.datetime = NOW) -> list[Delivery]:
    return landed_files.landed_files_register(
        landing_root=settings.HOTCLUB_LANDING, archive_root=settings.HOTCLUB_ARCHIVE, now=now
    )


@pytest.mark.parametrize(
    ("name", "reason", "tenant"),
    [
        ("flight_schedule/EWR/2013-11-01.CSV", "ends in .CSV", "EWR"),
        ("flight_schedule/EWR/2013-11-01.csv.gz", "goes on after .csv", "EWR"),
        ("flight_schedule/EWR/2013-12-03 (1).csv", "name it 2013-12-03.csv", "EWR"),
        ("flight_schedule/EWR/2013-11-01 .csv", "name it 2013-11-01.csv", "EWR"),
        ("flight_schedule/EWR/20131101.csv", "not a day", "EWR"),
        ("flight_schedule/EWR/2013-W44-5.csv", "not a day", "EWR"),
        ("flight_schedule/EWR/2013-02-30.csv", "not a day", "EWR"),
        ("flight_schedule/EWR/\uff12\uff10\uff11\uff13-11-01.csv", "not a day", "EWR"),
        ("flight_schedule/EWR/tomorrow.csv", "not a day", "EWR"),
        ("flight_schedule/EWR/2013-11-01.txt", "does not end in .csv", "EWR"),
        ("flight_schedule/EWR/2013-11-01", "does not end in .csv", "EWR"),
        ("flight_schedule/EWR/line\nbreak.csv", "not a day", "EWR"),
        ("flight_schedule/EWR/x.20131101T120000000000Z.taken", "does not end in .csv", "EWR"),
        ("flight_schedule/EWR/2013-11-01.20990101T000000000000Z.ff.taken", "which is yet to come", "EWR"),
        ("flight_schedule/XXX/2013-11-01.csv", "no tenant 'XXX'; there are: EWR, JFK, LGA", None),
        ("flight_schedule/ewr/2013-11-01.csv", "no tenant 'ewr'", None),
        (
            "no_such_source/EWR/2013-11-01.csv",
            "no source 'no_such_source'; there are: flight_outcome, flight_schedule",
            "EWR",
        ),
        ("arrival_delay/EWR/2013-11-01.csv", "no source 'arrival_delay'", "EWR"),
        ("flight_schedule/2013-11-01.csv", "in no tenant's folder", None),
        ("2013-11-01.csv", "in no source's folder", None),
    ],
)
def test_what_is_no_delivery_is_recorded_with_the_reason(
    settings: Any, name: str, reason: str, tenant: str | None
) -> None:
    """It is set aside once, with a record that says why; the file beside it is found all the same."""
    path = _land(settings, name)
    _land(settings, "flight_schedule/EWR/2013-11-09.csv")
    assert [str(d.day) for d in _find(settings)] == ["2013-11-09"]
    assert _find(settings) == []
    refused = RefusedFile.objects.get()
    assert reason in refused.reason
    assert (refused.path, refused.tenant_id, refused.size_bytes) == (f"{name}.refused", tenant, 8)
    assert path.with_name(path.name + landing_folder.REFUSED).exists()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def _dangling(path: Path) -> None:
    path.symlink_to("/nowhere/at/all")


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the address of a socket is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_fifo, "a named pipe"),
        (_link, "a symbolic link"),
        (_dangling, "a symbolic link"),
        (_socket, "a socket"),
    ],
)
def test_only_regular_files_are_opened(settings: Any, make: Callable[[Path], None], reason: str) -> None:
    """A pipe would block for ever, a link would show what it points to; both are recorded, and the others go on."""
    odd = Path(settings.HOTCLUB_LANDING) / "flight_schedule/EWR/2013-10-31.csv"
    odd.parent.mkdir(parents=True)
    make(odd)
    _land(settings, GOOD)
    assert [str(d.day) for d in _find(settings)] == ["2013-11-01"]
    assert reason in RefusedFile.objects.get().reason
    assert not os.path.lexists(odd)
    assert Delivery.objects.count() == 1


def test_a_file_that_becomes_a_pipe_behind_our_back_is_not_waited_for(settings: Any, tmp_path: Path) -> None:
    """Between the look and the opening anybody may put something else there."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(landing_folder.NoRegularFileError):
        landing_folder.archive(tmp_path / "pipe", tmp_path / "archive")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with pytest.raises(OSError, match="symbolic links"):
        landing_folder.archive(tmp_path / "link", tmp_path / "archive")
    assert list((tmp_path / "archive").iterdir()) == []


@pytest.mark.parametrize("place", ["flight_schedule/EWR/2013-11-01.csv", "flight_schedule/EWR/old"])
def test_a_folder_among_the_files_stays_and_is_recorded_once(settings: Any, place: str) -> None:
    """It is a person's; nothing in it is read."""
    _land(settings, f"{place}/2013-11-02.csv")
    for _ in range(2):
        assert _find(settings) == []
    assert (Path(settings.HOTCLUB_LANDING) / place).is_dir()
    assert "a folder" in RefusedFile.objects.get().reason


def test_a_linked_folder_is_not_followed(settings: Any, tmp_path: Path) -> None:
    """What it points to lies outside of the landing folder."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "2013-11-01.csv").write_text("secret\n")
    linked = Path(settings.HOTCLUB_LANDING) / "flight_schedule" / "EWR"
    linked.parent.mkdir(parents=True)
    linked.symlink_to(tmp_path / "elsewhere")
    assert _find(settings) == []
    assert "a symbolic link" in RefusedFile.objects.get().reason
    assert (tmp_path / "elsewhere" / "2013-11-01.csv").exists()


def test_a_name_that_is_no_text_is_recorded_readably(settings: Any) -> None:
    """File names are bytes; a database takes text."""
    folder = Path(settings.HOTCLUB_LANDING) / "flight_schedule" / "EWR"
    folder.mkdir(parents=True)
    (Path(os.fsdecode(os.fsencode(folder) + b"/M\xfcnchen.csv"))).write_text("x\n")
    assert _find(settings) == []
    assert RefusedFile.objects.get().path == "flight_schedule/EWR/M\\xfcnchen.csv.refused"


@pytest.mark.parametrize("name", [b"\xd0" * 100, b"\xff" * 200])
def test_a_long_folder_name_that_is_no_text_stops_nobody(settings: Any, name: bytes) -> None:
    """Each of its bytes takes four characters in words; the others' files are found all the same."""
    folder = Path(os.fsdecode(os.fsencode(settings.HOTCLUB_LANDING) + b"/" + name)) / "EWR" / "old"
    folder.mkdir(parents=True)
    _land(settings, GOOD)
    assert [str(d.day) for d in _find(settings)] == ["2013-11-01"]
    assert len(RefusedFile.objects.get().source) <= 255


def test_a_crash_before_a_refusal_is_on_record_leaves_the_file(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renamed first, it would be out of every later scan, and on no record."""
    bad = _land(settings, "flight_schedule/EWR/tomorrow.csv")
    _land(settings, GOOD.replace("EWR", "JFK"))
    with monkeypatch.context() as broken:
        broken.setattr(landed_files, "delivery_register", lambda **_: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError), transaction.atomic():
            _find(settings)
    assert bad.exists()
    assert not RefusedFile.objects.exists()
    assert len(_find(settings)) == 1
    assert RefusedFile.objects.get().path == "flight_schedule/EWR/tomorrow.csv.refused"


def test_a_file_whose_delivery_is_being_loaded_waits_for_the_next_scan(
    settings: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The load holds the delivery's row, perhaps for long: no other tenant's file waits for it."""
    _land(settings, GOOD)
    (loading,) = _find(settings)
    _land(settings, GOOD)
    _land(settings, GOOD.replace("EWR", "JFK"))
    manager = Delivery.objects
    lock = manager.select_for_update

    def held(**options: Any) -> Any:
        assert options == {"skip_locked": True}, "it would wait"
        return lock(**options).exclude(pk=loading.pk)

    with monkeypatch.context() as busy:
        busy.setattr(manager, "select_for_update", held)
        assert [d.tenant_id for d in _find(settings)] == ["JFK"]
    later = NOW + dt.timedelta(minutes=1)
    assert [d.pk for d in _find(settings, later)] == [loading.pk]
    assert not RefusedFile.objects.exists()


@pytest.mark.parametrize("name", ["2013-11-01.csv.part", "2013-11-01.part", "2013-11-01.csv.filepart"])
def test_a_half_written_file_is_left_alone_and_told_of_when_nobody_goes_on(settings: Any, name: str) -> None:
    """A fresh one is somebody's work; after an hour it is recorded, and still left where it is found again."""
    path = _land(settings, f"flight_schedule/EWR/{name}")
    written = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    assert _find(settings, written + landing_folder.STALE_AFTER - dt.timedelta(seconds=1)) == []
    assert path.exists()
    assert not RefusedFile.objects.exists()
    assert _find(settings, written + landing_folder.STALE_AFTER) == []
    assert "being written" in RefusedFile.objects.get().reason


@pytest.mark.parametrize("name", [".DS_Store", ".2013-11-01.csv.swp", ".gitkeep"])
def test_hidden_files_are_nobodys_delivery(settings: Any, name: str) -> None:
    """Tools leave them; they are neither read nor recorded."""
    path = _land(settings, f"flight_schedule/EWR/{name}")
    assert _find(settings) == []
    assert path.exists()
    assert not RefusedFile.objects.exists()


def test_taken_files_come_first_and_the_oldest_of_a_day_before_its_correction(settings: Any) -> None:
    """After a crash the order in which files landed still decides which one corrects which."""
    folder = "flight_schedule/EWR/2013-11-01"
    _land(settings, f"{folder}.csv")
    _land(settings, f"{folder}.20131101T120500000000Z.aa.taken", "a,b\n1,3\n")
    _land(settings, f"{folder}.20131101T120000000000Z.ff.taken", "a,b\n1,4\n")
    names = [f.path.name for f in landing_folder.scan(Path(settings.HOTCLUB_LANDING), NOW)]
    assert names == [
        "2013-11-01.20131101T120000000000Z.ff.taken",
        "2013-11-01.20131101T120500000000Z.aa.taken",
        "2013-11-01.csv",
    ]


def test_a_file_that_cannot_be_read_is_recorded_and_tried_again(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays, the others go on, and the record says what the system said."""
    _land(settings, "flight_schedule/EWR/2013-10-31.csv")
    _land(settings, GOOD)
    take = landing_folder.take

    def failing(file: landing_folder.LandedFile, now: dt.datetime) -> landing_folder.LandedFile:
        if "10-31" in file.path.name:
            raise PermissionError(13, "Permission denied")
        return take(file, now)

    with monkeypatch.context() as denied:
        denied.setattr(landing_folder, "take", failing)
        for count in (1, 0):
            assert len(_find(settings)) == count
    assert "Permission denied" in RefusedFile.objects.get().reason
    assert [str(d.day) for d in _find(settings)] == ["2013-10-31"]


def test_a_landing_folder_that_is_a_file_ends_the_task_in_words(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The setting is wrong: logged once a run, without a traceback."""
    settings.HOTCLUB_LANDING.write_text("no folder")
    tasks.landed_files_register()
    assert "the landing folder cannot be read" in caplog.text


def test_refused_files_are_a_tenants_own(settings: Any, api: Callable[[str], Any]) -> None:
    """An owner sees those of the tenant's folder; what names no tenant is for those who see all."""
    _land(settings, "flight_schedule/EWR/tomorrow.csv")
    _land(settings, "flight_schedule/JFK/tomorrow.csv")
    _land(settings, "2013-11-01.csv")
    _find(settings)

    def paths(who: str) -> set[str]:
        return {row["path"] for row in api(who).get("/api/v1/refused-files/").json()["results"]}

    assert paths("owner") == {"flight_schedule/EWR/tomorrow.csv.refused"}
    assert len(paths("service")) == 3
    theirs = RefusedFile.objects.get(tenant="JFK")
    assert api("owner").get(f"/api/v1/refused-files/{theirs.pk}/").status_code == 404
