"""Files as they are delivered: what is accepted, and what is said of the others."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from data_checks import check_messages, delivered_file, message_text
from data_checks.delivered_file import NotATableError, opened

WANTED = ["a", "b"]


def read(content: bytes, wanted: list[str] = WANTED) -> list[list[str]]:
    """Return a file's rows, each with its line."""
    return list(opened(io.BytesIO(content), wanted).rows())


def archive(*members: str) -> bytes:
    """Return a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for member in members:
            file.writestr(member, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n",
        b"a,b\n1,2",
        b"a,b\r\n1,2\r\n",
        b"a,b\r1,2\r",
        b"a,b\r\n1,2\n",
        b"\xef\xbb\xbfa,b\n1,2\n",
        b"a,b\n1,2\n\n\n",
        b"a,b\n1,2\n  \n\r\n",
        b"a,b\n1,2\n\x1a",
        b"a,b\r\n1,2\r\n\x1a\r\n",
        b"a,b\n1,2\x1a",
        b"a,b,\n1,2,\n",
        b"a,b,,\n1,2, ,\n",
        b'"a","b"\n"1","2"\n',
    ],
)
def test_harmless_differences_are_accepted(content: bytes) -> None:
    """Line ends, blank lines, a byte order mark, a Ctrl-Z and a comma too many on every line mean nothing."""
    assert read(content) == [["2", "1", "2"]]


def test_first_line_sep_with_a_comma_is_passed_over() -> None:
    """Excel's hint says what is true anyway; lines are counted as an editor does."""
    assert read(b"sep=,\na,b\n1,2\n") == [["3", "1", "2"]]


def test_rows_have_the_line_on_which_they_begin() -> None:
    """Quoted line breaks, blank lines and every kind of line end count."""
    content = b'a,b\n1,"x\ny"\n2,z\n\r\n3,"\r\n"\n4,"p\rq"\n5,\n'
    assert [row[0] for row in read(content)] == ["2", "4", "6", "8", "10"]


def test_line_ends_between_chunks_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A carriage return at the end of what was read and the line feed after it are a single line end."""
    monkeypatch.setattr(delivered_file, "_CHUNK", 4)
    assert read(b"a,b\r\n1,2\r\n3,4\r\n") == [["2", "1", "2"], ["3", "3", "4"]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty: there is no header line"),
        (b"\n\n", "it is empty: there is no header line"),
        (b"\xef\xbb\xbf", "it is empty: there is no header line"),
        (b"\x1a", "it is empty: there is no header line"),
        ("a,b\n1,2\n".encode("utf-16"), "it looks like UTF-16; save it as UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), "it looks like UTF-16; save it as UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-be"), "it looks like UTF-16; save it as UTF-8"),
        ("a,b\n1,2\n".encode("utf-32"), "it looks like UTF-32; save it as UTF-8"),
        (gzip.compress(b"a,b\n1,2\n"), "it is compressed with gzip; unpack it first"),
        (archive("a.csv"), "it is a zip archive; unpack it first"),
        (archive("[Content_Types].xml"), "it is an Excel workbook (.xlsx); save it as CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0" + bytes(99), "it is an old Excel file (.xls); save it as CSV UTF-8"),
        (b"PAR1" + bytes(99), "it is a Parquet file; save it as CSV in UTF-8"),
        (b"<html><body>\n", "it looks like a web page or XML; save the table as CSV in UTF-8"),
        (b'[{"a": 1}]\n', "it looks like JSON; save it as CSV in UTF-8"),
        (b"\x01\x02\x03,\x04\n", "its first line holds control characters: it is no text file"),
        (b"sep=;\na;b\n", 'its first line is "sep=;"; columns must be separated by a comma'),
        (b"a;b\n1;2\n", "its columns are separated by ; (semicolons); they must be separated by a comma"),
        (b"a\tb\n1\t2\n", "its columns are separated by tabs; they must be separated by a comma"),
        (b"x|y\n1|2\n", "its columns are separated by | (vertical bars); they must be separated by a comma"),
        (b'a;"b,c"\n1;2\n', "its columns are separated by ; (semicolons); they must be separated by a comma"),
        (b"a,,b\n", "column 2 of the header has no name"),
        (b"nord,,12.5\n", 'line 1 looks like data, not like the header: "12.5" is no column\'s name; the first line must hold the names: a, b'),
        (b"\n2013-11-01,x\n", 'line 2 looks like data, not like the header: "2013-11-01" is no column\'s name'),
        (b"x,2013-11-01T05:15Z\n", 'line 1 looks like data, not like the header: "2013-11-01T05:15Z"'),
        (b"x, -3 ,-3\n", 'line 1 looks like data, not like the header: " -3 "'),
        (b"123e4567-e89b-12d3-a456-426614174000,x\n", 'line 1 looks like data, not like the header: "123e4567'),
        (b"x,,y\n", "column 2 of the header has no name"),
        (b"a,,1\n", "column 2 of the header has no name"),
        (b"a,b,a\n1,2,3\n", 'the header names the column "a" twice'),
        (b"a,b\n1,2\n3\n", "line 3 has 1 value, the header has 2"),
        (b"a,b\n\n1,2\n3\n", "line 4 has 1 value, the header has 2"),
        (b"a,b\n1,2,3\n", "line 2 has 3 values, the header has 2; a value that holds a comma must be in quotes"),
        (b"a,b\n1,2,\n", "line 2 has 3 values, the header has 2; is there a comma too many at its end?"),
        (b"a,b,\n1,2,\n1,2,x\n", 'line 3 has "x" in a column without a name'),
        (b"a,b,\n1,2\n", "line 2 has 2 values, the header has 3"),
        (b'a,b\n1,2\n1,"2\n3,4\n', 'line 3: a quote (") opens a value and is never closed'),
        (b'a,b\n1,"2\n"x,y\n', 'line 2: a quote (") opens a value and is closed on line 3, and after the closing'),
        (b'a,b\n1,"2\n3,4"\n"5\n6"\n', 'line 4 has 1 value, the header has 2; its row goes on to line 5: is a quote (") missing?'),
        (b"a,b\n1,2\n1,n\xe9\n", 'line 3 is not UTF-8: byte 0xE9 (in Windows-1252 or Latin-1 it would be "é"); save'),
        (b"n\xe9,b\n1,2\n", "line 1 is not UTF-8: byte 0xE9"),
        (b"a,b\n1,x\x00y\n", "line 2 holds a NUL byte"),
    ],
)  # fmt: skip
def test_file_that_is_no_table_says_why(content: bytes, reason: str) -> None:
    """The reason is in its owner's words, names the line of the file and what to do, and is short."""
    with pytest.raises(NotATableError) as error:
        read(content)
    assert str(error.value).startswith(reason)
    assert len(str(error.value)) <= message_text.MAX_TEXT


