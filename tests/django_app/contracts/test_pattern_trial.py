"""Patterns that only PostgreSQL can judge."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import connection

from django_app.contracts.validation.argument_checks import pattern_problem
from django_app.contracts.validation.pattern_trial import refused_patterns
from hotclub.contract import CheckSpec, SourceContract, SourcePolicy, SourceSchema

_SCHEMA = SourceSchema("flights.Flight", "flights_flight", ("number",), None, None, "UTC", ())
_CONTRACT = SourceContract("orders", "flights", 1, schema=_SCHEMA, policy=SourcePolicy(()))


@pytest.mark.django_db
@pytest.mark.integration
def test_what_postgresql_refuses_is_said_with_its_reason() -> None:
    """Python takes the first of these patterns, and not the second, which is PostgreSQL's own."""
    checks = (
        CheckSpec("ExpectColumnValuesToMatchRegex", "critical", {"column": "a", "regex": r"a{1,300}"}),
        CheckSpec("ExpectColumnValuesToMatchRegexList", "critical", {"column": "a", "regex_list": [r"\m[[:alpha:]]+\M", "b{2000}"]}),
        CheckSpec("ExpectTableRowCountToEqual", "critical", {"value": 1}),
    )  # fmt: skip
    found = list(refused_patterns(connection, replace(_CONTRACT, policy=SourcePolicy(checks))))
    assert [text.split(": invalid")[0] for text in found] == [
        "orders.checks[0]: ExpectColumnValuesToMatchRegex: regex: 'a{1,300}'",
        "orders.checks[1]: ExpectColumnValuesToMatchRegexList: regex_list: 'b{2000}'",
    ]


@pytest.mark.django_db
@pytest.mark.integration
@pytest.mark.parametrize(
    "pattern",
    [r"\m[[:alpha:]]+\M", r"(?i)^abc", r"(?:a|b)(?=c)(?!d)", r"(?<=a)b", r"\y\d{4}\y", r"[A-Z]{2}", r"\\m", "ä+", r"\(?x"],
)  # fmt: skip
def test_no_pattern_of_postgresqls_is_refused_without_asking_it(pattern: str) -> None:
    """What is refused without a database must be wrong with one."""
    assert pattern_problem(pattern) is None
    check = CheckSpec("ExpectColumnValuesToMatchRegex", "critical", {"column": "a", "regex": pattern})
    assert list(refused_patterns(connection, replace(_CONTRACT, policy=SourcePolicy((check,))))) == []


@pytest.mark.django_db
@pytest.mark.integration
@pytest.mark.parametrize(
    "pattern", ["[A-Z", "(a", "a)", "*a", r"(?P<x>a)", r"(?<x>a)", r"a(?i)b", r"(?s:a)", "a{2,1}"]
)
def test_what_is_refused_without_a_database_is_wrong_with_one(pattern: str) -> None:
    """The other way round."""
    assert pattern_problem(pattern) is not None
    check = CheckSpec("ExpectColumnValuesToMatchRegex", "critical", {"column": "a", "regex": pattern})
    assert len(list(refused_patterns(connection, replace(_CONTRACT, policy=SourcePolicy((check,)))))) == 1
