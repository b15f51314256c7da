"""The parts of `startml` that need no database: literals, units, tasks of labels, and files that are there already."""

from __future__ import annotations

import ast
import datetime as dt
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from django_app.contracts.first_declaration import declaration_text, split_lengths
from django_app.contracts.first_declaration.draft import Draft
from django_app.contracts.first_declaration.feature_choice import ChosenFeature, feature_name
from django_app.contracts.first_declaration.import_block import Import
from django_app.contracts.first_declaration.label_task import question_of
from django_app.contracts.first_declaration.ml_file import MlFile, read_ml_file, write_ml_file
from django_app.contracts.first_declaration.model_columns import Column
from django_app.contracts.first_declaration.python_text import WIDTH, bracketed, comment, literal
from django_app.contracts.first_declaration.units import unit_of, without_unit
from hotclub.errors import ContractError


@pytest.mark.parametrize(
    "text",
    [
        "", "plain", "ü €", '"', "'", "\"'", '"""', "'''", "\\", "\\\"", "two\nlines", "tab\t", "nul\0", "\u202e", "\ud800",
        "{x} %s", "\N{NO-BREAK SPACE}", "\x85", "\u2028", "ends with \\", "🦩",
    ],
)  # fmt: skip
def test_a_literal_is_its_text_on_one_line(text: str) -> None:
    """Whatever characters a choice or a help text has."""
    source = literal(text)
    assert ast.literal_eval(source) == text
    assert source.isprintable()


def test_what_does_not_fit_has_a_line_each() -> None:
    """With the last comma, so that a formatter leaves it."""
    assert bracketed("f(", ["a", "b"], ")", 4) == ["    f(a, b)"]
    long = "x" * (WIDTH - 9)
    assert bracketed("f(", [long, "b"], ")", 4) == ["    f(", f"        {long},", "        b,", "    )"]
    assert bracketed("f(", ["x" * (WIDTH - 3)], ")", 0) == [f"f({'x' * (WIDTH - 3)})"]
    assert len(bracketed("f(", ["x" * (WIDTH - 2)], ")", 0)) == 3


def test_a_comment_stays_a_comment() -> None:
    """Line ends of any kind do not end it."""
    for line in comment("one\ntwo\rthree\x0cfour\u2028five\N{RIGHT-TO-LEFT OVERRIDE}six " * 5, 4):
        assert line.startswith("    # ")
        assert len(line) <= WIDTH
        assert line.isprintable()


@pytest.mark.parametrize(
    ("texts", "unit"),
    [
        (("weight (kg)",), "kg"), (("weight [g/m²]",), "g/m²"), (("speed (km/h)",), "km/h"), (("share (%)",), "%"),
        (("bill length mm",), "mm"), (("name", "Paid, in EUR"), "EUR"), (("x", "in m²"), "m²"), (("t (°C)",), "°C"),
        (("size (optional)",), ""), (("temp min",), ""), (("sold in",), ""), (("in Berlin",), ""), (("mm",), ""),
        (("weight", "how heavy (in kg)"), "kg"), (("weight", "kg/m²"), "kg/m²"), (("days", ""), ""), (("rate (1/min)",), "1/min"), (("a (b) c",), "b"), (("",), ""),
    ],
)  # fmt: skip
def test_units(texts: tuple[str, ...], unit: str) -> None:
    """Only what is a unit is one."""
    assert unit_of(*texts) == unit


def test_a_unit_is_not_said_twice() -> None:
    """It has an argument of its own."""
    assert without_unit("weight (kg)") == "weight"
    assert without_unit("in m²") == ""
    assert without_unit("kg/m²") == ""
    assert without_unit("size (optional)") == "size (optional)"


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("price", "price"), ("Straße", "strasse"), ("Größe", "grosse"), ("2nd", "f_2nd"), ("label", "label_value"),
        ("日本", "field"), ("x" * 70, "x" * 60), ("taken", "taken_2"), ("class", "class"), ("Prix__", "prix"),
    ],
)  # fmt: skip
def test_feature_names(field: str, name: str) -> None:
    """As contracts allow them, and none twice."""
    assert feature_name(field, {"taken"}) == name


def _text(*choices: tuple[Any, str]) -> Column:
    return Column("species", "species", "text", nullable=False, choices=choices)


def _number(name: str, *, whole: bool = True) -> Column:
    return Column(name, name, "number", nullable=False, whole=whole)


