"""Requests that nobody should send: on every operation of the API, each is a 4xx that says what is wrong."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client, override_settings
from rest_framework.routers import SimpleRouter

from django_app.api.strictness import StrictView
from django_app.scoring.models import Batch, PredictionRequest
from django_app.urls import router
from tests.django_app.api.test_api import _report
from tests.django_app.api.test_isolation import RECIPES, operations
from tests.django_app.api.test_isolation import made as made  # noqa: PLC0414  # a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

JSON = "application/json"
TOKEN = {"Authorization": f"Token {'k' * 40}"}
POSTS = [name for name in operations() if name.startswith("POST")]
LISTS = [name for name, recipe in RECIPES.items() if recipe.kind == "list"] + [
    "GET /api/v1/batches/{id}/results/"
]


@dataclass(frozen=True)
class Sent:
    """One request to the API by the service account, whose objects are EWR's."""

    objects: dict[str, Any]

    def __call__(
        self, operation: str, body: bytes | str = b"", query: str = "", content_type: str = JSON, **more: Any
    ) -> Any:
        """Send it, and return the answer. A failure inside of Django is raised here, not answered."""
        verb, path = operation.split(" ")
        recipe = RECIPES[operation]
        key = str(self.objects[recipe.of].pk) if recipe.of else ""
        address = path.replace("{id}", key).replace("{name}", "arrival_delay")
        client = Client(headers=TOKEN)
        return client.generic(verb, address + query, body, content_type=content_type, **more)

    def good_body(self, operation: str) -> dict[str, Any]:
        """Return a body that the operation accepts."""
        if "check-runs" in operation:
            delivery = self.objects["delivery"]
            return _report(delivery, success=True)
        return dict(RECIPES[operation].body)


@pytest.fixture
def send(made: dict[str, dict[str, Any]], users: dict[str, Any]) -> Sent:
    """Send hostile requests."""
    del users
    return Sent(made["EWR"])


def refused(answer: Any, *statuses: int) -> list[str]:
    """Return the fields that a problem names, and hold the answer against what every problem is."""
    text = answer.content.decode()
    assert answer.status_code in statuses, (answer.status_code, text[:500])
    assert answer["Content-Type"] == "application/problem+json"
    body = json.loads(text)
    assert body["status"] == answer.status_code
    assert body["detail"]
    assert not re.search(r"Traceback|psycopg|Error\(|line \d+, in", text)
    assert len(text) < 50_000
    return [error["field"] for error in body["errors"]]


def counts() -> tuple[int, int]:
    """Return how many rows the API has accepted."""
    return Batch.objects.count(), PredictionRequest.objects.count()


