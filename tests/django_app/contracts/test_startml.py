"""`manage.py startml` in a stranger's project with models of many shapes, on real PostgreSQL."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from textwrap import dedent
from typing import NamedTuple

import psycopg
import pytest

from hotclub import names
from tests.conftest import Database
from tests.django_app.contracts.stranger_models import MODELS, ROWS
from tests.django_app.foreign import ForeignProject, make_foreign_project

ML = "shop/ml.py"
#: Models for which a draft is possible, with what has to be said.
POSSIBLE: dict[str, tuple[str, ...]] = {
    "Order": (), "ProxyOrder": (), "Restaurant": (), "Penguin": (), "Empty": (), "Composite": (), "Short": (),
    "Visit": (),
    "Maybe": ("--label", "result", "--time", "started_at"), "Größe": ("--label", "urteil"), "Wide": (), "Clash": (),
    "MLModel": (), "Keywords": (),
}  # fmt: skip


#: What is typed, and parts of what is printed.
WRITTEN: list[tuple[tuple[str, ...], list[str]]] = [
    (("shop.Order", "--label", "total"), ["task = \"regression\"", 'label = "total"', 'class OrderTotal(']),
    (("shop.Order", "--label", "channel"), ['classes = {"web": "On the web", "shop": \'In the "shop"\', "phone": "By phone"}', 'task = "multiclass"']),
    (("shop.Order", "--label", "priority"), ['classes = {2: "high", 1: "low"}', 'task = "binary"']),
    (("shop.Order", "--label", "packing"), ['label = Extract("packing", "epoch")', 'task = "regression"']),
    (("shop.Order", "--label", "region"), ['label = "region__code"', 'classes = ("r0", "r1", "r2")']),
    (("shop.Order", "--time", "none"), ["event_time = None", 'split_by = "customer"', "- placed_at: a date is a feature by its"]),
    (("shop.Order", "--time", "promised_on"), ['event_time = "promised_on"', '"placed_at": Age("placed_at")']),
    (("shop.Order", "--name", "WillReturn"), ["class WillReturn(MLModel):"]),
    (("shop.Penguin",), ['classes = ("Adelie", "Chinstrap", "Gentoo")', '"bill_length_mm": Number("bill_length_mm", unit="mm", nullable=True)', "33.3%", "- sex: null in every row"]),
    (("shop.Restaurant",), ["rows = Restaurant.objects.all()", '"size": Number("size", unit="m²")', '"seats": Number("seats", maximum=100)']),
    (("shop.Composite",), ['entity = "code"']),
    (("shop.Short",), ["# created spans too few days to split rows by their time, so it is not used.\n    event_time = None"]),
    # Rows have 0: what a validator says is no bound of what is in the table.
    (("shop.Short", "--label", "amount"), ['"size": Number("size", maximum=2)']),
    (("shop.Visit",), ['tenant = "agency"', "# Other paths to a tenant: store__tenant.", "# A row where this is null has no tenant", "- agency: it is the tenant", "- before: null in every row"]),
    (("shop.Short", "--time", "created"), ['event_time = "created"', "evaluate_days = 1"]),
    (("shop.Maybe", "--label", "result", "--time", "started_at"), ["rows = Maybe.everything.filter(started_at__isnull=False)", 'label_known = ~Q(result="")', 'classes = ("good", "bad")', '"label_value": Number("label")']),
    (("shop.Maybe", "--label", "size"), ['task = "regression"']),
    (("shop.Maybe", "--label", "size", "--task", "multiclass"), ["classes = (0, 1, 2, 3, 4, 5)"]),
    (("shop.Größe", "--label", "urteil"), ["from shop.models import Größe", '"entity_value": Number("entity")', '"event_time_value": Category("event_time")', '"strasse": Number("Straße")', '"strasse_2": Number("strasse")', "class GroeUrteil(MLModel)", r'"\u202eü"']),
    (("shop.MLModel",), ["from shop.models import MLModel as ModelsMLModel", "rows = ModelsMLModel.objects.all()"]),
    (("shop.Keywords",), ['label = "class"', '"lambda": Number("lambda")', '"none": Boolean("None")']),
]  # fmt: skip
#: What is typed, and what is answered.
REFUSED: list[tuple[tuple[str, ...], str]] = [
    (("shop.Nothing",), "no field of shop.Nothing can be predicted"),
    (("shop.Mute",), "no field of shop.Mute can be predicted: that takes a number"),
    (("shop.Mute", "--label", "code"), "--label code: is unique: it names the row; no field of shop.Mute can be predicted"),
    (("shop.Mute", "--label", "x"), "--label x: there is no such field; no field of shop.Mute can be predicted"),
    (("shop.Plain",), "Name it: --label FIELD, one of width, height"),
    (("shop.Plain", "--label", "width"), "no field of shop.Plain can be a feature of width: height: null in every row"),
    (("shop.Nothing", "--label", "payload"), "--label payload: it cannot be one: JSON has no one type"),
    (("shop.Nameless",), "no field names a row by itself"),
    (("shop.Order", "--label", "retruned"), "did you mean 'returned'?"),
    (("shop.Order", "--label", "placed_at"), "--label placed_at: a moment is not predicted"),
    (("shop.Order", "--label", "number"), "--label number: is unique"),
    (("shop.Order", "--label", "empty"), "--label empty: it is null in every row"),
    (("shop.Order", "--label", "constant"), "it is the same in every row that has one"),
    (("shop.Order", "--label", "remark"), "more than 50 values"),
    (("shop.Order", "--label", "customer"), "more than 50 values"),
    (("shop.Order", "--label", "total", "--task", "binary"), "--task binary: total has decimals"),
    (("shop.Order", "--task", "regression"), "--task regression: returned is no number"),
    (("shop.Order", "--task", "multiclass"), "--task multiclass: returned is true or false"),
    (("shop.Order", "--label", "packing", "--task", "binary"), "packing is a duration"),
    (("shop.Penguin", "--task", "binary"), "--task binary: species has 3 values ('Adelie', 'Chinstrap', 'Gentoo'), not two"),
    (("shop.Order", "--label", "priority", "--task", "multiclass"), "it has 2 values (1, 2)"),
    (("shop.Order", "--time", "country"), "--time country: it is no date and no moment; possible are placed_at"),
    (("shop.Order", "--time", "when"), "--time when: there is no such field"),
    (("shop.Empty", "--label", "sold_by"), "its classes are not known"),
    (("shop.Nix",), "App 'shop' doesn't have a 'Nix' model"),
    (("nix.Order",), "No installed app with label 'nix'"),
    (("Order",), "is no model: name it app.Model"),
    (("shop.Order", "--name", "class"), "--name class: a class is named by"),
    (("shop.Order", "--name", "A b"), "--name A b: a class is named by"),
    (("shop.Order", "--name", "A" * 41), "at most 40 characters"),
    (("shop.Order", "--interactive"), "--interactive asks, and nobody answers"),
    (("auth.Permission", "--label", "content_type"), "auth is an installed package"),
]  # fmt: skip
#: Runs many commands in one process of the project: starting Django takes longer than any of them.
RUN_ALL = """
import io, json, os, sys
from django.core.management import call_command
from django.core.management.base import CommandError
sys.stdin = open(os.devnull)
said = []
for words in json.load(open("cases.json")):
    out, err, refusal = io.StringIO(), io.StringIO(), ""
    try:
        call_command("startml", *words, "--no-color", stdout=out, stderr=err)
    except CommandError as error:
        refusal = str(error)
    said.append([out.getvalue(), err.getvalue(), refusal])
