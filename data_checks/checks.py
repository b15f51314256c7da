"""Check a staged delivery or a training snapshot against its contract."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from data_checks import check_messages, delivery_suite, gx_runner, staging_tables
from data_checks.check_messages import RowLabel
from data_checks.errors import SnapshotError, StagingError
from data_checks.expectation_plan import PlannedExpectation
from data_checks.report import Report, Result
from data_checks.snapshot_suite import snapshot_suite
from hotclub import names, severities
from hotclub.callbacks import Clock
from hotclub.contract import ModelContract, SourceContract


def check_delivery(
    url: str, contract: SourceContract, delivery: str, facts: delivery_suite.DeliveryFacts, clock: Clock
) -> Report:
    """Run the source's suite on a staged delivery.

    Raises:
        StagingError: nothing is staged for this delivery.
        CheckError: a declared check cannot be run.
    """
    started_at = clock()
    with psycopg.connect(url) as connection:
        # Planned before the file is looked at: a declared check that is broken is an error with any file.
        planned = delivery_suite.source_suite(contract, facts, _digits(connection, contract))
        if not staging_tables.is_staged(connection, delivery):
            raise StagingError(f"delivery {delivery}: nothing is staged; run `data_checks stage` first")
        notes = staging_tables.staged_notes(connection, delivery)
        rows = staging_tables.count_rows(connection, delivery)
        if not notes.problems:
            staging_tables.create_views(connection, delivery, contract)
    results = [_unreadable(notes.expectation, problem) for problem in notes.problems]
    if not results:
        results = [*map(_long_row, notes.long_rows), *_run(url, contract, delivery, planned)]
    subject = {"source": contract.name, "delivery": delivery}
    return Report(subject, rows, contract.version, started_at, clock(), results)


def check_snapshot(contract: ModelContract, parquet: Path, clock: Clock) -> Report:
    """Run the model's suite on a training snapshot (Parquet with the view's columns).

    Columns that are missing are reported, and nothing else is checked then.

    Raises:
        SnapshotError: the file is no Parquet.
        CheckError: a check cannot be run.
    """
    started_at = clock()
    try:
        there = set(pq.read_schema(parquet).names)
    except pa.ArrowInvalid as error:
        raise SnapshotError(f"{parquet} is no Parquet file: {error}; take the snapshot again") from error
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
        planned = snapshot_suite(contract)
        batches = gx_runner.dataframe_batches(frame)
        results = gx_runner.run(
            planned, batches, row_label=RowLabel(names.COLUMN_ENTITY, names.COLUMN_ENTITY)
        )
    return Report({"model": contract.name}, rows, contract.version, started_at, clock(), results)


def _run(
    url: str, contract: SourceContract, delivery: str, planned: list[PlannedExpectation]
) -> list[Result]:
    both: tuple[staging_tables.ViewKind, ...] = ("raw", "typed")
    tables = {on: staging_tables.view_name(delivery, on) for on in both}
    with gx_runner.postgresql_batches(url, contract.schema.timezone, tables) as batches:
        return gx_runner.run(planned, batches, row_label=RowLabel(names.COLUMN_ROW, "line"))


def _digits(connection: psycopg.Connection, contract: SourceContract) -> dict[str, delivery_suite.Digits]:
    """Return precision and scale of the numeric columns that the rows load into.

    They are the table's own, not the contract's: PostgreSQL's catalog may be read by every login.
    """
    cursor = connection.execute(
        "SELECT attname, (atttypmod - 4) >> 16 & 65535, (atttypmod - 4) & 2047 FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE nspname = %s AND relname = %s AND atttypid = 'numeric'::regtype AND atttypmod >= 4",
        [names.SCHEMA_TABLES, contract.schema.table],
    )
    numeric = {column.target for column in contract.schema.columns if column.type == "numeric"}
    return {
        name: delivery_suite.Digits(every, decimals) for name, every, decimals in cursor if name in numeric
    }


def _unreadable(expectation: str, problem: str) -> Result:
    other_columns = expectation == staging_tables.OTHER_COLUMNS
    message = problem if other_columns else check_messages.not_a_table(problem)
    return Result(expectation, {}, severities.CRITICAL, False, 1, [], message)


def _long_row(lines: tuple[int, int]) -> Result:
    message = check_messages.long_row(*lines)
    return Result("RowsAreShort", {"lines": list(lines)}, severities.WARNING, False, 1, [], message)


def _missing_columns(expected: list[str], missing: list[str]) -> Result:
    message = check_messages.missing_columns(missing)
    return Result(
        "ExpectTableColumnsToMatchSet", {"column_set": expected}, severities.CRITICAL, False, 1, [], message
    )
