"""How a command hands its result to whoever started it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hotclub import command_result, names


def test_a_result_is_printed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person reads the last line, a program the file that it named."""
    file = tmp_path / "result.json"
    monkeypatch.setenv(names.VARIABLE_RESULT_FILE, str(file))
    command_result.give({"rows": 3, "path": Path("/a")})
    assert json.loads(capsys.readouterr().out) == {"rows": 3, "path": "/a"}
    assert command_result.read(file) == {"rows": 3, "path": "/a"}


def test_without_a_file_it_is_printed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand nobody names a file."""
    monkeypatch.delenv(names.VARIABLE_RESULT_FILE, raising=False)
    monkeypatch.chdir(tmp_path)
    command_result.give({"rows": 3})
    assert capsys.readouterr().out == '{"rows": 3}\n'
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, "", "{", "[1]", '"text"'])
def test_what_is_no_result_is_none(tmp_path: Path, content: str | None) -> None:
    """No file, half of one, or JSON that is no object."""
    file = tmp_path / "result.json"
    if content is not None:
        file.write_text(content)
    assert command_result.read(file) is None
