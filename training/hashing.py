"""A number from 0 to 1 for a key, by its sha256: what decides a row's split without a time, and a sample.

It depends on the key alone. Rows that are added later change nothing for those that were there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from hotclub import names
from hotclub.contract import ModelContract

#: A sample must not decide about splits: of one salt, a sample of a fifth would be the evaluation split alone.
SPLIT_SALT: Final = "hotclub.split"
SAMPLE_SALT: Final = "hotclub.sample"
#: How many hexadecimal digits of the digest count: 32 bits, which PostgreSQL turns into a number too.
_DIGITS: Final = 8
_RANGE: Final = 16**_DIGITS


def fractions(keys: Iterable[str], salt: str) -> npt.NDArray[np.float64]:
    """Return a number in [0, 1) for each key; the same key and salt give the same number for ever."""
    numbers = [int(hashlib.sha256(f"{salt}:{key}".encode()).hexdigest()[:_DIGITS], 16) for key in keys]
    return np.array(numbers, dtype=np.float64) / _RANGE


def row_fractions(contract: ModelContract, table: pa.Table, salt: str) -> npt.NDArray[np.float64]:
    """Return the number of each row: that of its `split_by` value, or of its entity where there is none."""
    keys = pc.cast(table[names.COLUMN_ENTITY], pa.string())
    if contract.schema.split_by is not None:
        keys = pc.coalesce(table[names.COLUMN_SPLIT], keys)
    if isinstance(keys, pa.ChunkedArray):
        keys = keys.combine_chunks()
    # A customer has many rows: each value is hashed once.
    encoded = keys.dictionary_encode()
    return np.asarray(fractions(encoded.dictionary.to_pylist(), salt)[encoded.indices.to_numpy()])


def sql_fraction(contract: ModelContract, salt: str) -> sql.Composed:
    """Return `row_fractions` as an SQL expression over the columns of the view."""
    key = sql.SQL("{}::text").format(sql.Identifier(names.COLUMN_ENTITY))
    if contract.schema.split_by is not None:
        key = sql.SQL("coalesce({}, {})").format(sql.Identifier(names.COLUMN_SPLIT), key)
    return sql.SQL(
        "(('x' || left(encode(sha256(convert_to({} || {}, 'UTF8')), 'hex'), {}))::bit(32)::bigint / {}::float8)"
    ).format(sql.Literal(f"{salt}:"), key, sql.Literal(_DIGITS), sql.Literal(_RANGE))
