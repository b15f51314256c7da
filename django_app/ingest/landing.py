"""The landing folder: ``<source>/<tenant>/<YYYY-MM-DD>.csv``, and the archive of accepted files."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

#: Appended to a file that no source or tenant is known for, so that it is told of once and not every 5 s.
REFUSED = ".refused"
#: Ends the name of a file that was taken: ``2013-11-01.20131101T120000000000Z.<hex>.taken``.
TAKEN = ".taken"
_STAMP = "%Y%m%dT%H%M%S%fZ"


@dataclass(frozen=True, slots=True)
class Landed:
    """A file by what its place says of it.

    Attributes:
        day: None where its name is not a date.
        landed_at: when it was taken; None until then.
    """

    path: Path
    source: str
    tenant: str
    day: dt.date | None
    landed_at: dt.datetime | None = None


def scan(landing: Path) -> Iterator[Landed]:
    """Yield the files that have landed, in the order of their paths. Half-written ``.part`` files are not.

    First come files that an earlier scan took and did not get to register, the oldest of a day first.
    """
    for path in [*sorted(landing.glob(f"*/*/*{TAKEN}")), *sorted(landing.glob("*/*/*.csv"))]:
        day, *rest = path.name.split(".")
        landed_at = _stamp(rest[0]) if path.suffix == TAKEN else None
        name = path.stem if landed_at is None else day
        yield Landed(path, path.parent.parent.name, path.parent.name, _day(name), landed_at)


def take(file: Landed, now: dt.datetime) -> Landed:
    """Give a landed file a name that nobody else writes to, in its folder, and return it under that name.

    From here on a correction that lands under the old name is a file of its own. The rename is atomic,
    and source, tenant and day can still be told from the new place.

    Raises:
        OSError: it has gone, is no file, or cannot be renamed.
    """
    if file.landed_at is not None:
        return file
    if file.path.is_dir():
        raise IsADirectoryError(f"{file.path} is a folder")
    stamp = now.astimezone(dt.UTC).strftime(_STAMP)
    path = file.path.with_name(f"{file.path.stem}.{stamp}.{uuid.uuid4().hex}{TAKEN}")
    return replace(file, path=file.path.rename(path), landed_at=now)


def _stamp(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.strptime(text, _STAMP).replace(tzinfo=dt.UTC)
    except ValueError:
        return None


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def sha256(path: Path) -> str:
    """Return the hash of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def archive(path: Path, archive_root: Path, digest: str) -> Path:
    """Put a copy of the file into the archive under its digest and return where.

    The taken file stays: it goes once its delivery is committed, so that a crash in between loses nothing.
    """
    archive_root.mkdir(parents=True, exist_ok=True)
    target = (archive_root / f"{digest}.csv").absolute()
    if not target.exists():
        # The name of the process keeps two of them apart; the rename is all or nothing.
        partial = target.with_suffix(f".{os.getpid()}.part")
        shutil.copyfile(path, partial)
        partial.replace(target)
    return target
