"""Check a staged delivery or a training snapshot against its contract."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import psycopg
import pyarrow.parquet as pq

from data_checks import gate, staging, suite
from data_checks.errors import StagingError
from data_checks.report import Report, Result
from hotclub import names
from hotclub.contract import ModelContract, SourceContract

Clock = Callable[[], dt.datetime]


def check_delivery(
    url: str, contract: SourceContract, delivery: str, facts: suite.DeliveryFacts, clock: Clock
) -> Report:
    """Run the source's suite on a staged delivery.

    Raises:
        StagingError: nothing is staged for this delivery.
        CheckError: a declared check cannot be run.
    """
    started_at = clock()
    planned = suite.source_suite(
        contract, facts
    )  # first, so that a broken check is an error whatever the file
    with psycopg.connect(url) as connection:
        columns = staging.table_columns(connection, delivery)
        if columns is None:
            raise StagingError(f"delivery {delivery}: nothing is staged; run `data_checks stage` first")
        problem = staging.staged_problem(connection, delivery)
        rows = staging.count_rows(connection, delivery)
        if problem is None and set(columns) >= {c.name for c in contract.schema.columns}:
            staging.create_typed_view(connection, delivery, contract)
    results = [_not_a_table(problem)] if problem is not None else _run(url, contract, delivery, planned)
    subject = {"source": contract.name, "delivery": delivery}
    return Report(subject, rows, contract.version, started_at, clock(), results)


def check_snapshot(contract: ModelContract, parquet: Path, clock: Clock) -> Report:
    """Run the model's suite on a training snapshot (Parquet with the view's columns).

    Columns that are missing are reported, and nothing else is checked then.
    """
    started_at = clock()
    there = set(pq.read_schema(parquet).names)
    expected = [
        names.COLUMN_ENTITY,
        names.COLUMN_EVENT_TIME,
        names.COLUMN_LABEL,
        *contract.feature_names,
    ]
    missing = [name for name in expected if name not in there]
    if missing:
        rows = pq.read_metadata(parquet).num_rows
        results = [_missing_columns(expected, missing)]
    else:
        frame = pq.read_table(parquet, columns=expected).to_pandas()
        rows = len(frame)
        planned = suite.snapshot_suite(contract)
        results = gate.run(planned, gate.dataframe_batches(frame), row_column=names.COLUMN_ENTITY)
    return Report({"model": contract.name}, rows, contract.version, started_at, clock(), results)


def _run(url: str, contract: SourceContract, delivery: str, planned: list[suite.Planned]) -> list[Result]:
    zone = contract.schema.timezone
    tables: dict[suite.On, str] = {"raw": staging.table_name(delivery)}
    with gate.postgresql_batches(url, zone, tables) as batches:
        first = gate.run(suite.columns_suite(contract), batches, row_column=names.COLUMN_ROW)
    if not all(result.success for result in first):
        return first
    tables["typed"] = staging.typed_view_name(delivery)
    with gate.postgresql_batches(url, zone, tables) as batches:
        return first + gate.run(planned, batches, row_column=names.COLUMN_ROW)


def _not_a_table(problem: str) -> Result:
    return Result("FileIsReadable", {}, "critical", False, 1, [], f"the file must be a CSV table; {problem}")


def _missing_columns(expected: list[str], missing: list[str]) -> Result:
    message = f"the snapshot must have the contract's columns; missing: {', '.join(missing)}"
    return Result("ExpectTableColumnsToMatchSet", {"column_set": expected}, "critical", False, 1, [], message)
