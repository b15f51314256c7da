"""The landing folder: ``<source>/<tenant>/<YYYY-MM-DD>.csv``, and the archive of accepted files.

Where a source has no tenants, its files land in its own folder: ``<source>/<YYYY-MM-DD>.csv``.

Everyone with write access may put anything there: pipes, links, devices, folders. Only regular files are opened, and
nothing is opened in a way that waits or follows a link.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import stat
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from hotclub import days

#: Appended to what is refused, so that it is recorded once and not at every scan.
REFUSED = ".refused"
#: Ends the name of a file that was taken: ``2013-11-01.20131101T120000000000Z.<hex>.taken``.
TAKEN = ".taken"
#: Names of files that somebody is still writing: left alone.
_HALF_WRITTEN = (".part", ".tmp", ".filepart", ".crdownload", "~")
#: A half-written file that was not written to for so long is reported.
STALE_AFTER = dt.timedelta(hours=1)
_STAMP = "%Y%m%dT%H%M%S%fZ"
_SUFFIX = ".csv"
_BLOCK = 1 << 20
#: How deep the folders of a file may lie: source, tenant.
_DEPTH = 2
_NO_FOLDER = (
    "it lies in no source's folder; files land as <source>/<tenant>/<YYYY-MM-DD>.csv, or as <source>/<YYYY-MM-DD>.csv where "
    "the source has no tenants"
)
_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder"),
)


class NoRegularFileError(OSError):
    """What was opened is no regular file."""


@dataclass(frozen=True, slots=True)
class LandedFile:
    """Something in the landing folder, by what its place says of it.

    Attributes:
        path: where it is.
        folders: the names of the folders above it, below the landing folder: source and tenant, or fewer or more.
        day: None where its name is not a date.
        problem: why it cannot be a delivery, with any sources and tenants; None when nothing is known
            against it.
        name_problem: why its name is not that of a delivery; None when it is.
        size: in bytes; None where it is no regular file.
        is_folder: it is left where it is.
        landed_at: when it was taken; None until then.
    """

    path: Path
    folders: tuple[str, ...]
    day: dt.date | None = None
    problem: str | None = None
    name_problem: str | None = None
    size: int | None = None
    is_folder: bool = False
    landed_at: dt.datetime | None = None

    @property
    def source(self) -> str:
        """The source's folder, empty where there is none."""
        return self.folders[0] if self.folders else ""

    @property
    def tenant(self) -> str:
        """The tenant's folder, empty where there is none."""
        return self.folders[1] if len(self.folders) > 1 else ""


def scan(landing: Path, now: dt.datetime) -> Iterator[LandedFile]:
    """Yield what has landed: first files that an earlier scan took and did not get to register, then by path.

    Hidden files, refused ones and half-written ones that are fresh are not among them. Of taken files of a day the
    oldest comes first.
    """
    landing.mkdir(parents=True, exist_ok=True)
    found = sorted(_walk(landing, (), now), key=lambda f: (f.landed_at is None, f.path))
    yield from found


