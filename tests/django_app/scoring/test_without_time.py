"""A model whose rows have no time: batches of all rows and of given entities."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from psycopg import sql

from django_app.flights.models import Flight
from django_app.ingest.loaded_keys import LoadedRows
from django_app.scoring import chunk_rows
from django_app.scoring.models import Batch, Prediction
from django_app.scoring.row_selection import RowSelection
from django_app.scoring.services import chunks
from django_app.tenants.models import Tenant
from hotclub import contract_files
from tests.django_app.scoring.conftest import CONTRACTS, LAST_NUMBER
from tests.django_app.scoring.flight_length import (
    BATCHES,
    NOW,
    Make,
    clock,
    entities_of,
    keys_of,
    made,
    post_batch,
    scored,
)

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


class TestAll:
    """Every row."""

    def test_every_row_is_scored_once(
        self, timeless: Make, api: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of every tenant, in several chunks, without a time; rows that came meanwhile are in it, too."""
        timeless()
        cut = chunk_rows.chunks
        monkeypatch.setattr(chunk_rows, "chunks", lambda entities: cut(entities, 3000))
        batch = made(post_batch(api, all=True))
        assert batch.chunks.count() > 2
        assert (batch.rows_of, batch.day, batch.start, batch.end) == ("all", None, None, None)
        assert str(batch) == "flight_length all tenants all"
        planned = keys_of()
        late = Flight.objects.order_by("pk").last()
        assert late is not None
        late.pk, late.number = None, LAST_NUMBER
        late.save(force_insert=True)
        scored(batch)
        assert entities_of(batch) == planned | {late.pk}
        assert (batch.status, batch.rows_total, batch.rows_new) == ("done", len(planned), 1)
        assert set(Prediction.objects.filter(batch=batch).values_list("event_time", flat=True)) == {None}
        assert (
            batch.summary == f"{len(planned):,} rows planned, {len(planned) + 1:,} scored, 0 vanished, 1 new"
        )

    def test_of_a_tenant(self, timeless: Make, api: Any) -> None:
        """Its rows and no others."""
        timeless()
        batch = scored(made(post_batch(api, "owner", all=True, tenant="EWR")))
        assert entities_of(batch) == keys_of(origin__tenant="EWR")

    def test_of_a_model_that_is_split_by_something(self, timeless: Make, api: Any) -> None:
        """What rows are split by is a column of the view, and nothing that scoring reads."""
        timeless(split_by="origin")
        assert scored(made(post_batch(api, all=True))).rows_done == len(keys_of())

    def test_there_are_none(self, timeless: Make, api: Any) -> None:
        """Done at once, and it says so."""
        timeless()
        Flight.objects.update(number=F("number") + LAST_NUMBER + 1)
        answer = post_batch(api, all=True).json()
        assert (answer["status"], answer["summary"]) == (
            "done",
            "no rows: there were none when the batch was planned",
        )

    def test_a_model_with_time_takes_it_too(self, timeless: Make, api: Any) -> None:
        """It is for any model."""
        timeless(event_time="scheduled_departure", evaluate_days=3, stopping_days=3)
        assert made(post_batch(api, all=True)).rows_total == len(keys_of())


