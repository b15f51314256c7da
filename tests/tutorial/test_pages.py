"""What `pages` makes of a page, and that a changed page fails; the tutorial's own pages can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.tutorial.pages import Command, File, PageError, read_page

TUTORIAL = sorted((ROOT / "docs" / "tutorial").glob("*.md"))
PAGE = """# A page
Text with `code`.

```python title=../shop/models.py
x = 1
```

```console
$ first
$ second \\
    goes on
one …
…
three
$ third
```

````text
```console
$ not run
```
````
"""


def _page(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "page.md"
    path.write_text(text)
    return path


def test_steps_in_the_order_of_the_page(tmp_path: Path) -> None:
    """Files and commands, each with its line."""
    assert read_page(_page(tmp_path, PAGE)) == [
        File(4, "../shop/models.py", "x = 1\n"),
        Command(9, "first", ()),
        Command(10, "second \\\n    goes on", ("one …", "…", "three")),
        Command(15, "third", ()),
    ]


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("```sh\nrm -r /\n```\n", "page.md:1: a block of kind 'sh'"),
        ("```\nnothing\n```\n", "a block of kind ''"),
        ("text\n```python\nx = 1\n```\n", "page.md:2: a block of kind 'python'"),
        ("```console\noutput first\n$ then\n```\n", "page.md:2: a console block begins with a command"),
    ],
)
def test_what_nobody_runs_is_refused(tmp_path: Path, block: str, words: str) -> None:
    """A page shows no command that the test leaves out."""
    with pytest.raises(PageError, match=words):
        read_page(_page(tmp_path, block))


@pytest.mark.parametrize(
    ("expected", "output", "missing"),
    [
        (("one",), "zero\none\ntwo\n", None),
        (("one",), "  one  \n", None),
        (("one",), "one more\n", "one"),
        (("one …",), "one more\n", None),
        (("… more",), "one more\n", None),
        (("a…z",), "a\nz\n", "a…z"),
        (("two", "one"), "one\ntwo\n", "one"),
        (("one", "one"), "one\n", "one"),
        (("…", "two"), "one\ntwo", None),
        (("a.c [x]",), "a.c [x]\n", None),
        (("a.c",), "abc\n", "a.c"),
        (("a b",), "a    b\n", None),
        (("a … 0.5",), "a   0.1   0.5\n", None),
        (("a b",), "ab\n", "a b"),
        ((), "anything", None),
        (("…",), "", None),
    ],
)
def test_output_is_compared_line_by_line(expected: tuple[str, ...], output: str, missing: str | None) -> None:
    """In their order; only the three dots stand for something else."""
    assert Command(1, "x", expected).difference(output) == missing


@pytest.mark.parametrize("page", TUTORIAL, ids=lambda path: path.name)
def test_pages_of_the_tutorial(page: Path) -> None:
    """Each can be read, runs something, and has Python that is Python and names no file twice but the ml.py it improves."""
    steps = read_page(page)
    assert sum(isinstance(step, Command) for step in steps) > 10
    for step in steps:
        if isinstance(step, File) and step.path.endswith(".py"):
            compile(step.text, step.path, "exec")
        if isinstance(step, File):
            assert step.path.startswith("../")


def test_there_are_three() -> None:
    """The pages that the README leads to."""
    assert [page.stem for page in TUTORIAL] == ["first-model", "tenants-and-your-settings", "without-time"]