json.dump(said, open("said.json", "w"))
"""


class Said(NamedTuple):
    """What a command printed, and the message of its refusal."""

    out: str
    err: str
    refusal: str


@pytest.fixture(scope="module")
def stranger(
    tmp_path_factory: pytest.TempPathFactory, provision: Callable[[str], Database]
) -> Iterator[ForeignProject]:
    """The project with its rows."""
    database = provision("startml")
    project = make_foreign_project(tmp_path_factory.mktemp("stranger"), database, shop=MODELS, ml="")
    project.must("migrate")
    project.must("shell", "--no-imports", "-c", ROWS, role=names.ROLE_APP)
    yield project
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {database.name} WITH (FORCE)")


@pytest.fixture(scope="module")
def said(stranger: ForeignProject) -> dict[tuple[str, ...], Said]:
    """What `startml` says to each of WRITTEN, which only prints, and of REFUSED."""
    stranger.write(ML, "")
    cases = {words: (*words, "--stdout") for words, _ in WRITTEN} | {words: words for words, _ in REFUSED}
    said = _said(stranger, list(cases.values()))
    assert (stranger.folder / ML).read_text() == "", "something was written"
    return dict(zip(cases, said, strict=True))


def _said(project: ForeignProject, cases: list[tuple[str, ...]]) -> list[Said]:
    project.write("cases.json", json.dumps(cases))
    project.must("shell", "--no-imports", "-c", RUN_ALL)
    return [Said(*parts) for parts in json.loads((project.folder / "said.json").read_text())]


@pytest.fixture(autouse=True)
def _nothing_declared(stranger: ForeignProject) -> None:
    stranger.write(ML, "")
    shutil.rmtree(stranger.folder / "shop" / "contracts", ignore_errors=True)


def _draft(project: ForeignProject, model: str, *words: str) -> str:
    return project.must("startml", f"shop.{model}", "--stdout", *words)


def _refusal(project: ForeignProject, *words: str) -> str:
    done = project.manage("startml", *words)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert (project.folder / ML).read_text() == "" or "already" in done.stderr
    return done.stderr


def _formatted(text: str, width: int) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--isolated", f"--line-length={width}", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def test_an_order(stranger: ForeignProject) -> None:
    """Types, units, nulls, choices, parents, tenant, time and what is left out, as a person would have written it."""
    expected = '''
        from datetime import timedelta

        from django.db.models import TextField
        from django.db.models.functions import Cast, Extract, ExtractHour
        from hotclub.declarations import Age, Boolean, Category, MLModel, Number

        from shop.models import Order


        class OrderReturned(MLModel):
            """A first declaration: returned of Order."""

            rows = Order.objects.all()
            tenant = "store__tenant"
            # Other candidates for the time: promised_on, ordered_before.
            event_time = "placed_at"
            # Predictions are made this long before; each feature must be known by then, which
            # nobody can check for you.
            horizon = timedelta(0)
            # Other candidates for the label: total. Remove from the features what is known only
            # afterwards.
            # Null: not known yet. Such rows are scored, and not trained on.
            label = "returned"
            task = "binary"
            metric = "roc_auc"
            # To answer always with the most frequent value is right in 75.0% of the rows.
            # No gates: a version serves only when a person gives a reason. Set them when
            # trainml has shown how good the model and its baselines are:
            # gates = {"roc_auc": LIMIT}
            # Most rows lie between 2024-01-02 and 2024-04-28.
            evaluate_days = 23
            stopping_days = 24
            features = {
                "store": Category("store"),
                "region": Category("region__code", nullable=True),
                "channel": Category("channel"),
                "priority": Category("priority"),
                "rate": Category(Cast("rate", TextField())),
                "hidden": Boolean("hidden"),
                "weight": Number("weight", unit="kg", nullable=True),
                "pieces": Number("pieces", minimum=0, doc="How many"),
                "total": Number("total", unit="EUR", doc="What was paid, in EUR"),
                "gift": Boolean("gift"),
                "country": Category("country"),
                "packing": Number(Extract("packing", "epoch"), unit="s", nullable=True),
                "pickup": Number(ExtractHour("pickup"), unit="h", nullable=True),
                "ordered_before": Age("ordered_before", nullable=True),
            }

            # Left out:
            # - attributes: JSON has no one type; name a key of it in an expression: KT(...) or
            #   KeyTransform(...)
            # - tags: ArrayField is no value for a model as it is
            # - slip: a file's path says nothing of what is in it
            # - token: a UUID names a row and says nothing else
            # - related: many values a row; aggregate them in a Subquery
            # - number: unique: it names the row
            # - customer: it names one of 100 values, few rows each
            # - updated_at: it changes whenever the row is saved, also afterwards
            # - remark: another value in every row: it names the row
            # - promised_on: after the event time in 100% of its rows: not known by then
            # - returned_on: filled exactly where the label is: known only afterwards
            # - empty: null in every row
            # - constant: the same in every row
        '''
    assert _draft(stranger, "Order") == dedent(expected).lstrip("\n")


def test_all_drafts_in_one_file_compile_and_give_views(stranger: ForeignProject) -> None:
    """One after the other into the same ml.py: formatted as ruff does, taken by makecontracts, built and read."""
    said = _said(stranger, [(f"shop.{model}", *words) for model, words in POSSIBLE.items()])
    assert [one for one in said if one.refusal or "manage.py inspectml" not in one.out] == []
    text = (stranger.folder / ML).read_text()
    for width in (88, 110):
        assert _formatted(text, width) == text
    declared = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    # One block: a module's names are imported once, but for those that have another name here.
    imported = [
        line.split(" import ")[0]
        for line in text.splitlines()
        if line.startswith("from ") and " as " not in line
    ]
    assert len(imported) == len(set(imported)), text
    assert len(declared) == len(POSSIBLE)
    done = stranger.manage("makecontracts")
    assert (done.returncode, "PostgreSQL refuses" in done.stderr) == (0, False), done.stderr
    stranger.must("migrate")
    counts = _view_counts(stranger)
    assert len(counts) == len(POSSIBLE)
    assert counts.pop("ml_empty_price_v1") == 0
    assert min(counts.values()) > 0
    # Null or empty: rows without a label; started_at is null in every fifth.
    assert counts["ml_maybe_result_v1"] == 24
    assert counts["ml_order_returned_v1"] == 240


def _view_counts(project: ForeignProject) -> dict[str, int]:
    with psycopg.connect(project.database.url(names.ROLE_READER)) as connection:
        views = connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'features'").fetchall()
        counts = {}
        for (view,) in views:
            # Every column is read, not only counted.
            counts[view] = len(connection.execute(f"SELECT * FROM features.{view}").fetchall())
        return counts


@pytest.mark.parametrize(
    ("words", "expected"), WRITTEN, ids=lambda words: " ".join(words) if isinstance(words, tuple) else ""
)
def test_what_is_written(
    said: dict[tuple[str, ...], Said], words: tuple[str, ...], expected: list[str]
) -> None:
    """Options, and models of every shape; what is printed was compiled before."""
    text = said[words].out
    assert said[words].refusal == ""
    assert [part for part in expected if part not in text] == [], text
    assert _formatted(text, 88) == text


@pytest.mark.parametrize(
    ("words", "expected"), REFUSED, ids=lambda words: " ".join(words) if isinstance(words, tuple) else ""
)
def test_what_is_refused(said: dict[tuple[str, ...], Said], words: tuple[str, ...], expected: str) -> None:
    """A clear message, and nothing is written."""
    assert expected in said[words].refusal
    assert said[words].out == ""


def test_no_class_is_written_twice(stranger: ForeignProject) -> None:
    """The same command again is refused, and the file stays as it is."""
    stranger.must("startml", "shop.Penguin")
    before = (stranger.folder / ML).read_text()
    assert "has PenguinSpecies already" in _refusal(stranger, "shop.Penguin")
    assert "is named 'penguin_species' already" in _refusal(
        stranger, "shop.Penguin", "--name", "Penguin_species"
    )
    assert (stranger.folder / ML).read_text() == before


def test_what_is_there_stays(stranger: ForeignProject) -> None:
    """A file of a person's own keeps every line; names that it has taken are not taken again."""
    own = '''\
# Ours.
"""What we predict."""
from __future__ import annotations
from hotclub.declarations import MLModel as Model, Category
Number = 3


def Penguin():
    """Not the model."""
'''
    stranger.write(ML, own)
    stranger.must("startml", "shop.Penguin")
    text = (stranger.folder / ML).read_text()
    assert [line for line in own.splitlines() if line not in text.splitlines()] == []
    assert "from shop.models import Penguin as ModelsPenguin" in text
    assert "from hotclub.declarations import Number as DeclarationsNumber" in text
    assert "class PenguinSpecies(Model):" in text
    assert '"island": Category("island")' in text
    assert "new" in stranger.must("makecontracts")


