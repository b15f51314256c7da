"""What operators make of a run's context and of Django's answers, without a DAG run."""

from __future__ import annotations

import datetime as dt
import json
from types import SimpleNamespace
from typing import Any

import pytest

from hotclub import names


def operator(**options: Any):
    """Return a batch operator of the model `late`."""
    from dags.operators import BatchOperator

    return BatchOperator(**{"task_id": "batch", "model_name": "late", "rows_of": "partition", **options})


def context(key: str | None = None, **params: Any) -> dict[str, Any]:
    """Return the part of a run's context that the operator reads."""
    run = SimpleNamespace(run_id="run-1", partition_key=key)
    return {"dag_run": run, "params": params}


def refusal(made: Any, of: dict[str, Any]) -> str:
    """Return the words with which the operator ends for good."""
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException) as failed:
        made.execute(of)
    return str(failed.value)


class TestRows:
    """Which rows a run stands for; one that stands for none ends at once, with what to do."""

    @pytest.mark.parametrize("dates", [{}, {"data_interval_start": None, "data_interval_end": None}])
    def test_replay_without_a_date(self, dates: dict[str, None]) -> None:
        """A run that was triggered without a logical date has no interval in its context: no KeyError."""
        words = refusal(operator(rows_of="interval"), {**context(), **dates})
        assert "this run has no data interval: trigger it with a logical date" in words

    def test_replay_with_a_date(self) -> None:
        """Its interval is the batch's."""
        start, end = (dt.datetime(2013, 11, day, tzinfo=dt.UTC) for day in (1, 2))
        found = operator(rows_of="interval")._rows(
            {**context(), "data_interval_start": start, "data_interval_end": end}
        )
        assert found == {
            "start": "2013-11-01T00:00:00+00:00", "end": "2013-11-02T00:00:00+00:00", "key_per_version": True,
        }  # fmt: skip

    def test_score_without_a_day(self) -> None:
        """A tenant alone says no rows."""
        words = refusal(operator(), context(tenant="EWR", day=None))
        assert words.startswith('this run has no partition; trigger it with {"day": "2013-11-01"}')

    @pytest.mark.parametrize("given", [{"day": "2013-11-01"}, {"day": "1.11.2013", "tenant": "EWR"}])
    def test_score_by_hand(self, given: dict[str, str]) -> None:
        """What was typed goes to Django as it is, which says what is wrong with it."""
        assert operator()._rows(context(**{"tenant": None, **given})) == given

    @pytest.mark.parametrize("key", ["EWR.2013-11-01", "2013-11-01", ""])
    def test_a_partition_goes_as_it_is(self, key: str) -> None:
        """Tenant and day are Django's to read out of it."""
        assert operator()._rows(context(key)) == {"partition": key}


class TestRowsWithoutTime:
    """A model whose rows have no time: by hand it is all rows, or those of given keys."""

    @pytest.mark.parametrize(
        ("params", "given"),
        [
            ({"all": True, "entities": None}, {"all": True}),
            ({"all": False, "entities": ["17", 18]}, {"entities": ["17", 18]}),
            ({"all": True, "tenant": "EWR"}, {"all": True, "tenant": "EWR"}),
            # Both at once is Django's to refuse, with its own words.
            ({"all": True, "entities": ["17"]}, {"all": True, "entities": ["17"]}),
        ],
    )
    def test_by_hand(self, params: dict[str, Any], given: dict[str, Any]) -> None:
        """What was typed goes to Django as it is."""
        assert operator(rows_of="delivered")._rows(context(**params)) == given

    @pytest.mark.parametrize(
        "params", [{}, {"all": False, "entities": None}, {"entities": [], "tenant": "EWR"}]
    )
    def test_by_hand_without_rows(self, params: dict[str, Any]) -> None:
        """A run that says no rows ends at once, with what to type."""
        words = refusal(operator(rows_of="delivered"), context(**params))
        assert words == (
            'this run has no partition; trigger it with {"all": true} or {"entities": ["17", "18"]}'
        )

    def test_a_partition_goes_as_it_is(self) -> None:
        """Which rows were delivered in it is Django's to say; what is typed beside it counts for nothing."""
        found = operator(rows_of="delivered")._rows(context("2013-11-01", all=True))
        assert found == {"partition": "2013-11-01"}


