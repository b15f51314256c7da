"""Entity keys to feature rows, from the view of the very contract that the live version was trained under."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from hotclub import names
from hotclub.contract import ModelContract
from hotclub.entity_values import INTEGER_BITS, entity_keys
from hotclub.errors import FieldError, HotclubError, InvalidInputError

#: The type comes with the package and becomes SQL.
_TYPE: Final = re.compile(r"[a-z][a-z0-9 ]{0,40}")
#: What PostgreSQL says of a text that is no value of the key's type.
_NOT_A_KEY: Final = frozenset({"22P02", "22003", "22007", "22008"})
_TIMEOUT_SECONDS: Final = 5.0


class LookupUnavailableError(HotclubError):
    """Features cannot be looked up now; those that are sent can be scored all the same."""


class FeatureLookup:
    """Reads feature rows by entity key over a small pool, which opens when it is first used.

    Args:
        url: PostgreSQL as role hotclub_serving.
        size: connections at most.
    """

    def __init__(self, url: str, *, size: int = 8) -> None:
        self._pool: AsyncConnectionPool[AsyncConnection[dict[str, Any]]] = AsyncConnectionPool(
            url,
            min_size=0,
            max_size=size,
            open=False,
            timeout=_TIMEOUT_SECONDS,
            reconnect_timeout=_TIMEOUT_SECONDS,
            kwargs={"autocommit": True, "row_factory": dict_row, "connect_timeout": int(_TIMEOUT_SECONDS)},
            # A connection that died with a restart of PostgreSQL is found before it is used.
            check=AsyncConnectionPool.check_connection,
        )

    async def open(self) -> None:
        """Start the pool; PostgreSQL need not be there yet."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close(_TIMEOUT_SECONDS)

    async def rows(self, contract: ModelContract, entities: Sequence[Any]) -> list[dict[str, Any]]:
        """Return one row of features per key, in the order of the keys.

        Raises:
            InvalidInputError: a key is not of the entity's type, or no row has it; each is named.
            LookupUnavailableError: PostgreSQL or the view is not there.
        """
        keys = entity_keys(contract, entities)
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_query(contract), [keys])
                found = {row[names.COLUMN_ENTITY]: row for row in await cursor.fetchall()}
        except psycopg.DataError as error:
            reason = error.diag.message_primary or str(error)
            kind = contract.schema.entity_type
            checked = kind in INTEGER_BITS or kind in ("uuid", "text")
            if checked or error.sqlstate not in _NOT_A_KEY:
                raise LookupUnavailableError(
                    f"the view {contract.view} fails for these rows: {reason}; send instances instead"
                ) from error
            raise InvalidInputError.of("entities", f"must be of type {kind}: {reason}") from error
        except psycopg.errors.InsufficientPrivilege as error:
            raise LookupUnavailableError(
                f"this service may not read the view {contract.view}; `python -m stack provision` grants it"
            ) from error
        except psycopg.errors.UndefinedTable as error:
            raise LookupUnavailableError(
                f"the view {contract.view} is missing: `manage check --database default` says why, "
                "and `migrate` builds it where it can; send instances meanwhile"
            ) from error
        except (psycopg.Error, PoolTimeout) as error:
            raise LookupUnavailableError("PostgreSQL does not answer; send instances instead") from error
        missing = [
            FieldError(
                f"entities.{place}", f"{contract.view} has no row with {contract.schema.entity} {key!r}"
            )
            for place, key in enumerate(keys)
            if key not in found
        ]
        if missing:
            raise InvalidInputError(missing)
        return [found[key] for key in keys]


def _query(contract: ModelContract) -> sql.Composed:
    kind = contract.schema.entity_type
    if not _TYPE.fullmatch(kind):
        raise LookupUnavailableError(f"{contract.name}: {kind!r} is not the name of a type")
    entity = sql.Identifier(names.COLUMN_ENTITY)
    return sql.SQL(
        "SELECT {entity}::text AS {entity}, {features} FROM {view} WHERE {entity} = ANY(%s::text[]::{kind}[])"
    ).format(
        entity=entity,
        features=sql.SQL(", ").join(map(sql.Identifier, contract.feature_names)),
        view=sql.Identifier(names.SCHEMA_FEATURES, names.view_name(contract.name, contract.version)),
        kind=sql.SQL(kind),
    )
