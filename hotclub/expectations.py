"""The expectations that a source may declare, and what each takes: data that data_checks publishes.

``python -m data_checks signatures`` writes the file, from Great Expectations as it is installed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("expectation_signatures.json")

#: The arguments that name one column, and those that name several.
COLUMN_ARGUMENTS: Final = ("column", "column_A", "column_B")
COLUMN_LIST_ARGUMENTS: Final = ("column_list", "column_set")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an expectation.

    Attributes:
        required: whether it must be given.
        types: of JSON: string, number, integer, boolean, array, object.
        choices: the values that it may have, where there are few.
        minimum: the smallest number, inclusive.
        maximum: the greatest number, inclusive.
        items: the types of an array's parts; empty where any may be there.
    """

    required: bool
    types: tuple[str, ...]
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature:
    """What an expectation takes.

    Attributes:
        arguments: by name.
        column_types: the types of columns that it computes with; empty where any will do.
    """

    arguments: Mapping[str, Argument]
    column_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signatures:
    """Every expectation of Great Expectations.

    Attributes:
        usable: by name.
        refused: why a check of a delivery cannot use the others, by name.
    """

    usable: Mapping[str, Signature]
    refused: Mapping[str, str]


@cache
def signatures() -> Signatures:
    """Return every expectation, as the file has them."""
    data = json.loads(FILE.read_text(encoding="utf-8"))
    usable = {
        name: Signature(
            {key: _argument(argument) for key, argument in said["arguments"].items()},
            tuple(said["column_types"]),
        )
        for name, said in data["usable"].items()
    }
    return Signatures(usable, data["refused"])


def _argument(said: Mapping[str, Any]) -> Argument:
    lists = {key: tuple(said.get(key, ())) for key in ("types", "choices", "items")}
    return Argument(said["required"], minimum=said.get("minimum"), maximum=said.get("maximum"), **lists)
