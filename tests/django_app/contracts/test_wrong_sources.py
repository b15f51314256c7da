"""Wrong declarations of sources, and what `makecontracts` says to each: the attribute, what was found, and the fix."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import models

from django_app.contracts.compilation.source_compiler import compile_source
from django_app.contracts.validation.declaration_problems import DeclarationError
from django_app.contracts.validation.source_checks import check_source, notes
from hotclub import declarations
from hotclub.declarations import Check, Source
from tests.django_app import strangers
from tests.django_app.contracts.wrong_checks import WRONG_CHECKS
from tests.django_app.contracts.wrong_sources import COLUMNS, LEFT_OUT, WRONG, Changes

pytestmark = pytest.mark.usefixtures("declared_for_a_moment")

_WRONG = [*WRONG, *WRONG_CHECKS]


@pytest.fixture(name="m", scope="module")
def _models() -> Iterator[SimpleNamespace]:
    with strangers.registered() as made:
        yield made


def declare(m: SimpleNamespace, **changes: Any) -> type[Source]:
    """Return a source that is right but for the changes."""
    right = {"model": m.Reading, "natural_key": ("station", "day"), "columns": COLUMNS}
    body = {"__module__": "django_app.flights.ml"} | right | changes
    # Set afterwards: what a class body may hold is another test's.
    name = body.pop("name", "readings")
    cls = type("Readings", (Source,), {key: value for key, value in body.items() if value is not LEFT_OUT})
    cls.name = name
    return cls


def problems_of(cls: type[Source]) -> list[str]:
    """Return what is wrong with a declaration, without its name in front."""
    try:
        check_source(cls)
    except DeclarationError as error:
        return [problem.removeprefix("django_app.flights.ml.Readings.") for problem in error.problems]
    return []


def test_the_source_that_all_others_differ_from_is_right(m: SimpleNamespace) -> None:
    """Else the messages could be about something else."""
    assert problems_of(declare(m)) == []


@pytest.mark.parametrize(("changes", "messages"), [w[1:] for w in _WRONG], ids=[w[0] for w in _WRONG])
def test_each_wrong_declaration_is_refused_with_the_fix(
    m: SimpleNamespace, changes: Changes, messages: list[str]
) -> None:
    """One message for each problem, and none for what is right."""
    assert problems_of(declare(m, **changes(m))) == messages


@pytest.mark.parametrize(
    ("rows", "entity", "source"),
    [
        ("Reading", "uid", {"columns": COLUMNS | {"uid": "uid"}}),
        # The entity is a parent's: another parent, or another code of it, is another entity.
        (
            "Log",
            "child__code",
            {"model": "Log", "natural_key": ("line",), "columns": {"line": "line", "uid": "child"}},
        ),
        (
            "Log",
            "child__code",
            {"model": "Station", "natural_key": ("label",), "columns": {"label": "label", "uid": "code"}},
        ),
    ],
)
def test_a_column_may_not_change_what_scores_are_stored_by(
    m: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, rows: str, entity: str, source: dict[str, Any]
) -> None:
    """A unique field may change, unless it is a declared model's entity; in the natural key it stays as it is."""
    changes = source | {"model": getattr(m, source.get("model", "Reading"))}
    declared = declare(m, **changes)
    assert problems_of(declared) == []
    scored = SimpleNamespace(name="frost", rows=getattr(m, rows).objects, entity=entity)
    broken = SimpleNamespace(name="broken", rows=None, entity=3)
    monkeypatch.setattr(declarations, "models", {"broken": broken, "frost": scored})
    (problem,) = problems_of(declared)
    assert problem.startswith("columns['uid']: ")
    assert "is in the entity of the model frost, and natural_key is without it" in problem


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"model": "Account", "natural_key": ("id",), "tenant": "tenant", "columns": {"id": "id", "number": "number"}},
         'The folder says who delivers a file, and fills no field: tenant is a column too, such as "tenant": "tenant" in columns'),
        ({"model": "Log", "natural_key": ("line",), "tenant": "child__tenant", "columns": {"line": "line", "at": "station__number"}},
         'child is a column too, such as "child": "child__<a unique field of it>" in columns'),
        ({"model": "Log", "natural_key": ("line",), "columns": {"line": "line", "at": "station__number"}}, ""),
    ],
)  # fmt: skip
def test_who_leaves_the_tenant_out_is_told_that_the_folder_fills_no_field(
    m: SimpleNamespace, declared: dict[str, Any], said: str
) -> None:
    """A file then only updates, and the folder's name looks as if it would do."""
    cls = declare(m, **declared | {"model": getattr(m, declared["model"])})
    check_source(cls)
    (note,) = notes(cls)
    assert "only updates rows that are there" in note
    assert note.endswith(said)
    assert ("The folder" in note) == bool(said)


