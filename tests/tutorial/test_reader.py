"""What runs a page: where it fails, and what a command leaves for the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tutorial import reader as reader_module
from tests.tutorial.reader import Reader, StepFailedError, reader


@pytest.fixture
def shell(services: None, tmp_path: Path) -> Reader:
    """A reader with a folder and nothing in it."""
    made = Reader(tmp_path, 0)
    made.clone.mkdir()
    return made


def test_a_wrong_page_fails_where_it_is_wrong(shell: Reader, tmp_path: Path) -> None:
    """A command that fails, one that prints something else, and one that is not there."""
    page = tmp_path / "page.md"
    for block, words in (
        ("$ true\n$ false\n", "page.md:3: false\nended with 1"),
        ("$ echo one\ntwo\n", "page.md:2: echo one\ndid not print: two"),
        ("$ no-such-command\n", "ended with 127"),
    ):
        page.write_text(f"```console\n{block}```\n")
        with pytest.raises(StepFailedError) as failed:
            shell.run(page)
        assert words in str(failed.value)


def test_a_shell_keeps_its_folder_and_its_variables(shell: Reader, tmp_path: Path) -> None:
    """From command to command, as in a terminal; ports are those of the stack that is there."""
    page = tmp_path / "page.md"
    page.write_text(
        "```text title=../other/file\nx\n```\n```console\n$ A='two words'; cd ../other\n"
        '$ echo "$A" $(cat file) 127.0.0.1:8100\ntwo words x 127.0.0.1:8100\n```\n'
    )
    shell.run(page)
    assert (
        Reader(tmp_path, 7).shifted("http://127.0.0.1:8100/ 127.0.0.1:81000")
        == "http://127.0.0.1:8107/ 127.0.0.1:81000"
    )


def test_what_runs_is_stopped_after_a_page_that_failed(
    services: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the variables of the page itself: a stack refuses those that it was not started with."""

    def clone(folder: Path) -> None:
        (folder / "Makefile").write_text("down:\n\t@env | grep HOTCLUB > stopped\n")

    monkeypatch.setattr(reader_module, "copy_tree", clone)
    page = tmp_path / "page.md"
    page.write_text("```console\n$ cd /\n$ false\n```\n")
    with pytest.raises(StepFailedError), reader(tmp_path / "of-the-reader") as made:
        made.run(page)
    stopped = (tmp_path / "of-the-reader" / "hotclub" / "stopped").read_text().split()
    assert stopped == [f"HOTCLUB_PORT_SHIFT={made.shift}"]
