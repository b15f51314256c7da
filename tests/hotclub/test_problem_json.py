"""The body of a problem answer: RFC 9457's members, and errors that are always a list."""

from __future__ import annotations

from django_app.api.openapi_problems import FieldErrorOut, ProblemOut
from hotclub import names, problem_json
from hotclub.errors import FieldError, HotclubError


def test_body() -> None:
    """The members of RFC 9457, further members beside them, errors last."""
    found = problem_json.problem(404, "There is none.", known=["a"])
    assert found == {
        "type": "about:blank", "title": "Not Found", "status": 404, "detail": "There is none.", "known": ["a"], "errors": [],
    }  # fmt: skip
    found = problem_json.problem(409, "No.", [FieldError("a.0", "is odd")], type="urn:x", instance="/v1/a")
    assert (found["type"], found["instance"]) == ("urn:x", "/v1/a")
    assert found["errors"] == [{"field": "a.0", "message": "is odd"}]
    assert problem_json.MEDIA_TYPE == "application/problem+json"
    assert HotclubError.problem_type == problem_json.ABOUT_BLANK == "about:blank"


def test_very_many_errors_are_cut() -> None:
    """A hundred, then how many were left out."""
    exact = problem_json.problem(422, "", [FieldError(str(n), "") for n in range(100)])["errors"]
    assert [error["field"] for error in exact] == [str(n) for n in range(100)]
    cut = problem_json.problem(422, "", [FieldError(str(n), "") for n in range(103)])["errors"]
    assert (len(cut), cut[99]["field"], cut[100]) == (101, "99", {"field": "", "message": "and 3 more"})


def test_both_openapi_files_describe_the_same_body() -> None:
    """Django's serializers have the members of the JSON schema that serving uses, and the body has no others."""
    properties = problem_json.SCHEMA["properties"]
    body = problem_json.problem(422, "", [FieldError("a", "b")], instance="/")
    assert set(properties) == set(ProblemOut().fields) == set(body)
    required = {name for name, field in ProblemOut().fields.items() if field.required}
    assert required == set(problem_json.SCHEMA["required"])
    assert set(properties["errors"]["items"]["required"]) == set(FieldErrorOut().fields)


def test_no_champion_has_a_type_of_its_own() -> None:
    """Callers tell it apart from other conflicts."""
    from django_app.registry.selectors import NoChampionError

    assert NoChampionError("").problem_type == names.PROBLEM_NO_CHAMPION == "urn:hotclub:problem:no-champion"