def test_every_problem_is_said_at_once(m: SimpleNamespace) -> None:
    """Who declares a source corrects it once."""
    wrong = declare(
        m,
        name="A B",
        timezone=1,
        tenant="day",
        natural_key=("day", "nowhere"),
        columns={"day": "day", "x": "y"},
        checks=(Check("Nothing"), Check("ExpectTableRowCountToEqual", value="many", severity=1)),
        ambiguous_times=None,
        typo=1,
    )
    assert [text.split(":")[0] for text in problems_of(wrong)] == [
        "name", "typo", "timezone", "ambiguous_times", "columns['x']", "natural_key", "tenant", "checks[0]", "checks[1]", "checks[1]",
    ]  # fmt: skip


def test_makecontracts_says_every_problem_of_every_source(m: SimpleNamespace) -> None:
    """One list, without a traceback, and nothing is written."""
    declare(m, timezone="Mars", tenant="day")
    other = type(
        "Others", (Source,), {"__module__": "django_app.flights.ml", "checks": (Check("X", severity=1),)}
    )
    assert other.name == "others"
    with pytest.raises(CommandError) as raised:
        call_command("makecontracts", stdout=StringIO())
    counted, *said = str(raised.value).splitlines()
    assert counted == "7 problems in 2 declarations:"
    assert [line.strip().split(": ")[0] for line in said] == [
        f"django_app.flights.ml.{place}"
        for place in (
            "Readings.timezone", "Readings.tenant",
            "Others.model", "Others.natural_key", "Others.columns", "Others.checks[0]", "Others.checks[0]",
        )
    ]  # fmt: skip


def test_makecontracts_says_which_sources_only_update() -> None:
    """With the fields that a new row would lack, also when nothing has changed."""
    out = StringIO()
    call_command("makecontracts", check=True, stdout=out)
    assert out.getvalue().splitlines()[0] == (
        "Note: flight_outcome only updates rows that are there, because its files lack what a new row of flights.Flight "
        "needs: scheduled_arrival, distance. To add rows too, give these fields a column or a default."
    )
    assert "flight_schedule" not in out.getvalue()


class _Hostile:
    """A value that raises whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __hash__(self) -> int:
        raise RuntimeError("hash")

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("iter")

    def __len__(self) -> int:
        raise RuntimeError("len")

    def __bool__(self) -> bool:
        raise RuntimeError("bool")


_ANYTHING = [
    None, 0, -1, 1.5, float("nan"), float("inf"), 10**400, True, "", "x", "\0", "\ud800", b"x", (), [], {}, set(), (1,), ["day"],
    {"day": 1}, {1: "day"}, [[]], object, object(), int, lambda: 1, print, _Hostile, _Hostile(), (_Hostile(),), {"day": _Hostile()},
    dt.date(2013, 1, 1), Check, Check("x"), (Check(_Hostile(), _Hostile(), severity=_Hostile(), column=_Hostile()),), Source,
    models.F("day"), models.Q(day=1), models.CharField(), range(3), iter(()), Exception("x"), NotImplemented, ...,
]  # fmt: skip


@pytest.mark.parametrize("attribute", sorted(Source.__annotations__))
@pytest.mark.parametrize("value", _ANYTHING, ids=lambda value: type(value).__name__)
def test_no_value_of_any_attribute_ends_in_a_traceback(
    m: SimpleNamespace, attribute: str, value: object
) -> None:
    """Right, and then compiled, or refused in words; nothing else comes out."""
    declared = declare(m, **{attribute: value})
    problems = problems_of(declared)
    assert all(len(problem) < 1500 for problem in problems)
    if not problems:
        assert compile_source(declared, version=1, policy_revision=1).to_json()


@pytest.mark.parametrize("value", _ANYTHING, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    ("expectation", "argument"),
    [
        ("ExpectColumnValuesToBeBetween", "column"),
        ("ExpectColumnValuesToBeBetween", "min_value"),
        ("ExpectColumnValuesToBeBetween", "mostly"),
        ("ExpectColumnValuesToBeInSet", "value_set"),
        ("ExpectCompoundColumnsToBeUnique", "column_list"),
        ("ExpectColumnPairValuesToBeInSet", "value_pairs_set"),
        ("ExpectColumnValuesToMatchRegexList", "regex_list"),
        ("UnexpectedRowsExpectation", "unexpected_rows_query"),
        ("ExpectColumnValuesToMatchLikePattern", "escape"),
    ],
)
def test_no_value_of_any_argument_ends_in_a_traceback(
    m: SimpleNamespace, expectation: str, argument: str, value: Any
) -> None:
    """The same for what a check is given."""
    check = Check(expectation, **{argument: value})
    for problem in problems_of(declare(m, checks=(check,))):
        assert problem.startswith("checks[0]: ")
