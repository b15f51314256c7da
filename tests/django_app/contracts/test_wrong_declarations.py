"""Each wrong declaration of a model is refused: the class, the attribute, what was found, and the fix."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import (
    Count,
    Exists,
    F,
    OuterRef,
    Q,
    Subquery,
    Value,
)

from django_app import conf
from django_app.contracts import changes, system_checks
from django_app.contracts.compilation.model_compiler import compile_model
from django_app.contracts.validation import joins
from django_app.contracts.validation.declaration_problems import DeclarationError
from hotclub import declarations
from hotclub.declarations import Age, Boolean, Category, Feature, MLModel, Number, Source
from tests.django_app.contracts import declared
from tests.django_app.contracts.cases.tables import Concert, Label, Line, Order, Size, Species
from tests.django_app.contracts.wrong_models import HUGE, INFINITY, LINES, NAN, ROWS, WRONG, feature
from tests.django_app.contracts.wrong_queries import WRONG_QUERIES
from tests.django_app.declaration_tables import tables_restored

ALL_WRONG = WRONG | WRONG_QUERIES


@pytest.fixture(autouse=True)
def _declared() -> Iterator[None]:
    with tables_restored():
        yield


def _problems(cls: type[MLModel]) -> tuple[str, ...]:
    with pytest.raises(DeclarationError) as raised:
        compile_model(cls, version=1, policy_revision=1)
    return raised.value.problems


@pytest.mark.parametrize("case", ALL_WRONG)
def test_a_wrong_declaration_is_refused_with_the_place_and_the_fix(case: str) -> None:
    """One message, and no other."""
    attributes, place, words = ALL_WRONG[case]
    (problem,) = _problems(declared.model(**attributes))
    assert problem.startswith(f"{declared.MODULE}.Wrong.{place}: ")
    for word in words:
        assert word in problem


@pytest.mark.parametrize(
    "case",
    [name for name, (_, _, words) in ALL_WRONG.items() if any("objects.filter(" in word for word in words)],
)
def test_the_proposed_subquery_can_be_written(case: str) -> None:
    """It names the tables of the declaration: in the place of what was refused, it compiles."""
    attributes, _, _ = ALL_WRONG[case]
    (problem,) = _problems(declared.model(**attributes))
    example = problem[problem.index("Subquery(") :]
    tables = {"Label": Label, "Line": Line, "Order": Order}
    expression = eval(example, {"Subquery": Subquery, "OuterRef": OuterRef, "Count": Count, **tables})
    compile_model(
        declared.model(**{**attributes, "features": {"it": Number(expression, nullable=True)}}),
        version=1,
        policy_revision=1,
    )


def test_several_rows_that_no_rule_names_are_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new kind of expression may get past the rules for each column; the joins of all columns say it."""
    monkeypatch.setattr(joins, "refuse_many", lambda query, node: None)
    (problem,) = _problems(declared.model(**feature(Number("lines__price", nullable=True))))
    assert problem.startswith(f"{declared.MODULE}.Wrong.rows: 'lines' has many rows for one; aggregate it")


#: What somebody may write by mistake, or a program may generate: of every kind that Python has.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, HUGE, NAN, INFINITY, 1j, "", "x", "\x00", "\ud800", b"x", (), ("x",), [], [[]], {}, {"x": 1},
    {1: {2}}, set(), frozenset({"x"}), range(3), lambda: 1, int, object(), ..., NotImplemented, dt.date.max, dt.timedelta.max,
    decimal.Decimal("NaN"), uuid.UUID(int=0), iter(()), (n for n in ()), Order, Order.objects, ROWS, ROWS[:1], Source, F("x"), F("total"), Q(),
    Q(x=1), Value(None), Value(HUGE), Count("lines"), Exists(LINES), OuterRef("pk"), Number("total"), Number, MLModel, Species,
    Size.SMALL, Exception("x"), memoryview(b"x"), type("Bad", (), {"__repr__": lambda self: 1 / 0, "__eq__": lambda self, other: 1 / 0})(),
)  # fmt: skip
ATTRIBUTES = tuple(name for name in MLModel.__annotations__ if name != "name")
SETTINGS = {
    Number: ("expression", "nullable", "doc", "group", "unit", "minimum", "maximum"),
    Category: ("expression", "nullable", "doc", "group", "pattern"),
    Age: ("expression", "nullable", "doc", "group", "unit", "minimum", "maximum"),
    Boolean: ("expression", "nullable", "doc", "group"),
}  # fmt: skip


