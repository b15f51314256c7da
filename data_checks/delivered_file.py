"""A delivered file, read as CSV: rows with the line they begin on, or why it is none, in its owner's words.

Accepted in addition to plain CSV in UTF-8: a byte order mark, any line ends, blank lines, a Ctrl-Z at the end, a first line
``sep=,`` and a column without name or value at the end (a comma too many on every line).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from data_checks import message_text

_CHUNK: Final = 1 << 20
#: No line and no value is longer: past this a quote is missing, or it is no text file.
_MAX_LENGTH: Final = 16 << 20
_BOM: Final = b"\xef\xbb\xbf"
_CTRL_Z: Final = b"\x1a"
_TAIL: Final = 4096
_SEPARATORS: Final = {";": "; (semicolons)", "\t": "tabs", "|": "| (vertical bars)"}
#: What begins a message of these reasons.
_ROOM: Final = len("the file cannot be read as a CSV table: ")
#: What is a number, a date, a moment or a UUID, and hardly the name of a column.
_VALUE: Final = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|\d{4}-\d{2}-\d{2}([ T].*)?|\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?"
)
#: A value may go over some lines; one that goes over more looks like a quote that is never closed.
_SUSPICIOUS_LINES: Final = 100

#: What a file begins with that is no text, and how its owner calls it.
_MAGIC: Final = (
    (b"\x1f\x8b", "it is compressed with gzip; unpack it first"),
    (b"BZh", "it is compressed with bzip2; unpack it first"),
    (b"\xfd7zXZ\0", "it is compressed with xz; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7z archive; unpack it first"),
    (b"PK\x05\x06", "it is an empty zip archive"),
    (b"\xd0\xcf\x11\xe0", "it is an old Excel file (.xls); save it as CSV UTF-8"),
    (b"PAR1", "it is a Parquet file; save it as CSV in UTF-8"),
    (b"%PDF", "it is a PDF; save the table as CSV in UTF-8"),
    (b"\xff\xfe\0\0", "it looks like UTF-32; save it as UTF-8"),
    (b"\0\0\xfe\xff", "it looks like UTF-32; save it as UTF-8"),
    (b"\xff\xfe", "it looks like UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "it looks like UTF-16; save it as UTF-8"),
)
#: The same of a first line in which no column's name is found.
_OTHER_TEXT: Final = (
    ("<", "it looks like a web page or XML; save the table as CSV in UTF-8"),
    ("{", "it looks like JSON; save it as CSV in UTF-8"),
    ("[", "it looks like JSON; save it as CSV in UTF-8"),
)


class NotATableError(Exception):
    """Why a file cannot become a table, in one short sentence."""


@dataclass(slots=True)
class DeliveredFile:
    """A file that is being read; make it with `opened`.

    Attributes:
        header: the names of the columns, in the file's order.
        long_rows: first and last line of rows that go over suspiciously many lines, filled by `rows`.
    """

    _reader: Iterator[list[str]]
    _lines: _Lines
    header: list[str] = field(default_factory=list)
    _unnamed: int = 0
    long_rows: list[tuple[int, int]] = field(default_factory=list)

    def rows(self) -> Iterator[list[str]]:
        """Yield each row: the number of the line that it begins on, then its values in the header's order.

        Raises:
            NotATableError: a line cannot be a row; with its number.
        """
        named = len(self.header)
        width = named + self._unnamed
        while True:
            before = self._lines.number
            row = _next(self._reader, self._lines)
            if row is None:
                return
            if not row or (len(row) == 1 and not row[0].strip() and width > 1):
                continue
            last = self._lines.number
            if last - before > _SUSPICIOUS_LINES:
                self.long_rows.append((before + 1, last))
            if len(row) != width:
                raise NotATableError(_wrong_width(row, width, before + 1, last))
            if self._unnamed and any(value.strip() for value in row[named:]):
                found = next(value for value in row[named:] if value.strip())
                raise NotATableError(
                    f"line {before + 1:,} has {message_text.quoted(found)} in a column without a name"
                )
            yield [str(before + 1), *row[:named]]


def opened(file: BinaryIO, wanted: Sequence[str]) -> DeliveredFile:
    """Read a file's header.

    Args:
        file: at its beginning.
        wanted: the names that the header should have; with them the error says which other separator was used.

    Raises:
        NotATableError: it is no CSV with a header.
    """
    start = file.read(_TAIL)
    _refuse_other_formats(start)
    file.seek(len(_BOM) if start.startswith(_BOM) else 0)
    lines = _Lines(file, _content_end(file))
    # The limit is the process's own; here it is this file's.
    csv.field_size_limit(_MAX_LENGTH)
    reader = csv.reader(lines, strict=True)
    delivered = DeliveredFile(reader, lines)
    names = _header(reader, lines, wanted)
    _refuse_data(names, lines.number, wanted)
    while names and not names[-1].strip():
        names.pop()
        delivered._unnamed += 1
    for position, name in enumerate(names, start=1):
        if not name.strip():
            raise NotATableError(f"column {position} of the header has no name")
    twice = (
        next((name for name in names if names.count(name) > 1), None)
        if len(set(names)) < len(names)
        else None
    )
    if twice is not None:
        raise NotATableError(f"the header names the column {message_text.quoted(twice)} twice")
    delivered.header = names
    return delivered


def _header(reader: Iterator[list[str]], lines: _Lines, wanted: Sequence[str]) -> list[str]:
    while (row := _next(reader, lines)) is not None:
        if row == ["sep=", ""] or not any(name.strip() for name in row):
            continue
        if row[0].lower().startswith("sep="):
            line = message_text.quoted(lines.last.strip())
            raise NotATableError(f"its first line is {line}; columns must be separated by a comma")
        _refuse_other_texts(lines.last, row, wanted)
        return row
    raise NotATableError("it is empty: there is no header line")


def _refuse_data(names: list[str], line: int, wanted: Sequence[str]) -> None:
    """Refuse a first line that holds values: what is said of its "names" would not tell what is missing."""
    known = {message_text.fold(name) for name in wanted}
    values = [name for name in names if _VALUE.fullmatch(name.strip())]
    if any(message_text.fold(name) in known for name in names) or not values:
        return
    if any(_VALUE.fullmatch(name.strip()) for name in wanted):
        return  # its names look like values as well
    listed = message_text.listed(wanted, message_text.name)
    raise NotATableError(
        message_text.cut(
            f"line {line:,} looks like data, not like the header: {message_text.quoted(values[0])} is no column's name; the first "
            f"line must hold the names: {listed}",
            message_text.MAX_TEXT - _ROOM,
        )
    )


def _refuse_other_texts(line: str, names: list[str], wanted: Sequence[str]) -> None:
    known = {message_text.fold(name) for name in wanted}

    def hits(found: Sequence[str]) -> int:
        return len({message_text.fold(name.strip(' "\r\n')) for name in found} & known)

    here = hits(names)
    if not here and any(character < " " and character not in "\t\r\n" for character in line):
        raise NotATableError("its first line holds control characters: it is no text file")
    for separator, called in _SEPARATORS.items():
        split = line.split(separator)
        if len(split) > 1 and (hits(split) > here or (not here and len(names) == 1)):
            raise NotATableError(f"its columns are separated by {called}; they must be separated by a comma")
    for start, reason in _OTHER_TEXT:
        if not here and line.startswith(start):
            raise NotATableError(reason)


def _refuse_other_formats(start: bytes) -> None:
    if not start:
        raise NotATableError("it is empty: there is no header line")
    if start.startswith(b"PK\x03\x04"):
        excel = b"xl/" in start or b"[Content_Types].xml" in start
        kind = (
            "an Excel workbook (.xlsx); save it as CSV UTF-8" if excel else "a zip archive; unpack it first"
        )
        raise NotATableError(f"it is {kind}")
    for magic, reason in _MAGIC:
        if start.removeprefix(_BOM).startswith(magic):
            raise NotATableError(reason)
    pairs = max(len(start) // 2, 1)
    if max(start[::2].count(0), start[1::2].count(0)) > 0.4 * pairs:
        raise NotATableError("it looks like UTF-16; save it as UTF-8")


def _content_end(file: BinaryIO) -> int:
    """Return where the content ends: a Ctrl-Z at the end, as DOS wrote it, is none of it."""
    here = file.tell()
    size = file.seek(0, 2)
    begin = file.seek(max(here, size - _TAIL))
    tail = file.read().rstrip(b"\r\n")
    file.seek(here)
    if not tail.endswith(_CTRL_Z):
        return size
    return begin + len(tail.rstrip(_CTRL_Z))


class _Lines:
    """The lines of a file as text, counted: by line feed, carriage return or both, as editors do."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file = file
        self._end = end
        self.number = 0
        self.last = ""
        self._texts = self._read()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.last = next(self._texts)
        return self.last

    def _read(self) -> Iterator[str]:
        for line in self._split():
            self.number += 1
            if b"\0" in line:
                raise NotATableError(
                    f"line {self.number:,} holds a NUL byte (a character of code 0): it is no text file"
                )
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise NotATableError(_not_utf8(line, error.start, self.number)) from error
            yield text

    def _split(self) -> Iterator[bytes]:
        rest = b""
        left = self._end - self._file.tell()
        while left > 0 and (chunk := self._file.read(min(_CHUNK, left))):
            left -= len(chunk)
            # A carriage return at the end of a chunk may be half of a line end.
            lines = (rest + chunk).splitlines(keepends=True)
            rest = lines.pop()
            yield from lines
            if len(rest) > _MAX_LENGTH:
                raise NotATableError(
                    f"line {self.number + 1:,} is longer than {_MAX_LENGTH >> 20} MB: it is no text file"
                )
        if rest:
            yield rest


