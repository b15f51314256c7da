"""Run planned expectations with Great Expectations, and convert its answers to results.

Counts are exact; up to 20 examples are kept. An expectation that raises is a broken check, which ends the run with the
check's name, unless it raises because of the values: then it fails, and the report says so.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from data_checks import check_messages
from data_checks.check_messages import RowLabel
from data_checks.errors import CheckError
from data_checks.expectation_plan import PlannedExpectation
from data_checks.report import MAX_EXAMPLES, Result
from data_checks.staging_tables import ViewKind
from hotclub import names

# Read by Great Expectations as it is imported.
os.environ["GX_ANALYTICS_ENABLED"] = "false"

import great_expectations as gx
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from sqlalchemy.engine import make_url
from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core.batch import Batch
    from great_expectations.data_context import AbstractDataContext

_PLAN: Final = "hotclub_plan"
#: The expectation whose argument lists the values that it takes.
_ALLOWS: Final = "ExpectColumnValuesToBeInSet"
#: What SQLAlchemy puts before PostgreSQL's words.
_DRIVER: Final = re.compile(r"^\(psycopg\.errors\.\w+\) ")
#: Errors that the values cause in a correct expectation: sums that are too large, or no value at all.
_DATA_CAUSES: Final = (
    "psycopg.errors.NumericValueOutOfRange",
    "psycopg.errors.DivisionByZero",
    "psycopg.errors.DatetimeFieldOverflow",
    "psycopg.errors.IntervalFieldOverflow",
    "NoneType",
    "division by zero",
    "cannot convert float NaN",
)


def _context() -> AbstractDataContext:
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def sqlalchemy_url(url: str, timezone: str) -> str:
    """Return a libpq URL for SQLAlchemy over psycopg, with sessions in the staging schema and a zone."""
    parsed = make_url(url).set(drivername="postgresql+psycopg")
    if parsed.host is None:
        # Great Expectations refuses a URL without a host; the socket folder in the query wins over it.
        parsed = parsed.set(host="localhost")
    options = f"-c timezone={timezone} -c search_path={names.SCHEMA_STAGING}"
    return parsed.update_query_dict({"options": options}).render_as_string(hide_password=False)


@contextmanager
def postgresql_batches(
    url: str, timezone: str, tables: dict[ViewKind, str]
) -> Iterator[dict[ViewKind, Batch]]:
    """Yield a batch for each table or view of the staging schema; its connections are closed afterwards."""
    # Great Expectations makes engines of its own and asks each for a connection sixty times a check: with a password
    # that is hashed, opening them is half of its time. Their pools are noted, so that none keeps a connection.
    pools: list[QueuePool] = []

    class NotedPool(QueuePool):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            pools.append(self)

    source = _context().data_sources.add_postgres(
        "staging", connection_string=sqlalchemy_url(url, timezone), kwargs={"poolclass": NotedPool}
    )
    batches: dict[ViewKind, Batch] = {}
    for on, table in tables.items():
        asset = source.add_table_asset(on, table_name=table)
        batches[on] = asset.add_batch_definition_whole_table(on).get_batch()
    try:
        yield batches
    finally:
        source.get_execution_engine().close()
        for pool in pools:
            pool.dispose()


def dataframe_batches(frame: pd.DataFrame) -> dict[ViewKind, Batch]:
    """Return the batch of a training snapshot."""
    asset = _context().data_sources.add_pandas("snapshot").add_dataframe_asset("snapshot")
    definition = asset.add_batch_definition_whole_dataframe("snapshot")
    return {"typed": definition.get_batch({"dataframe": frame})}


def run(
    planned: Sequence[PlannedExpectation], batches: dict[ViewKind, Batch], *, row_label: RowLabel
) -> list[Result]:
    """Run every planned expectation; return results in the order of the plan.

    Args:
        planned: what to run.
        batches: what to run it on.
        row_label: how a message names a row.

    Raises:
        CheckError: an expectation could not be evaluated; the message names it with its arguments.
    """
    results: dict[int, Result] = {}
    for on, batch in batches.items():
        suite = gx.ExpectationSuite(name=on)
        for position, plan in enumerate(planned):
            if plan.on == on:
                # The answers come back in another order: failures to evaluate first.
                plan.expectation.meta = {_PLAN: position}
                suite.add_expectation(plan.expectation)
        if not suite.expectations:
            continue
        result_format = {
            "result_format": "COMPLETE",
            "partial_unexpected_count": MAX_EXAMPLES,
            "unexpected_index_column_names": [row_label.column],
        }
        for answer in batch.validate(suite, result_format=result_format).results:
            position = answer.expectation_config.meta[_PLAN]
            results[position] = _result(planned[position], answer, row_label)
    return [results[position] for position in sorted(results)]


def _result(plan: PlannedExpectation, answer: Any, row_label: RowLabel) -> Result:
    impossible = _exception(plan, answer.exception_info)
    detail: dict[str, Any] = {} if impossible else answer.to_json_dict()["result"]
    success = bool(answer.success)
    count, examples = _unexpected(detail, plan, success=success)
    if success:
        message = check_messages.holds(plan.describes)
    elif impossible:
        message = check_messages.not_computable(plan.describes, impossible)
    else:
        allowed = plan.arguments["value_set"] if plan.name == _ALLOWS else ()
        message = check_messages.failed(plan.describes, detail, count, examples, row_label, allowed)
    return Result(plan.name, plan.arguments, plan.severity, success, count, examples, message)


def _exception(plan: PlannedExpectation, info: dict[str, Any] | None) -> str | None:
    """Return why an expectation cannot be evaluated where that lies in the data; None when it was evaluated.

    Raises:
        CheckError: it lies in the expectation.
    """
    for part in [info or {}, *(v for v in (info or {}).values() if isinstance(v, dict))]:
        if part.get("raised_exception"):
            text = str(part.get("exception_message") or "it could not be evaluated").strip()
            first = text.splitlines()[0]
            if any(cause in text for cause in _DATA_CAUSES):
                return _DRIVER.sub("", first)
            raise CheckError(plan.name, plan.arguments, first)
    return None


def _unexpected(detail: dict[str, Any], plan: PlannedExpectation, *, success: bool) -> tuple[int, list[Any]]:
    rows = (detail.get("details") or {}).get("unexpected_rows")
    if rows is not None:
        return int(detail["observed_value"]), [_renamed(row, plan) for row in list(rows)[:MAX_EXAMPLES]]
    if "unexpected_count" in detail:
        examples = detail.get("unexpected_index_list") or detail.get("partial_unexpected_list") or []
        return int(detail["unexpected_count"] or 0), [
            _renamed(e, plan) for e in list(examples)[:MAX_EXAMPLES]
        ]
    return (0 if success else 1), []


def _renamed(example: Any, plan: PlannedExpectation) -> Any:
    """Return an example under the names of the file."""
    if not isinstance(example, dict):
        return example
    return {plan.shown.get(key, key): value for key, value in example.items()}