def _walk(folder: Path, folders: tuple[str, ...], now: dt.datetime) -> Iterator[LandedFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith(REFUSED):
                continue
            path = Path(entry.path)
            try:
                status = path.lstat()
            except OSError:
                continue  # it went away in between
            if stat.S_ISDIR(status.st_mode) and len(folders) < _DEPTH:
                yield from _walk_below(path, (*folders, entry.name), now)
            else:
                landed = _landed(path, folders, status, now)
                if landed is not None:
                    yield landed


def _walk_below(path: Path, folders: tuple[str, ...], now: dt.datetime) -> Iterator[LandedFile]:
    try:
        yield from _walk(path, folders, now)
    except OSError as error:
        problem = f"the folder cannot be read: {error.strerror}"
        yield LandedFile(path, folders[:-1], problem=problem, is_folder=True)


def _landed(
    path: Path, folders: tuple[str, ...], status: os.stat_result, now: dt.datetime
) -> LandedFile | None:
    """Return what an entry is; None for a half-written file that somebody may still write."""
    kind = next((word for test, word in _KINDS if test(status.st_mode)), None)
    if kind is not None:
        problem = f"it is {kind}; only regular files are read"
        return LandedFile(path, folders, problem=problem, is_folder=stat.S_ISDIR(status.st_mode))
    if path.name.endswith(_HALF_WRITTEN):
        age = now - dt.datetime.fromtimestamp(status.st_mtime, dt.UTC)
        if age < STALE_AFTER:
            return None
        problem = (
            f"its name says that it is being written, and it was not written to since"
            f" {now - age:%Y-%m-%d %H:%M} UTC; rename it once it is whole"
        )
        return LandedFile(path, folders, problem=problem, size=status.st_size)
    day, *rest = path.name.split(".")
    landed_at = _stamp(rest[0]) if path.suffix == TAKEN and rest else None
    if landed_at is not None and landed_at > now:
        # Nobody takes a file in the future; it would count as the last word about its day for ever.
        problem = f"its name says that it was taken at {landed_at:%Y-%m-%d %H:%M} UTC, which is yet to come"
        return LandedFile(path, folders, problem=problem, size=status.st_size)
    if landed_at is not None and days.parse_day(day) is not None:
        return LandedFile(path, folders, days.parse_day(day), size=status.st_size, landed_at=landed_at)
    return LandedFile(
        path,
        folders,
        days.parse_day(path.name.removesuffix(_SUFFIX)),
        None if folders else _NO_FOLDER,
        _name_problem(path.name),
        status.st_size,
    )


def _name_problem(name: str) -> str | None:
    """Return why a name cannot be that of a delivery, with what would be right."""
    if name.endswith(_SUFFIX):
        stem = name.removesuffix(_SUFFIX)
        if days.parse_day(stem) is not None:
            return None
        near = re.search(r"\d{4}-\d{2}-\d{2}", name, re.ASCII)
        if near and days.parse_day(near[0]):
            return f"its name is {name!r}, which is more than a day; name it {near[0]}{_SUFFIX}"
        return f"its name is not a day, such as 2013-11-01{_SUFFIX}"
    if name.lower().endswith(_SUFFIX):
        return f"its name ends in {name[-len(_SUFFIX) :]}; name it in lower case, such as 2013-11-01{_SUFFIX}"
    if _SUFFIX in name.lower():
        return f"its name goes on after {_SUFFIX}; unpack it and name it such as 2013-11-01{_SUFFIX}"
    return f"its name does not end in {_SUFFIX}; name it such as 2013-11-01{_SUFFIX}"


def take(file: LandedFile, now: dt.datetime) -> LandedFile:
    """Give a landed file a name that nobody else writes to, in its folder, and return it under that name.

    From here on a correction that lands under the old name is a file of its own. The rename is atomic,
    and source, tenant and day can still be read from the new path.

    Raises:
        OSError: it has gone, or cannot be renamed.
    """
    if file.landed_at is not None:
        return file
    stamp = now.astimezone(dt.UTC).strftime(_STAMP)
    path = file.path.with_name(f"{file.path.stem}.{stamp}.{uuid.uuid4().hex}{TAKEN}")
    return replace(file, path=file.path.rename(path), landed_at=now)


def refused_name(path: Path) -> Path:
    """Return the name that keeps what is refused out of the next scan. A person gives the old one back."""
    target = path.with_name(path.name + REFUSED)
    if os.path.lexists(target):
        target = path.with_name(f"{path.name}.{uuid.uuid4().hex}{REFUSED}")
    return target


def shown(path: Path, landing: Path) -> str:
    """Return a path below the landing folder as text that a database takes."""
    return readable(str(path.relative_to(landing)))


def readable(name: str) -> str:
    """Return a file's name, which is bytes to the system, as text that a database takes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _stamp(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.strptime(text, _STAMP).replace(tzinfo=dt.UTC)
    except ValueError:
        return None


def _open(path: Path) -> IO[bytes]:
    """Open a regular file without waiting for it and without following a link.

    Raises:
        NoRegularFileError: it is something else, or a link.
        OSError: it has gone, or may not be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NoRegularFileError(f"{path} is no regular file")
    return os.fdopen(descriptor, "rb")


def archive(path: Path, archive_root: Path) -> tuple[str, int, Path]:
    """Put a copy of the file into the archive under its digest; return digest, size in bytes, and where.

    The taken file stays: it goes once its delivery is committed, so that a crash in between loses nothing.

    Raises:
        OSError: it has gone, may not be read, or is no regular file.
    """
    archive_root.mkdir(parents=True, exist_ok=True)
    hashed, size = hashlib.sha256(), 0
    # The name of the process keeps two of them apart; the rename is all or nothing.
    partial = (archive_root / f".{uuid.uuid4().hex}.{os.getpid()}.part").absolute()
    try:
        with _open(path) as file, partial.open("wb") as copy:
            while block := file.read(_BLOCK):
                hashed.update(block)
                size += len(block)
                copy.write(block)
            # The landing file goes once the delivery is committed: by then the copy is on disk.
            copy.flush()
            os.fsync(copy.fileno())
        digest = hashed.hexdigest()
        target = (archive_root / f"{digest}.csv").absolute()
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return digest, size, target