@pytest.mark.parametrize(
    ("label", "counts", "task", "classes"),
    [
        (_number("price"), [(3, 5), (1, 2)], "regression", ()),
        (_number("target", whole=False), [(0.0, 5), (1.0, 2)], "binary", ()),
        (_number("target"), [(1, 5), (2, 2), (0, 1)], "multiclass", ((0, "0"), (1, "1"), (2, "2"))),
        (_number("target"), [(n, 1) for n in range(52)], "regression", ()),
        (_text(), [("b", 9), ("c", 3), ("a", 1)], "multiclass", (("a", "a"), ("b", "b"), ("c", "c"))),
        (_text(), [("rare", 1), ("often", 9)][::-1], "binary", (("often", "often"), ("rare", "rare"))),
        (_text(), [("yes", 9), ("no", 1)], "binary", (("no", "no"), ("yes", "yes"))),
        (_text(), [("", 9), ("a", 3), ("b", 1)], "binary", (("a", "a"), ("b", "b"))),
        (_text(("z", "Zed"), ("a", "Ay"), ("q", "Qu")), [("a", 9), ("z", 3), ("new", 1)], "multiclass",
         (("z", "Zed"), ("a", "Ay"), ("new", "new"))),
        (_text(("z", "same"), ("a", "same"), ("q", "Qu")), [], "multiclass", (("z", "z"), ("a", "a"), ("q", "q"))),
        (Column("returned", "returned", "boolean", nullable=True), [(True, 1)], "binary", ()),
    ],
)  # fmt: skip
def test_the_task_of_a_label(label: Column, counts: list[tuple[Any, int]], task: str, classes: Any) -> None:
    """By its type and values, with the classes in their order."""
    question = question_of(label, counts, None)
    assert (question.task, question.classes) == (task, classes)


def test_choices_that_no_row_has_are_no_class() -> None:
    """A fit needs rows of every class."""
    label = _text(("a", "A"), ("b", "B"), ("c", "C"))
    question = question_of(label, [("a", 3), ("b", 1)], None)
    assert (question.task, question.unused) == ("binary", ("c",))