def test_names_that_look_like_values_are_names_where_the_contract_has_such() -> None:
    """A column per year: a file of other years has a header, and other columns."""
    assert read(b"2014,b\n1,2\n", ["2014", "b"]) == [["2", "1", "2"]]
    assert opened(io.BytesIO(b"2015,c\n1,2\n"), ["2014", "b"]).header == ["2015", "c"]


def test_what_a_file_without_header_says_is_short() -> None:
    """Also where the contract has many columns: the report cuts a message in its middle otherwise."""
    with pytest.raises(NotATableError) as error:
        read(b"1,2\n", ["a long name of a column"] * 20)
    message = check_messages.not_a_table(str(error.value))
    assert message.endswith("…")
    assert len(message) == message_text.MAX_TEXT


def test_header_may_begin_with_a_brace() -> None:
    """What looks like JSON is a name where the contract has it."""
    assert read(b"{a},b\n1,2\n", ["{a}", "b"]) == [["2", "1", "2"]]


def test_value_longer_than_any_is_a_missing_quote(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quote that is never closed does not fill the memory with the rest of the file."""
    monkeypatch.setattr(delivered_file, "_MAX_LENGTH", 1000)
    monkeypatch.setattr(delivered_file, "_CHUNK", 500)
    with pytest.raises(NotATableError, match=r"^line 2: a value is longer than 0 MB; is a quote"):
        read(b'a,b\n1,"2\n' + b"3,4\n" * 1000)
    with pytest.raises(NotATableError, match=r"^line 2 is longer than 0 MB: it is no text file"):
        read(b"a,b\n" + b"x" * 5000)


def test_row_over_very_many_lines_is_noted() -> None:
    """Two stray quotes make a single row of all the lines between them; a value of some lines is nothing special."""
    lines = [f"{number},x" for number in range(300)]
    lines[10], lines[250] = '10,"x', '250,x"'
    file = opened(io.BytesIO(("a,b\n" + "\n".join(lines) + '\n1,"x\ny"\n').encode()), WANTED)
    assert len(list(file.rows())) == 61
    assert file.long_rows == [(12, 252)]
