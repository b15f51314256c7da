"""What is known of PostgreSQL's functions by their names: whichever class of Django calls them, or SQL by hand."""

from __future__ import annotations

import re
from typing import Any, Final

from django.db.models import Func
from django.db.models.expressions import RawSQL

#: Another value at every read, or for every reader.
UNSTABLE: Final = frozenset(
    {
        "NOW",
        "CURRENT_TIMESTAMP",
        "CURRENT_DATE",
        "CURRENT_TIME",
        "LOCALTIME",
        "LOCALTIMESTAMP",
        "STATEMENT_TIMESTAMP",
        "CLOCK_TIMESTAMP",
        "TRANSACTION_TIMESTAMP",
        "TIMEOFDAY",
        "RANDOM",
        "RANDOM_NORMAL",
        "GEN_RANDOM_UUID",
        "GEN_RANDOM_BYTES",
        "UUID_GENERATE_V1",
        "UUID_GENERATE_V4",
        "UUIDV4",
        "UUIDV7",
        "NEXTVAL",
        "CURRVAL",
        "LASTVAL",
        "CURRENT_USER",
        "SESSION_USER",
        "CURRENT_ROLE",
        "CURRENT_SETTING",
        "CURRENT_SCHEMA",
        "PG_BACKEND_PID",
        "TXID_CURRENT",
        "PG_CURRENT_XACT_ID",
        "INET_CLIENT_ADDR",
    }
)
#: Several rows for one.
_ROWS: Final = frozenset(
    {
        "UNNEST",
        "GENERATE_SERIES",
        "GENERATE_SUBSCRIPTS",
        "REGEXP_MATCHES",
        "REGEXP_SPLIT_TO_TABLE",
        "STRING_TO_TABLE",
        "EACH",
        "SKEYS",
        "SVALS",
        "JSON_EACH",
        "JSON_EACH_TEXT",
        "JSON_ARRAY_ELEMENTS",
        "JSON_ARRAY_ELEMENTS_TEXT",
        "JSON_OBJECT_KEYS",
        "JSONB_EACH",
        "JSONB_EACH_TEXT",
        "JSONB_ARRAY_ELEMENTS",
        "JSONB_ARRAY_ELEMENTS_TEXT",
        "JSONB_OBJECT_KEYS",
        "JSONB_PATH_QUERY",
    }
)
#: Null where an argument is null, and not otherwise.
_STRICT: Final = frozenset(
    [
        "ABS",
        "BTRIM",
        "CEIL",
        "CEILING",
        "CHAR_LENGTH",
        "DATE_PART",
        "EXP",
        "EXTRACT",
        "FLOOR",
        "HOST",
        "INITCAP",
        "LEFT",
        "LENGTH",
        "LN",
        "LOG",
        "LOWER",
        "LTRIM",
        "MD5",
        "MOD",
        "OCTET_LENGTH",
        "POWER",
        "REGEXP_REPLACE",
        "REPLACE",
        "REVERSE",
        "RIGHT",
        "ROUND",
        "RTRIM",
        "SIGN",
        "SPLIT_PART",
        "SQRT",
        "STRPOS",
        "SUBSTR",
        "SUBSTRING",
        "TO_CHAR",
        "TRIM",
        "TRUNC",
        "UPPER",
    ]
)
#: Django's own that have a value where an argument is null.
_NOT_STRICT: Final = (
    "Coalesce",
    "Greatest",
    "Least",
    "Concat",
    "ConcatPair",
    "NullIf",
    "JSONArray",
    "JSONObject",
)
#: A cast in SQL by hand to something that needs a zone; of a text in quotes it is a constant.
_CAST_TO_MOMENT: Final = re.compile(r"(?<!')::\s*(date|time|timestamp|timestamptz)\b", re.IGNORECASE)


def words_of(part: Any) -> set[str]:
    """Return what a function is called in SQL, in capitals: by its class, by hand, in a template or in raw SQL."""
    if isinstance(part, RawSQL):
        return set(re.findall(r"\w+", part.sql.upper()))
    if not isinstance(part, Func):
        return set()
    called = part.extra.get("function", part.function), part.extra.get("template", part.template)
    return set(re.findall(r"\w+", " ".join(map(str, called)).upper()))


def row_functions(part: Any) -> list[str]:
    """Return the functions in a part of an expression that give several rows for one."""
    if getattr(part, "set_returning", False):
        return [type(part).__name__]
    return sorted(word.lower() for word in words_of(part) & _ROWS)


def is_strict(part: Any) -> bool:
    """Return whether a function is known to be null where an argument is null, and not otherwise."""
    if not isinstance(part, Func):
        return False
    if is_djangos(part):
        is_function = type(part).__module__.startswith("django.db.models.functions")
        return is_function and type(part).__name__ not in _NOT_STRICT
    return str(part.extra.get("function", part.function)).upper() in _STRICT


def is_djangos(part: Any) -> bool:
    """Return whether what an expression does is known by its class: a `Func` itself is whatever its name says."""
    return type(part) is not Func and type(part).__module__.startswith("django.")


def names_zone(part: Any) -> bool:
    """Return whether a function by hand says in which zone a moment is meant, or asks for nothing that has one."""
    return bool(words_of(part) & {"EPOCH", "TIMEZONE", "ZONE"})


def casts_to_moment(part: Any) -> bool:
    """Return whether SQL by hand makes a date or a moment of something without saying in which zone."""
    return (
        isinstance(part, RawSQL) and bool(_CAST_TO_MOMENT.search(part.sql)) and "ZONE" not in words_of(part)
    )