class TestAnswers:
    """What Django says, and whether the task may try again."""

    BY_HAND = context(tenant="EWR", day="2013-11-01")

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
    def test_refused_is_final(self, django_server, status: int) -> None:
        """A tenant that does not exist, say: Django's words, and no retry."""
        detail = {"detail": "Invalid", "errors": [{"field": "tenant", "message": "'XXX' is not a tenant"}]}
        django_server.answer("POST", "batches/", (status, detail))
        assert "tenant: 'XXX' is not a tenant" in refusal(operator(), self.BY_HAND)

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
    def test_away_may_pass(self, django_server, status: int) -> None:
        """Django restarting, or MLflow behind it away, is tried again."""
        from airflow.sdk.exceptions import AirflowException, AirflowFailException

        django_server.answer("POST", "batches/", (status, {"detail": "later"}))
        with pytest.raises(AirflowException, match="later") as failed:
            operator().execute(self.BY_HAND)
        assert not isinstance(failed.value, AirflowFailException)

    def test_no_champion_is_skipped(self, django_server) -> None:
        """The problem's type says so: it is no failure."""
        from airflow.sdk.exceptions import AirflowSkipException

        refused = {"type": names.PROBLEM_NO_CHAMPION, "detail": "late has no champion"}
        django_server.answer("POST", "batches/", (409, refused))
        with pytest.raises(AirflowSkipException, match="late has no champion"):
            operator().execute(self.BY_HAND)

    def test_another_conflict_is_a_failure(self, django_server) -> None:
        """A key that is another batch's, say: a day that is not scored must not look skipped."""
        django_server.answer("POST", "batches/", (409, {"type": "about:blank", "detail": "another batch"}))
        assert "another batch" in refusal(operator(), self.BY_HAND)

    @pytest.mark.parametrize("answer", [{}, ["b1"], {"detail": "welcome"}])
    def test_an_answer_that_is_no_batch(self, django_server, answer: Any) -> None:
        """Another server behind the address: no KeyError four times over."""
        django_server.answer("POST", "batches/", (200, answer))
        assert "Django answered without a batch" in refusal(operator(), self.BY_HAND)

    @pytest.mark.parametrize("host", ["ftp://127.0.0.1", "http://127.0.0.1:port"])
    def test_an_address_that_is_none(self, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
        """A connection that nobody can connect to names itself."""
        monkeypatch.setenv("AIRFLOW_CONN_HOTCLUB_DJANGO", json.dumps({"conn_type": "http", "host": host}))
        assert "the Airflow connection hotclub_django cannot be used" in refusal(operator(), self.BY_HAND)

    def test_a_failed_batch_gets_its_successor_from_django(self, django_server) -> None:
        """A task that is cleared sends the same body: Django knows what failed, and who made the next already."""
        from airflow.sdk.exceptions import TaskDeferred

        django_server.answer("POST", "batches/", (202, {"id": "b2", "status": "pending"}))
        for _ in range(2):
            with pytest.raises(TaskDeferred):
                operator().execute(context("EWR.2013-11-01"))
        body = {"model": "late", "key": "run-1", "retry_failed": True, "partition": "EWR.2013-11-01"}
        assert [sent for _, _, sent in django_server.asked] == [body, body]

    @pytest.mark.parametrize(
        ("counts", "level"),
        [
            ({"rows_total": 9, "rows_done": 9, "rows_vanished": 0, "rows_new": 0}, "info"),
            ({"rows_total": 9, "rows_done": 8, "rows_vanished": 1, "rows_new": 0}, "warning"),
            ({"rows_total": 9, "rows_done": 10, "rows_vanished": 0, "rows_new": 1}, "warning"),
            ({"rows_total": 0, "rows_done": 0, "rows_vanished": 0, "rows_new": 0}, "warning"),
        ],
    )
    def test_the_result_says_what_the_batch_was(
        self, monkeypatch: pytest.MonkeyPatch, counts: dict[str, int], level: str
    ) -> None:
        """The counts are the task's result, and the sentence is in its log; what moved is a warning."""
        made = operator()
        said: list[tuple[str, str]] = []
        log = SimpleNamespace(
            info=lambda text, *a: said.append(("info", text % a)),
            warning=lambda text, *a: said.append(("warning", text % a)),
        )
        monkeypatch.setattr(type(made), "log", log)
        batch = {"id": "b1", "status": "done", "summary": "9 rows planned", **counts}
        event = {"outcome": "done", "status": "done", "detail": "", "object": batch}
        assert made.execute_complete({}, event) == batch
        assert said == [(level, "Batch b1: 9 rows planned")]


@pytest.mark.usefixtures("services")
def test_an_interpreter_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong setting ends the task once, with the path."""
    from airflow.sdk.exceptions import AirflowFailException

    from dags.operators import CommandOperator

    monkeypatch.setenv("HOTCLUB_TRAINING_PYTHON", "/nowhere/python")
    made = CommandOperator(task_id="fit", module="training", command="fit", options={})
    with pytest.raises(AirflowFailException, match="/nowhere/python cannot be started"):
        made.execute({})