def test_a_file_that_is_not_python_is_left(stranger: ForeignProject) -> None:
    """Django reads every ml.py when it starts: the file and the line are named, and nothing is written."""
    stranger.write(ML, "class A(:\n")
    done = stranger.manage("startml", "shop.Penguin")
    assert done.returncode != 0
    assert 'shop/ml.py", line 1' in done.stderr
    assert (stranger.folder / ML).read_text() == "class A(:\n"


def test_a_large_table_is_sampled_from_all_over(stranger: ForeignProject) -> None:
    """Rows in the order of their class: what the first 50,000 have in common is not taken for all."""
    with psycopg.connect(stranger.database.admin_url, dbname=stranger.database.name) as connection:
        connection.execute(
            "INSERT INTO shop_big (species, island, mass) SELECT (ARRAY['a', 'b', 'c'])[1 + n / 40000], "
            "CASE WHEN n < 60000 THEN 'x' ELSE 'y' END, CASE WHEN n >= 60000 THEN n END FROM generate_series(0, 119999) n"
        )
        connection.execute("ANALYZE shop_big")
    text = _draft(stranger, "Big")
    assert 'classes = ("a", "b", "c")' in text
    assert "33.3%" in text
    assert '"island": Category("island")' in text
    assert '"mass": Number("mass", nullable=True)' in text