#: Texts that are no JSON, or JSON that nothing can keep; for each the statuses that fit.
BROKEN: dict[str, tuple[bytes, tuple[int, ...]]] = {
    "deep lists": (b"[" * 100_000 + b"]" * 100_000, (400,)),
    "deep lists, open": (b"[" * 100_000, (400,)),
    "deep objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, (400,)),
    "cut short": (b'{"model": ', (400,)),
    "invalid UTF-8": (b'{"model": "\xff\xfe"}', (400,)),
    "UTF-16": ('{"model": "x"}'.encode("utf-16"), (400,)),
    "a list": (b"[1]", (422,)),
    "a text": (b'"x"', (422,)),
    "a number": (b"1", (422,)),
    "nothing but blanks": (b"   ", (400,)),
    "single quotes": (b"{'model': 'x'}", (400,)),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("operation", POSTS)
def test_a_body_that_is_no_json_object(send: Sent, operation: str, kind: str) -> None:
    """400 where it is not JSON, 422 where it is another thing than an object; nothing is written."""
    body, statuses = BROKEN[kind]
    before = counts()
    refused(send(operation, body), *statuses)
    assert counts() == before


#: Values that no field can have, as JSON text.
VALUES = {
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "NUL": '"a\\u0000b"',
    "half a surrogate pair": '"\\ud800"',
    "thousands of digits": "9" * 6000,
    "65 bits": str(2**64),
    "beyond a double": "1e400",
    "40 levels": "[" * 40 + "]" * 40,
    "NUL in a name": '{"a\\u0000b": 1}',
    "a name twice": '{"a": 1, "a": 2}',
}


def _with(body: dict[str, Any], field: str, text: str) -> str:
    """Return the body as JSON with a field's value written as this text."""
    mark = "@@here@@"
    whole = {**body, field: mark}
    return json.dumps(whole).replace(f'"{mark}"', text)


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("operation", POSTS)
def test_a_value_that_nothing_can_keep(send: Sent, operation: str, kind: str) -> None:
    """In each field of the body in turn, known or not: 422 that names the field; nothing is written."""
    good = send.good_body(operation)
    before = counts()
    for field in (*good, "something"):
        fields = refused(send(operation, _with(good, field, VALUES[kind])), 422)
        assert any(name.split(".")[0] == field for name in fields), (field, fields)
    assert counts() == before


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_deep_inside_is_named_where_it_stands(send: Sent, kind: str) -> None:
    """With its whole path; a report's arguments and a row's features are free of form and checked all the same."""
    report = "POST /api/v1/deliveries/{id}/check-runs/"
    body = send.good_body(report)
    results = copy.deepcopy(body["results"])
    results[0]["arguments"] = {"column": "@@here@@"}
    text = json.dumps({**body, "results": results}).replace('"@@here@@"', VALUES[kind])
    assert refused(send(report, text), 422)[0].startswith("results.0.arguments.column")
    row = "POST /api/v1/prediction-requests/"
    text = _with(send.good_body(row), "features", f'{{"carrier": {VALUES[kind]}}}')
    assert refused(send(row, text), 422)[0].startswith("features.carrier")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "nonsense"],
)  # fmt: skip
@pytest.mark.parametrize("operation", POSTS)
def test_a_body_of_another_type(send: Sent, operation: str, content_type: str) -> None:
    """415: the API reads JSON."""
    body = json.dumps(send.good_body(operation)) if operation in POSTS else "{}"
    refused(send(operation, body, content_type=content_type), 415)


@pytest.mark.parametrize("operation", POSTS)
def test_a_body_that_is_too_large(send: Sent, operation: str) -> None:
    """413 with the limit, before anything is parsed."""
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=1000):
        answer = send(operation, b"[" + b"1," * 1000 + b"1]")
        refused(answer, 413)
        assert "more than 1000 bytes" in answer.json()["detail"]


@pytest.mark.parametrize("length", ["nonsense", "-5", "", "0", "3"])
@pytest.mark.parametrize("operation", POSTS)
def test_a_length_that_is_wrong(send: Sent, operation: str, length: str) -> None:
    """The body is then missing or cut short, which is what the answer says."""
    body = json.dumps(send.good_body(operation))
    refused(send(operation, body, CONTENT_LENGTH=length), 400, 422)


@pytest.mark.parametrize("operation", [o for o in POSTS if "check-runs" not in o])
def test_a_mistyped_field_is_not_passed_over(send: Sent, operation: str) -> None:
    """``tenat`` in a batch would else mean every tenant."""
    body = send.good_body(operation)
    body["tenat"] = body.pop("tenant", "EWR")
    assert "tenat" in refused(send(operation, json.dumps(body)), 422)