FILES = {
    "empty": "",
    "docstring": '"""What we predict."""\n',
    "future": "from __future__ import annotations\n\nX = 1\n",
    "comments": "# A licence.\n# -*- coding: utf-8 -*-\n",
    "comments and code": "#!/usr/bin/env python\nX = 1\n",
    "no newline at the end": "import os",
    "semicolons": "import os; import sys; X = 1\n",
    "bracketed import": "from os import (\n    path,\n    sep,\n)\n\n\nclass A:\n    pass\n",
    "continued import": "import os, \\\n    sys\nX = 1\n",
    "separators": 'X = "a\x0cb\u2028c\x85"\nimport os\n\x0cimport sys\nY = 2\n',
    "conditional imports": "try:\n    import os\nexcept ImportError:\n    pass\n",
    "blank lines at the end": "import os\n\n\n\n",
    "no docstring": "1\nimport os\n",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_class_is_added_and_nothing_changed(tmp_path: Path, name: str, newline: str) -> None:
    """Every statement that was there is there, in its order, and the new class is the last."""
    path = tmp_path / "ml.py"
    content = FILES[name].replace("\n", newline).encode()
    path.write_bytes(content)
    file = read_ml_file(path)
    write_ml_file(file, file.with_class({Import("a", "b"): "b"}, ["class C:", "    d = b"]))
    written = path.read_bytes()
    before, after = ast.parse(content), ast.parse(written)
    kept = [
        ast.dump(n) for n in after.body if ast.unparse(n) not in ("from a import b", "class C:\n    d = b")
    ]
    assert kept == [ast.dump(n) for n in before.body]
    assert ast.unparse(after.body[-1]) == "class C:\n    d = b"
    assert (b"\r\n" in content) == (b"\r\n" in written)
    assert [line for line in content.splitlines() if line not in written.splitlines()] == []


#: Blocks as ruff leaves them, and what stands in the file afterwards.
CLEAN_BLOCKS: dict[str, tuple[str, list[str]]] = {
    "one before": (
        "from hotclub.declarations import Category, MLModel\n\nfrom shop.models import Order\n",
        ["from hotclub.declarations import Age, Category, MLModel, Number", "from shop.models import Order, Penguin"],
    ),
    "all sections": (
        "from __future__ import annotations\n\nimport datetime as dt\n\nimport numpy as np\nfrom django.db.models import F, Q\n\nfrom shop.models import Order\n\nfrom . import rules\n",
        ["import datetime as dt", "from datetime import timedelta", "from hotclub.declarations import Age, Number"],
    ),
    "a line each": (
        "from hotclub.declarations import (\n    Category,\n    MLModel,\n)\n",
        ["    Age,", "    Category,", "    MLModel,", "    Number,"],
    ),
    "comments": (
        "# Ours.\n\n# Numbers.\nimport numpy as np\n\n# Tables.\nfrom shop.tables import Line  # by hand\n",
        ["# Tables.", "from shop.tables import Line  # by hand", "from shop.models import Penguin"],
    ),
    "a comment behind": (
        "from hotclub.declarations import MLModel  # noqa: F401\n",
        ["from hotclub.declarations import Age, MLModel, Number  # noqa: F401"],
    ),
    "only own": ("from shop.models import Zebra\nfrom shop.zoo import Keeper\n", ["from shop.models import Penguin, Zebra"]),
    "a docstring": ('"""Ours."""\n\nimport os\n', ['"""Ours."""', "import os"]),
    "another name": ("from hotclub.declarations import Number as N\n", ["from hotclub.declarations import Number as N"]),
    "constants and functions": (
        "from shop.models import LIMIT, Zebra, active\n", ["from shop.models import LIMIT, Penguin, Zebra, active"],
    ),
    "a long line": (
        "from shop.models import Aaaaaaaaaaaaaaaaaaaa, Bbbbbbbbbbbbbbbbbbbbbbbb, Cccccccccccccccc\n",
        ["from shop.models import (", "    Penguin,"],
    ),
}  # fmt: skip
ADDED = {
    Import("datetime", "timedelta"): "timedelta", Import("hotclub.declarations", "Number"): "Number",
    Import("hotclub.declarations", "Age"): "Age", Import("shop.models", "Penguin"): "Penguin",
    Import("django.db.models", "Value"): "ModelsValue", Import("django.db.models.functions", "Cast"): "Cast",
}  # fmt: skip


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("name", CLEAN_BLOCKS)
def test_a_file_that_ruff_accepts_stays_one(tmp_path: Path, name: str) -> None:
    """Imports join those of the same module, or stand where isort has them; comments and code stay as they are."""
    block, expected = CLEAN_BLOCKS[name]
    path = tmp_path / "shop" / "ml.py"
    path.parent.mkdir()
    (path.parent / "__init__.py").touch()
    code = "\n\nclass Ours:\n    x = (1,2)  # as it was\n"
    path.write_text(block + code)
    _must_be_sorted(path)
    file = read_ml_file(path)
    write_ml_file(file, file.with_class(ADDED, ["class C:", "    pass"]))
    _must_be_sorted(path)
    written = path.read_text()
    assert [line for line in expected if line not in written.splitlines()] == [], written
    assert code in written
    bound = read_ml_file(path).bound_names()
    assert bound >= {*ADDED.values(), *file.bound_names()}
    assert [line for line in written.splitlines() if line.startswith("#")] == [
        line for line in block.splitlines() if line.startswith("#")
    ]


def _must_be_sorted(path: Path) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select=I", "--no-cache", "."]
    done = subprocess.run(command, cwd=path.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + path.read_text()


def test_an_import_that_is_not_alone_is_left(tmp_path: Path) -> None:
    """What shares its lines with other code, or holds comments, is not written again."""
    for text in (
        "from a import c; X = 1\n", "X = 1; from a import c\n", "from a import *\n",
        "from a import (  # why\n    c,\n)\n", "from .a import c\n", "try:\n    from a import c\nfinally:\n    X = 1\n",
    ):  # fmt: skip
        path = tmp_path / "ml.py"
        path.write_text(text)
        written = read_ml_file(path).with_class({Import("a", "b"): "b"}, ["class C:", "    pass"])
        assert text in written
        assert "\nfrom a import b\n" in f"\n{written}"


def test_a_header_stays_first(tmp_path: Path) -> None:
    """The encoding of a file is named by one of its first two lines."""
    path = tmp_path / "ml.py"
    path.write_bytes("# -*- coding: latin-1 -*-\nX = 'ü'\n".encode("latin-1"))
    file = read_ml_file(path)
    write_ml_file(file, file.with_class({Import("a", "b"): "b"}, ["class C:", "    pass"]))
    assert (
        path.read_bytes()
        .decode("latin-1")
        .startswith("# -*- coding: latin-1 -*-\n\nfrom a import b\n\nX = 'ü'\n\n\nclass C")
    )
    with pytest.raises(ContractError, match="its encoding iso-8859-1 has no '€'; nothing was written"):
        write_ml_file(file, "€")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"class A(:\n", "ml.py, line 1: it is not Python"),
        (b"\xff\xfe\n", "it is not Python"),
        (b"X = 1\0", "it is not Python"),
    ],
)
def test_a_file_that_is_not_python_is_left(tmp_path: Path, content: bytes, words: str) -> None:
    """With the line, and nothing is written."""
    path = tmp_path / "ml.py"
    path.write_bytes(content)
    with pytest.raises(ContractError, match=words) as refused:
        read_ml_file(path)
    assert "nothing was written" in str(refused.value)


