"""Run planned expectations with Great Expectations, and turn its answers into results.

Counts are exact; up to 20 examples are kept. An expectation that raises is a broken check, not bad
data: it ends the run with the check's name.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from data_checks.errors import CheckError
from data_checks.report import EXAMPLES, Result
from data_checks.suite import On, Planned
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
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core.batch import Batch
    from great_expectations.data_context import AbstractDataContext

_PLAN: Final = "hotclub_plan"


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
def postgresql_batches(url: str, timezone: str, tables: dict[On, str]) -> Iterator[dict[On, Batch]]:
    """Yield a batch for each table or view of the staging schema; its connections are closed afterwards."""
    # Great Expectations keeps engines of its own alive; without a pool none of them keeps a connection.
    source = _context().data_sources.add_postgres(
        "staging", connection_string=sqlalchemy_url(url, timezone), kwargs={"poolclass": NullPool}
    )
    batches: dict[On, Batch] = {}
    for on, table in tables.items():
        asset = source.add_table_asset(on, table_name=table)
        batches[on] = asset.add_batch_definition_whole_table(on).get_batch()
    try:
        yield batches
    finally:
        source.get_execution_engine().close()


def dataframe_batches(frame: pd.DataFrame) -> dict[On, Batch]:
    """Return the batch of a training snapshot."""
    asset = _context().data_sources.add_pandas("snapshot").add_dataframe_asset("snapshot")
    definition = asset.add_batch_definition_whole_dataframe("snapshot")
    return {"typed": definition.get_batch({"dataframe": frame})}


def run(planned: Sequence[Planned], batches: dict[On, Batch], *, row_column: str) -> list[Result]:
    """Run every planned expectation; return results in the order of the plan.

    `row_column` is the column that says which row an example is.

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
            "partial_unexpected_count": EXAMPLES,
            "unexpected_index_column_names": [row_column],
        }
        for answer in batch.validate(suite, result_format=result_format).results:
            position = answer.expectation_config.meta[_PLAN]
            results[position] = _result(planned[position], answer, row_column)
    return [results[position] for position in sorted(results)]


def _result(plan: Planned, answer: Any, row_column: str) -> Result:
    _raise_for_exception(plan, answer.exception_info)
    detail: dict[str, Any] = answer.to_json_dict()["result"]
    count, examples = _unexpected(detail, success=bool(answer.success))
    return Result(
        expectation=plan.name,
        arguments=plan.arguments,
        severity=plan.severity,
        success=bool(answer.success),
        unexpected_count=count,
        unexpected_examples=examples,
        message=f"{plan.describes}: holds"
        if answer.success
        else _message(plan, detail, count, examples, row_column),
    )


def _raise_for_exception(plan: Planned, info: dict[str, Any] | None) -> None:
    for part in [info or {}, *(v for v in (info or {}).values() if isinstance(v, dict))]:
        if part.get("raised_exception"):
            lines = str(part.get("exception_message") or "it could not be evaluated").strip().splitlines()
            raise CheckError(plan.name, plan.arguments, lines[0])


def _unexpected(detail: dict[str, Any], *, success: bool) -> tuple[int, list[Any]]:
    rows = (detail.get("details") or {}).get("unexpected_rows")
    if rows is not None:
        return int(detail["observed_value"]), list(rows)[:EXAMPLES]
    if "unexpected_count" in detail:
        examples = detail.get("unexpected_index_list") or detail.get("partial_unexpected_list") or []
        return int(detail["unexpected_count"] or 0), list(examples)[:EXAMPLES]
    return (0 if success else 1), []


def _message(plan: Planned, detail: dict[str, Any], count: int, examples: list[Any], row_column: str) -> str:
    mismatched = (detail.get("details") or {}).get("mismatched")
    if mismatched is not None:
        words = {"missing": mismatched.get("missing"), "unknown": mismatched.get("unexpected")}
        listed = "; ".join(f"{word}: {', '.join(cols)}" for word, cols in words.items() if cols)
        return f"{plan.describes}; {listed}"
    if "unexpected_count" not in detail and "details" not in detail:
        return f"{plan.describes}, found {detail.get('observed_value')}"
    rows = [str(e[row_column]) for e in examples if isinstance(e, dict) and row_column in e][:5]
    where = f" (rows {', '.join(rows)}{', …' if count > len(rows) else ''})" if rows else ""
    return f"{plan.describes}; {count} {'row does' if count == 1 else 'rows do'} not{where}"