QUERIES = {
    "?tenat=EWR": "tenat",
    "?tenant=EWR&tenant=JFK": "tenant",
    "?source=%00": "source",
    "?%00=1": "\\0",
    "?limit=10": "limit",
    "?format=xml": "format",
}


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("operation", operations())
def test_a_query_that_is_not_known(send: Sent, operation: str, query: str) -> None:
    """Never a list without the filter: the parameter is named."""
    assert QUERIES[query] in refused(send(operation, query=query), 400, 422)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?page=0", "page"), ("?page=-1", "page"), ("?page=x", "page"), ("?page=1e3", "page"), ("?page=%C2%B2", "page"),
        ("?page=99999999999999999999", "page"), (f"?page={'9' * 5000}", "page"), ("?page=", "page"),
        ("?page_size=0", "page_size"), ("?page_size=1001", "page_size"), ("?page_size=all", "page_size"),
        ("?page_size=1&page_size=2", "page_size"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("operation", LISTS)
def test_a_page_that_is_none(send: Sent, operation: str, query: str, field: str) -> None:
    """422 that names the parameter, never the first page or another size instead."""
    assert refused(send(operation, query=query), 422) == [field]


@pytest.mark.parametrize("operation", LISTS)
def test_a_page_past_the_end(send: Sent, operation: str) -> None:
    """404, and the last page can be asked for by name."""
    refused(send(operation, query="?page=7"), 404)
    assert send(operation, query="?page=last&page_size=1000").status_code == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?day=tomorrow", "day"), ("?day=", "day"), ("?day=2013-02-30", "day"),
        ("?day=2013-11-01T00:00:00Z", "day"), ("?day=10000-01-01", "day"), ("?status=nonsense", "status"),
        ("?status=LOADED", "status"), ("?tenant=", "tenant"), ("?source=", "source"),
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be(send: Sent, query: str, field: str) -> None:
    """422, not an empty list and not a whole one."""
    assert refused(send("GET /api/v1/deliveries/", query=query), 422) == [field]


KEYS = [
    "1",
    "nonsense",
    "-" * 36,
    "0" * 36,
    "%00",
    "%ff",
    "a" * 5000,
    "..%2f..%2fetc",
    "00000000-0000-0000-0000-00000000000g",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("operation", [o for o in operations() if "{" in o])
def test_a_key_that_is_none(users: dict[str, Any], operation: str, key: str) -> None:
    """404, or 400 for a character that no key has."""
    verb, path = operation.split(" ")
    address = re.sub(r"\{\w+\}", key, path)
    refused(Client(headers=TOKEN).generic(verb, address, b"", content_type=JSON), 404, 400)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "NONSENSE"])
@pytest.mark.parametrize("path", sorted({o.split(" ")[1] for o in operations()}))
def test_a_method_that_is_not_there(send: Sent, path: str, method: str) -> None:
    """405 with the methods that are."""
    if f"{method} {path}" in operations():
        return
    other = next(o for o in operations() if o.endswith(f" {path}"))
    key = str(send.objects[RECIPES[other].of].pk) if RECIPES[other].of else ""
    address = path.replace("{id}", key).replace("{name}", "arrival_delay")
    answer = Client(headers=TOKEN).generic(method, address, b"{}", content_type=JSON)
    refused(answer, 405)
    assert other.split(" ")[0] in answer["Allow"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "NONSENSE"])
@pytest.mark.parametrize(
    "path", ["", "v1/", "v1/nothing/", "v1/batches", "v2/", "v1/deliveries/x/y/", "%00", "docs/x"]
)
def test_an_address_that_is_not_there(db: None, path: str, method: str) -> None:
    """404 as problem+json for every method, with CSRF checks on and without a login."""
    client = Client(enforce_csrf_checks=True)
    answer = client.generic(method, f"/api/{path}", b'{"model": "x"}', content_type=JSON)
    assert answer.status_code in (404, 400)
    assert answer["Content-Type"] == "application/problem+json"
    if path == "v1/batches" and method != "HEAD":
        assert "did you mean /api/v1/batches/" in answer.json()["detail"]


@pytest.mark.parametrize("debug", [True, False])
def test_a_forgotten_slash_loses_no_body(users: dict[str, Any], debug: bool) -> None:
    """No redirect, which would drop it, and no failure of Django's own: 404 with the right address."""
    with override_settings(DEBUG=debug):
        answer = Client(headers=TOKEN).post("/api/v1/batches", b"{}", content_type=JSON)
        refused(answer, 404)


@pytest.mark.parametrize(
    "header", ["Token", "Token a b", "Token \xff", "Token a\0b", "Basic eA==", "Token " + "x" * 9000]
)
@pytest.mark.parametrize("operation", operations())
def test_a_token_that_is_none(send: Sent, operation: str, header: str) -> None:
    """401, or 400 for a character that no token has."""
    refused(send(operation, HTTP_AUTHORIZATION=header), 401, 400)


def test_a_host_that_is_not_ours(db: None) -> None:
    """400 that names the setting, as problem+json below /api/ and as a page elsewhere."""
    answer = Client().get("/api/v1/batches/", headers={"host": "evil.example"})
    refused(answer, 400)
    assert "ALLOWED_HOSTS" in answer.json()["detail"]
    page = Client().get("/admin/", headers={"host": "evil.example"})
    assert (page.status_code, "ALLOWED_HOSTS" in page.content.decode()) == (400, True)