class TestEntities:
    """The rows of given keys."""

    def test_those_and_no_others(self, timeless: Make, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Across chunks; keys between them, and rows that come meanwhile, are not scored."""
        timeless()
        cut = chunk_rows.chunks
        monkeypatch.setattr(chunk_rows, "chunks", lambda entities: cut(entities, 4))
        keys = sorted(keys_of())[10:40:3]
        batch = made(post_batch(api, entities=[str(key) if key % 2 else key for key in keys]))
        assert batch.chunks.count() == 3
        scored(batch)
        assert entities_of(batch) == set(keys)
        assert batch.summary == "10 rows asked for, 10 scored, 0 not found among the model's rows"
        assert batch.rows_new == 0

    def test_what_is_not_found_is_counted(
        self, timeless: Make, api: Any, users: dict[str, Any], client: Any
    ) -> None:
        """An unknown key, one that the model's rows leave out, and one that goes before it is read."""
        timeless()
        known, going, left_out = sorted(keys_of())[:3]
        Flight.objects.filter(pk=left_out).update(number=LAST_NUMBER + 1)
        batch = made(post_batch(api, entities=[known, going, left_out, 10**15]))
        Flight.objects.filter(pk=going).delete()
        scored(batch)
        assert entities_of(batch) == {known}
        assert (batch.status, batch.rows_total, batch.rows_done, batch.rows_vanished) == ("done", 4, 1, 3)
        summary = "4 rows asked for, 1 scored, 3 not found among the model's rows"
        found = api("service").get(f"{BATCHES}{batch.pk}/").json()
        assert (found["summary"], found["rows_vanished"], found["rows_of"]) == (summary, 3, "entities")
        client.force_login(users["root"])
        assert "1 of 4, 3 not found" in client.get("/admin/scoring/batch/").content.decode()
        page = client.get(f"/admin/scoring/batch/{batch.pk}/change/").content.decode()
        assert "3 not found among the model&#x27;s rows" in page
        assert "4 entities" in page

    def test_rows_of_another_tenant_are_never_scored(self, timeless: Make, api: Any) -> None:
        """They count as not found: whether they exist is the other tenant's matter."""
        timeless()
        own, others = min(keys_of(origin__tenant="EWR")), sorted(keys_of(origin__tenant="JFK"))[:2]
        batch = scored(made(post_batch(api, "owner", entities=[own, *others], tenant="EWR")))
        assert entities_of(batch) == {own}
        assert batch.summary == "3 rows asked for, 1 scored, 2 not found among the model's rows of EWR"
        answer = post_batch(api, "owner", entities=[own, *others])
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "tenant")

    @pytest.mark.parametrize(
        ("entities", "errors"),
        [
            ("17", {"entities": "must be an array"}),
            ({"17": 1}, {"entities": "must be an array"}),
            (17, {"entities": "must be an array"}),
            (None, {"entities": "null"}),
            ([], {"entities": "at least one key"}),
            ([1, "x"], {"entities.1": "must be a key of type bigint, got 'x'"}),
            (
                [1.5, True, None, [1], {}, ""],
                {f"entities.{place}": "must be a key of type bigint" for place in range(6)},
            ),
            ([2**63 - 1, "9223372036854775808"], {"entities.1": "must be a key"}),
            ([1, 2, "1"], {"entities.2": "is the same as entities.0: '1'"}),
            (
                [7, "007", "07"],
                {"entities.1": "is the same as entities.0", "entities.2": "is the same as entities.0"},
            ),
            (list(range(100_001)), {"entities": "at most 100,000 keys, got 100,001"}),
        ],
    )
    def test_what_is_no_list_of_keys(
        self, timeless: Make, api: Any, entities: object, errors: dict[str, str]
    ) -> None:
        """Each wrong key by its place, as the inference service has it."""
        timeless()
        answer = post_batch(api, entities=entities)
        assert answer.status_code == 422
        found = {error["field"]: error["message"] for error in answer.json()["errors"]}
        assert set(found) == set(errors)
        assert all(words in found[field] for field, words in errors.items())
        assert not Batch.objects.exists()

    @pytest.mark.parametrize("kind", ["bigint", "uuid"])
    def test_as_many_as_are_allowed(
        self, timeless: Make, api: Any, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """100,000 keys of 36 characters are within the body's limit, too."""
        if kind == "uuid":
            timeless(entity_type="uuid")
            keys: list[Any] = [str(uuid.UUID(int=number)) for number in range(100_000)]
        else:
            timeless()
            keys = [*range(1, 100_001)]
        batch = made(post_batch(api, entities=keys))
        assert (batch.rows_total, batch.chunks.count()) == (100_000, 20)

    def test_the_same_key_with_other_rows_is_a_conflict(self, timeless: Make, api: Any) -> None:
        """In another order they are the same rows; others, all, or an interval are not."""
        timeless()
        one, two, three = sorted(keys_of())[:3]
        first = post_batch(api, entities=[one, two], key="k")
        again = post_batch(api, entities=[str(two), one], key="k")
        assert (first.status_code, again.status_code, again.json()["id"]) == (202, 200, first.json()["id"])
        for other in ({"entities": [one, three]}, {"entities": [one]}, {"all": True}):
            answer = post_batch(api, key="k", **other)
            assert (answer.status_code, answer.json()["detail"]) == (
                409, f"the key 'k' belongs to another batch: {first.json()['id']}, of 2 entities",
            )  # fmt: skip
        assert Batch.objects.count() == 1

    def test_text_keys_with_any_character(self, timeless: Make, api: Any) -> None:
        """A digest of keys joined by a separator would take these two for one list."""
        timeless(entity_type="text")
        assert post_batch(api, entities=["a\nb"], key="k").status_code == 202
        assert post_batch(api, entities=["a", "b"], key="k").status_code == 409
        assert post_batch(api, entities=["a,b", '"', "\\", "{}", "'; --", "é"], key="l").status_code == 202

    def test_text_keys_are_found_as_they_are(self, timeless: Make, api: Any) -> None:
        """Quotes, backslashes, commas, braces, an empty text and the text NULL reach PostgreSQL unchanged."""
        ref = timeless(entity_type="text")
        keys = [
            "",
            " ",
            "a,b",
            '"',
            "'",
            "\\",
            "\\n",
            "{}",
            "NULL",
            "'; DROP TABLE x; --",
            "%s",
            "Größe",
            "a\nb",
        ]
        batch = made(post_batch(api, entities=keys))
        chunk = batch.chunks.get()
        condition = chunk_rows._entities(ref.contract, batch, chunk)
        query = sql.SQL("SELECT entity FROM unnest({}::text[]) AS v(entity) WHERE {}")
        with connection.cursor() as cursor:
            cursor.execute(query.format([*keys, "another", "null", "\\\\"], condition))
            assert sorted(entity for (entity,) in cursor) == sorted(keys)

    def test_a_chunk_that_died_is_scored_again(
        self, timeless: Make, api: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A worker that dies before the commit leaves nothing, and the next one has the same keys."""
        timeless()
        keys = sorted(keys_of())[:5]
        batch = made(post_batch(api, entities=keys))
        with monkeypatch.context() as dying:
            dying.setattr(chunks, "_batch_progress", lambda **_: (_ for _ in ()).throw(MemoryError))
            with pytest.raises(MemoryError):
                chunks.chunk_score(chunk_id=batch.chunks.get().pk, clock=clock)
        assert not Prediction.objects.filter(batch=batch).exists()
        assert entities_of(scored(batch)) == set(keys)
        assert chunks.chunk_score(chunk_id=batch.chunks.get().pk, clock=clock) is False
        batch.refresh_from_db()
        assert (batch.rows_done, batch.rows_vanished) == (5, 0)


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({}, "day", "exactly one of: partition, day, start and end, all, entities"),
        ({"all": True, "entities": [1]}, "all", "all and entities are given"),
        ({"all": True, "day": "2013-11-01"}, "day", "day and all are given"),
        ({"entities": [1], "start": "2013-11-01T00:00:00Z"}, "start", "start and entities are given"),
        ({"entities": [1], "end": "2013-11-01T00:00:00Z"}, "start", "start and entities are given"),
        ({"all": True, "partition": "EWR.2013-11-01"}, "all", "a partition says it already"),
        ({"entities": [1], "partition": "EWR.2013-11-01"}, "entities", "a partition says it already"),
        ({"all": False}, "all", "must be true"),
        ({"all": None}, "all", "null"),
        ({"all": "perhaps"}, "all", "boolean"),
        ({"day": "2013-11-01"}, "day", "rows of flight_length have no time in contract version 1"),
        (
            {"start": "2013-11-01T00:00:00Z", "end": "2013-11-02T00:00:00Z"},
            "start",
            "rows of flight_length have no time",
        ),
        ({"partition": "2013-11-01x"}, "partition", "2013-11-01x"),
    ],
)
def test_exactly_one_way_and_none_by_time(
    timeless: Make, api: Any, body: dict[str, Any], field: str, words: str
) -> None:
    """Each wrong way is refused under its field, with what is right."""
    timeless()
    answer = post_batch(api, **body)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert words in error["message"]


def test_delivered_rows_go_by_their_loads(timeless: Make) -> None:
    """The same load is the same rows, although some went since; another load is another batch's."""
    source = contract_files.find_source("flight_schedule", [CONTRACTS])

    def digest(*loads: tuple[str, int], hashes: frozenset[int] = frozenset({1, 2})) -> str:
        rows = LoadedRows(source, hashes, loads)
        return RowSelection.of_delivered(NOW.date(), rows).entities_digest

    one, two = (str(uuid.UUID(int=number)) for number in (1, 2))
    assert digest((one, 1)) == digest((one, 1), hashes=frozenset({1}))
    assert len({digest((one, 1)), digest((one, 2)), digest((two, 1)), digest((one, 1), (two, 1)), ""}) == 5


def test_an_interval_has_ends_and_nothing_else_has(timeless: Make, api: Any) -> None:
    """PostgreSQL holds it, whatever writes."""
    from django.db import IntegrityError, transaction

    timeless()
    batch = made(post_batch(api, all=True))
    for change in ({"start": NOW, "end": NOW}, {"rows_of": "interval"}, {"start": NOW}):
        with pytest.raises(IntegrityError, match="scoring_batch_interval_has_ends"), transaction.atomic():
            Batch.objects.filter(pk=batch.pk).update(**change)
    assert connection.is_usable()
    assert Tenant.objects.exists()
