"""Feature rows as typed columns: the one way from PostgreSQL's COPY, Parquet or JSON to pyarrow.

The views cast every column, so the types here are the whole truth: float8, text, boolean, timestamptz
and the entity's own type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv

from hotclub import names
from hotclub.contract import FeatureSpec, ModelContract

_ARROW = {"number": pa.float64(), "boolean": pa.bool_(), "category": pa.string()}
_ENTITY = {"bigint": pa.int64(), "integer": pa.int64(), "smallint": pa.int64()}
_POSTGRES = {"number": "float8", "boolean": "boolean", "category": "text"}

#: The greatest number of a float32, in which the booster holds features and label.
FLOAT32_MAX = 3.4028234663852886e38

#: The format that `table_from_csv` reads; `COPY (...) TO STDOUT` is completed with it.
COPY_FORMAT = "(FORMAT csv, HEADER true)"
#: Set before such a COPY: timestamps come in UTC, floats in full.
COPY_SETTINGS = "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL extra_float_digits = 1"


def postgres_type(feature: FeatureSpec) -> str:
    """Return the PostgreSQL type that a feature's column is cast to."""
    return _POSTGRES[feature.type]


def feature_schema(features: Iterable[FeatureSpec]) -> pa.Schema:
    """Return the Arrow schema of the features alone, in the order of the matrix's columns."""
    return pa.schema([(f.name, _ARROW[f.type]) for f in features])


def view_schema(contract: ModelContract) -> pa.Schema:
    """Return the Arrow schema of a whole feature view: keys, label, what rows are split by where there is that, features."""
    entity = _ENTITY.get(contract.schema.entity_type, pa.string())
    keys = [
        (names.COLUMN_ENTITY, entity),
        (names.COLUMN_TENANT, pa.string()),
        (names.COLUMN_EVENT_TIME, pa.timestamp("us", tz="UTC")),
        (names.COLUMN_LABEL, pa.float64()),
    ]
    if contract.schema.split_by is not None:
        keys.append((names.COLUMN_SPLIT, pa.string()))
    return pa.schema([*keys, *feature_schema(contract.features)])


def scored_schema(contract: ModelContract) -> pa.Schema:
    """Return the Arrow schema of what scoring reads of a feature view: keys and features."""
    schema = view_schema(contract)
    wanted = {*names.KEY_COLUMNS, *contract.feature_names}
    return pa.schema([field for field in schema if field.name in wanted])


def table_from_csv(source: IO[bytes] | bytes, schema: pa.Schema) -> pa.Table:
    """Read the output of ``COPY (SELECT …) TO STDOUT (FORMAT csv, HEADER true)``.

    Args:
        source: the bytes, header line included. Columns that `schema` does not name are left out.
        schema: the wanted columns. An unquoted empty field is null, a quoted one the empty text.

    Raises:
        pyarrow.ArrowInvalid: a value is not of its column's type.
        KeyError: a wanted column is not there.
    """
    file = pa.BufferReader(source) if isinstance(source, bytes) else source
    options = pa.csv.ConvertOptions(
        column_types=schema,
        include_columns=schema.names,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    read = pa.csv.ReadOptions(use_threads=False)
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    return pa.csv.read_csv(file, read_options=read, parse_options=parse, convert_options=options)


def columns_from_rows(
    features: Sequence[FeatureSpec], rows: Sequence[Mapping[str, Any]]
) -> dict[str, list[Any]]:
    """Return rows as one list per feature; a name that a row lacks is None."""
    return {f.name: [row.get(f.name) for row in rows] for f in features}