def test_a_failure_that_nobody_expected(send: Sent, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """500 as problem+json without a word of the cause, whose traceback is in the log."""
    from django_app.ingest import selectors

    def broken(user: Any) -> Any:
        raise RuntimeError("the secret cause")

    monkeypatch.setattr(selectors, "deliveries", broken)
    answer = Client(headers=TOKEN, raise_request_exception=False).get("/api/v1/deliveries/")
    refused(answer, 500)
    assert "secret" not in answer.content.decode()
    assert "the secret cause" in caplog.text


def test_every_view_is_strict() -> None:
    """A view set that is new has the checks of all others; the walk above finds its operations by itself."""
    assert isinstance(router, SimpleRouter)
    assert [view for _, view, _ in router.registry if not issubclass(view, StrictView)] == []


@pytest.mark.parametrize("operation", POSTS)
def test_the_good_bodies_are_good(send: Sent, operation: str) -> None:
    """What the hostile ones are made from is accepted, up to the champion that is not there."""
    assert send(operation, json.dumps(send.good_body(operation))).status_code in (200, 202, 409)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PROPFIND"])
@pytest.mark.parametrize("path", ["schema/", "docs/"])
def test_the_documentation_answers_problems_as_json(db: None, path: str, method: str) -> None:
    """The OpenAPI file is YAML and its page HTML; what is wrong is a problem all the same."""
    refused(Client().generic(method, f"/api/{path}", b"{}", content_type=JSON), 405)


def test_another_type_is_not_to_be_had(send: Sent) -> None:
    """406: the API answers JSON."""
    refused(send("GET /api/v1/batches/", HTTP_ACCEPT="application/xml"), 406)


DAYS = {"day": None}
SLICES: dict[str, tuple[dict[str, Any], str]] = {
    "before the first year": ({**DAYS, "start": "0001-01-01T00:00:00+14:00", "end": "2013-11-02T00:00:00Z"}, "start"),
    "after the last year": ({**DAYS, "start": "2013-11-01T00:00:00Z", "end": "9999-12-31T23:59:59-14:00"}, "end"),
    "a day without hyphens": ({"day": 20131101}, "day"),
    "a moment for a day": ({"day": "2013-11-01T12:00:00Z"}, "day"),
    "a path for a model": ({"model": "../../etc/passwd"}, "model"),
    "a list for a model": ({"model": ["arrival_delay"]}, "model"),
    "a source for a model": ({"model": "flight_schedule"}, "model"),
    "true for a tenant": ({"tenant": True}, "tenant"),
    "an object for a tenant": ({"tenant": {"slug": "EWR"}}, "tenant"),
    "nothing for a tenant": ({"tenant": ""}, "tenant"),
    "a key that is too long": ({"key": "k" * 251}, "key"),
    "an empty key": ({"key": ""}, "key"),
    "a name that is too long": ({"on_behalf_of": "x" * 151}, "on_behalf_of"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SLICES)
def test_a_slice_that_cannot_be(send: Sent, kind: str) -> None:
    """422 that names the field."""
    operation = "POST /api/v1/batches/"
    changes, field = SLICES[kind]
    body = {
        name: value for name, value in {**send.good_body(operation), **changes}.items() if value is not None
    }
    before = counts()
    assert field in refused(send(operation, json.dumps(body)), 422)
    assert counts() == before


def test_very_many_errors_are_cut(send: Sent) -> None:
    """The answer is not larger than the request was."""
    report = "POST /api/v1/deliveries/{id}/check-runs/"
    body = {**send.good_body(report), "results": [{}] * 5000}
    fields = refused(send(report, json.dumps(body)), 422)
    assert len(fields) == 101
    assert "more" in send(report, json.dumps(body)).json()["errors"][-1]["message"]
    body = {**send.good_body("POST /api/v1/batches/"), **{f"x{n}": 1 for n in range(5000)}}
    assert len(refused(send("POST /api/v1/batches/", json.dumps(body)), 422)) <= 101


@pytest.mark.parametrize("operation", POSTS)
def test_a_session_without_a_csrf_token(send: Sent, users: dict[str, Any], operation: str) -> None:
    """A browser's session writes with a token alone: 403 as a problem, and nothing is written."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(users["root"])
    path = operation.split(" ")[1].replace("{id}", str(send.objects["delivery"].pk))
    before = counts()
    refused(client.post(path, b"{}", content_type=JSON), 403)
    assert counts() == before