def _next(reader: Iterator[list[str]], lines: _Lines) -> list[str] | None:
    before = lines.number + 1
    try:
        return next(reader, None)
    except csv.Error as error:
        raise NotATableError(_no_csv(str(error), before, lines.number)) from error


def _no_csv(error: str, first: int, last: int) -> str:
    if "unexpected end of data" in error:
        return f'line {first:,}: a quote (") opens a value and is never closed'
    if "field larger" in error:
        return f'line {first:,}: a value is longer than {_MAX_LENGTH >> 20} MB; is a quote (") missing?'
    over = f" and is closed on line {last:,}" if last > first else ""
    return (
        f'line {first:,}: a quote (") opens a value{over}, and after the closing quote more text follows; '
        "is a quote missing? One inside a value is written twice"
    )


def _not_utf8(line: bytes, at: int, number: int) -> str:
    meant = line[at : at + 1].decode("cp1252", errors="ignore")
    latin = (
        f" (in Windows-1252 or Latin-1 it would be {message_text.quoted(meant)})"
        if meant.isprintable() and meant
        else ""
    )
    return f"line {number:,} is not UTF-8: byte 0x{line[at]:02X}{latin}; save the file as UTF-8"


def _wrong_width(row: list[str], width: int, first: int, last: int) -> str:
    values = "1 value" if len(row) == 1 else f"{len(row):,} values"
    reason = f"line {first:,} has {values}, the header has {width:,}"
    if last > first:
        return f'{reason}; its row goes on to line {last:,}: is a quote (") missing?'
    if len(row) > width and not any(value.strip() for value in row[width:]):
        return f"{reason}; is there a comma too many at its end?"
    return f"{reason}; a value that holds a comma must be in quotes" if len(row) > width else reason
