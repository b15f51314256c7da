"""The landing folder: ``<source>/<tenant>/<YYYY-MM-DD>.csv``, and the archive of accepted files."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Appended to a file that no source or tenant is known for, so that it is told of once and not every 5 s.
REFUSED = ".refused"


@dataclass(frozen=True, slots=True)
class Landed:
    """A file by what its place says of it; `day` is None where its name is not a date."""

    path: Path
    source: str
    tenant: str
    day: dt.date | None


def scan(landing: Path) -> Iterator[Landed]:
    """Yield the files that have landed, in the order of their paths. Half-written ``.part`` files are not."""
    for path in sorted(landing.glob("*/*/*.csv")):
        if path.is_file():
            yield Landed(path, path.parent.parent.name, path.parent.name, _day(path.stem))


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

    The landed file stays: it goes once its delivery is committed, so that a crash in between loses nothing.
    """
    archive_root.mkdir(parents=True, exist_ok=True)
    target = (archive_root / f"{digest}.csv").absolute()
    if not target.exists():
        # The name of the process keeps two of them apart; the rename is all or nothing.
        partial = target.with_suffix(f".{os.getpid()}.part")
        shutil.copyfile(path, partial)
        partial.replace(target)
    return target