def _told(cls: type[MLModel]) -> None:
    """Compile a declaration; what is wrong with it comes as messages about its attributes."""
    problems: tuple[str, ...] = ("Wrong.",)
    try:
        compile_model(cls, version=1, policy_revision=1)
    except DeclarationError as error:
        problems = error.problems
    assert problems
    assert [problem for problem in problems if "Wrong." not in problem] == []


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_no_value_of_an_attribute_is_a_traceback(attribute: str) -> None:
    """By itself; where the attribute holds many, in a tuple, as a key and as a value; for every task where that matters."""
    tasks = ("binary", "multiclass", "regression") if attribute in ("label", "classes") else ("binary",)
    for value in VALUES:
        forms = [value]
        if isinstance(getattr(MLModel, attribute, {}), tuple | dict):
            forms += [(value,), [value, value, value], {"x": value}, {"total": value}, {"roc_auc": value}]
        for form in forms:
            for task in tasks:
                _told(declared.model(**{"task": task, attribute: form}))


@pytest.mark.parametrize("kind", SETTINGS)
def test_no_value_of_a_features_setting_is_a_traceback(kind: type[Feature]) -> None:
    """Nor is one in the place of its expression."""
    for setting in SETTINGS[kind]:
        for value in VALUES:
            _told(declared.model(**feature(kind(**{"expression": "total", setting: value}))))


def test_all_problems_of_all_declarations_come_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With how many there are, and exit 1; two classes of one name, and one without a usable one, among them."""
    for module in (changes, conf):
        monkeypatch.setattr(module, "contracts_root", lambda app: tmp_path / app)
    declared.model(
        "First", metric="rmse", timezone="Mars", features={"a": Number("rating"), "b": Number("country")}
    )
    declared.model("Second", label="nothing")
    declared.model("Third", name="No Name", metric="mae")
    declared.model("first")
    written = StringIO()
    with pytest.raises(CommandError) as raised:
        call_command("makecontracts", stdout=written)
    lines = str(raised.value).splitlines()
    assert lines[0] == "8 problems in 4 declarations:"
    places = [line.strip().removeprefix(f"{declared.MODULE}.").split(": ")[0] for line in lines[1:]]
    assert places == [
        "First.timezone", "First.metric", "First.features['b']", "First.features['a']", "Second.label", "Third.name",
        "Third.metric", "first.name",
    ]  # fmt: skip
    assert "are both named 'first': set a different `name`" in lines[-1]
    assert list(tmp_path.iterdir()) == []


def test_one_problem_is_counted_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, too."""
    declared.model("First", metric="rmse")
    with pytest.raises(
        CommandError, match=r"^1 problem in 1 declaration:\n  django_app\.flights\.ml\.First\.metric: 'rmse'"
    ):
        call_command("makecontracts", "--check")


def test_what_could_not_be_registered_is_a_warning_of_manage_check() -> None:
    """Every other command goes on."""
    assert system_checks.unregistered_declarations() == []
    declared.model("Third", name="No Name")
    (found,) = system_checks.unregistered_declarations()
    assert found.id == "hotclub.W002"
    assert found.msg.startswith(f"{declared.MODULE}.Third.name: the name 'No Name' must be lower case")
    assert declarations.models.get("third") is None


def test_a_source_that_is_scored_on_may_be_named_by_its_class() -> None:
    """In one zone, and of the same rows where there is no time."""
    orders = declared.source()
    for cls in (
        declared.model("Timed", score_on=orders),
        declared.model("Untimed", event_time=None, score_on="orders"),
    ):
        assert compile_model(cls, version=1, policy_revision=1).policy.score_on == "orders"
    (problem,) = _problems(
        declared.model(
            rows=Concert.objects.all(),
            event_time=None,
            label=Q(seats=1),
            features={"s": Number("seats")},
            score_on=orders,
        )
    )
    assert "delivers rows of cases.Order, and these rows are of cases.Concert" in problem


def test_presets_and_cron_expressions_that_airflow_takes() -> None:
    """They stay as they are declared."""
    for schedule in ("@daily", "@quarterly", "0 3 * * 1", "*/5 0-6 1,15 * mon-fri", None):
        cls = declared.model("Planned", schedule=schedule)
        assert compile_model(cls, version=1, policy_revision=1).policy.schedule == schedule