def test_imports_that_are_there_are_used() -> None:
    """Under the name that the file gives them; relative ones are another module's."""
    text = "from a import b as c, d\nfrom .a import e\n"
    file = MlFile(Path("ml.py"), text, _tree=ast.parse(text))
    found = [file.local_name(Import("a", name)) for name in "bde"]
    assert found == ["c", "d", None]
    assert {"c", "d", "e"} <= file.bound_names()


def _at(*days: float) -> list[dt.datetime]:
    return [dt.datetime(2024, 1, 1) + dt.timedelta(days=day) for day in days]  # noqa: DTZ001  # as PostgreSQL gives a timestamp


@pytest.mark.parametrize(
    ("found", "rows", "days"),
    [
        # The first, then 60, 70, 80, 90 and 95 % of the rows, and the last.
        (_at(0, 60, 70, 80, 90, 95, 100), 100, (20, 20)),
        # Two seasons: with 40 % of the rows, the newest splits would reach over the winter.
        (_at(0, 10, 300, 305, 308, 309, 310), 100, (5, 5)),
        # Most rows are the newest ones: shares of them would all be within half of the span, or none.
        (_at(0, 1, 2, 3, 50, 60, 100), 100, (40, 10)),
        (_at(0, 1, 2, 3, 4, 5, 100), 100, (25, 25)),
        # Years of many rows: what is to be predicted changes with time. With few rows, a split needs its share of them.
        (_at(0, 600, 700, 800, 900, 950, 1000), 100_000, (90, 90)),
        (_at(0, 600, 700, 800, 900, 950, 1000), 1_000, (200, 200)),
        (_at(0, 0, 0, 0, 0, 0, 0), 100, (1, 1)),
        (None, 0, (30, 30)),
    ],
)
def test_days_of_the_splits(
    monkeypatch: pytest.MonkeyPatch, found: list[dt.datetime] | None, rows: int, days: tuple[int, int]
) -> None:
    """Each holds rows, and both together are at most half of the span."""
    monkeypatch.setattr(split_lengths, "quantiles", lambda *_: found)
    column = Column("at", "at", "moment", nullable=False)
    sample: Any = SimpleNamespace(count=lambda: rows)
    made = split_lengths.split_days(sample, column)
    assert (made.evaluate, made.stopping) == days
    if made.span:
        assert made.evaluate + made.stopping <= made.span / 2


def _draft(*names: str) -> Any:
    features = tuple(ChosenFeature(name, _number(name), "Number") for name in names)
    return Draft(None, _number("label"), None, None, None, False, features, ())  # type: ignore[arg-type]  # only features are looked at


def test_what_makecontracts_refuses_is_left_out_with_its_reason() -> None:
    """One feature of a hundred must not keep the others from being declared."""
    problems = ("shop.ml.A.features['b']: is null at times", "shop.ml.A.features['c'].doc: must be a text")
    made = declaration_text._without(_draft("a", "b", "c"), problems)
    assert [f.name for f in made.features] == ["a"]
    assert [(part.name, part.reason) for part in made.left_out] == [
        ("b", "is null at times"),
        ("c", "must be a text"),
    ]


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        ("shop.ml.A.label: is no number", "nothing was written: shop.ml.A.label: is no number"),
        ("shop.ml.A.features['x']: unknown", "nothing was written"),
        ("shop.ml.A.features['a']: is null", "would refuse every feature; nothing was written"),
    ],
)
def test_other_problems_stop_it(problem: str, words: str) -> None:
    """What is wrong with the label cannot be left out."""
    with pytest.raises(ContractError, match=re.escape(words)):
        declaration_text._without(_draft("a"), (problem,))