def test_a_table_that_is_not_there_yet(stranger: ForeignProject) -> None:
    """Before migrate, the draft comes from the fields, and the message says what to do."""
    models = stranger.folder / "shop" / "models.py"
    before = models.read_text()
    later = (
        "class Later(models.Model):\n    price = models.FloatField()\n    size = models.FloatField()\n"
        "    kind = models.CharField(max_length=9, choices=(('a', 'A'),))\n"
    )
    models.write_text(f"{before}\n\n{later}")
    try:
        done = stranger.manage("startml", "shop.Later", "--stdout")
    finally:
        models.write_text(before)
    assert done.returncode == 0
    assert 'relation "shop_later" does not exist' in done.stderr
    assert "run migrate first" in done.stderr
    assert 'label = "price"' in done.stdout


def test_a_database_that_does_not_answer(stranger: ForeignProject) -> None:
    """The draft comes from the fields, and the message says why."""
    stranger.environment["DATABASE"] = "dbname=nowhere user=nobody password=x host=/nonexistent"
    try:
        done = stranger.manage("startml", "shop.Empty", "--stdout")
    finally:
        stranger.environment.clear()
    assert done.returncode == 0, done.stderr
    assert "no database answers" in done.stderr
    assert 'label = "price"' in done.stdout


def test_it_asks_when_asked_to(stranger: ForeignProject) -> None:
    """Answers are taken, and an empty one is what is proposed."""
    code = (
        "import builtins; from django.core.management import call_command; answers = iter(['total', 'none', '']);"
        "builtins.input = lambda question: (print('?', question), next(answers))[1];"
        "call_command('startml', 'shop.Order', '--interactive', '--stdout')"
    )
    said = stranger.must("shell", "--no-imports", "-c", code)
    assert "? label (returned, total) [returned]:" in said
    assert "class OrderTotal(MLModel):" in said
    assert "event_time = None" in said
