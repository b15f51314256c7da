"""Which expectations a source may declare, and what each takes, as data: ``python -m data_checks signatures``.

Django reads it (`hotclub.expectations`) to check declarations, and so does not import Great Expectations.
"""

from __future__ import annotations

import datetime as dt
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from pydantic.v1 import BaseModel, StrictStr

from data_checks.expectation_plan import expectation_class
from hotclub import expectations

_PANDAS_ONLY: Final = (
    "Great Expectations evaluates it with pandas only, and a delivery is checked in PostgreSQL"
)
_COLUMNS: Final = "the columns of a delivery and their types are those that the source declares; a file with others is refused anyway"
_OTHER_DATA: Final = "it compares with a table or data source that a check of one delivery does not reach; write an UnexpectedRowsExpectation"
#: What Great Expectations has, and why a check of a delivery cannot use it.
REFUSED: Final[Mapping[str, str]] = {
    "ExpectColumnToExist": _COLUMNS,
    "ExpectColumnTypeToBe": _COLUMNS,
    "ExpectColumnValuesToBeInTypeList": _COLUMNS,
    "ExpectColumnValuesToBeOfType": _COLUMNS,
    "ExpectTableColumnCountToBeBetween": _COLUMNS,
    "ExpectTableColumnCountToEqual": _COLUMNS,
    "ExpectTableColumnsToMatchOrderedList": _COLUMNS,
    "ExpectTableColumnsToMatchSet": _COLUMNS,
    "ExpectColumnValuesToBeDateutilParseable": _PANDAS_ONLY,
    "ExpectColumnValuesToBeDecreasing": _PANDAS_ONLY,
    "ExpectColumnValuesToBeIncreasing": _PANDAS_ONLY,
    "ExpectColumnValuesToBeJsonParseable": _PANDAS_ONLY,
    "ExpectColumnValuesToMatchJsonSchema": _PANDAS_ONLY,
    "ExpectColumnValuesToMatchStrftimeFormat": _PANDAS_ONLY,
    "ExpectMulticolumnValuesToBeUnique": "Great Expectations lists it without being able to run it; "
    "use ExpectSelectColumnValuesToBeUniqueWithinRecord or ExpectCompoundColumnsToBeUnique",
    "ExpectQueryResultsToMatchComparison": _OTHER_DATA,
    "ExpectTableRowCountToEqualOtherTable": _OTHER_DATA,
}
#: Which types of a column an expectation computes with; any, where it is not here.
_NUMBERS: Final = ("integer", "bigint", "float8", "numeric")
_ORDERED: Final = (*_NUMBERS, "date", "timestamptz")
_TEXTS: Final = ("text",)
_COLUMN_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "ExpectColumnMeanToBeBetween": _NUMBERS,
    "ExpectColumnMedianToBeBetween": _NUMBERS,
    "ExpectColumnQuantileValuesToBeBetween": _NUMBERS,
    "ExpectColumnStdevToBeBetween": _NUMBERS,
    "ExpectColumnSumToBeBetween": _NUMBERS,
    "ExpectColumnValueZScoresToBeLessThan": _NUMBERS,
    "ExpectColumnValuesToNotBeOutliers": _NUMBERS,
    "ExpectMulticolumnSumToEqual": _NUMBERS,
    "ExpectColumnMaxToBeBetween": _ORDERED,
    "ExpectColumnMinToBeBetween": _ORDERED,
    "ExpectColumnValuesToBeBetween": _ORDERED,
    "ExpectColumnValueLengthsToBeBetween": _TEXTS,
    "ExpectColumnValueLengthsToEqual": _TEXTS,
    "ExpectColumnValuesToMatchLikePattern": _TEXTS,
    "ExpectColumnValuesToMatchLikePatternList": _TEXTS,
    "ExpectColumnValuesToMatchRegex": _TEXTS,
    "ExpectColumnValuesToMatchRegexList": _TEXTS,
    "ExpectColumnValuesToNotMatchLikePattern": _TEXTS,
    "ExpectColumnValuesToNotMatchLikePatternList": _TEXTS,
    "ExpectColumnValuesToNotMatchRegex": _TEXTS,
    "ExpectColumnValuesToNotMatchRegexList": _TEXTS,
}
#: Arguments that Great Expectations calls optional, and without which an expectation says nothing or cannot be run.
_REQUIRED: Final = frozenset(
    {
        ("ExpectColumnKLDivergenceToBeLessThan", "partition_object"),
        ("ExpectColumnKLDivergenceToBeLessThan", "threshold"),
        ("ExpectColumnValuesToMatchRegex", "regex"),
    }
)
_BOUNDS: Final = ("min_value", "max_value")
#: Arguments of Great Expectations' own working, and those that Hotclub gives. A condition is a query of its own here.
_NOT_DECLARED: Final = frozenset(
    {
        "batch_id",
        "catch_exceptions",
        "condition_parser",
        "id",
        "library_metadata",
        "rendered_content",
        "result_format",
        "row_condition",
        "severity",
        "version",
        "windows",
    }
)
#: Of a union with these, the first counts: bool is an int in Python, and a whole number is a number.
_JSON_TYPES: Final[Mapping[Any, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    dt.date: "string",
    dt.datetime: "string",
    list: "array",
    tuple: "array",
    set: "array",
    dict: "object",
}


def signatures() -> dict[str, Any]:
    """Return what Great Expectations, as it is installed, lets a source declare."""
    names = sorted(name for name in dir(gxe) if _is_expectation(getattr(gxe, name)))
    usable = {name: _signature(name) for name in names if name not in REFUSED}
    return {"refused": {name: REFUSED[name] for name in names if name in REFUSED}, "usable": usable}


def as_text() -> str:
    """Return them as the file has them, an expectation a line."""
    found = signatures()
    parts = []
    for kind, of_kind in sorted(found.items()):
        lines = [
            f"  {json.dumps(name)}: {json.dumps(said, sort_keys=True)}" for name, said in of_kind.items()
        ]
        parts.append(f' "{kind}": {{\n' + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def write(path: Path = expectations.FILE) -> Path:
    """Write them where `hotclub.expectations` reads them."""
    path.write_text(as_text(), encoding="utf-8")
    return path


def are_written(path: Path = expectations.FILE) -> bool:
    """Return whether the file has them as Great Expectations is installed now."""
    return path.is_file() and path.read_text(encoding="utf-8") == as_text()


def _is_expectation(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, Expectation) and found is not Expectation


def _signature(name: str) -> dict[str, Any]:
    fields = expectation_class(name, {}).__fields__
    column_types = _COLUMN_TYPES.get(name, ())
    arguments = {key: _argument(found) for key, found in fields.items() if key not in _NOT_DECLARED}
    for key, argument in arguments.items():
        argument["required"] |= (name, key) in _REQUIRED
        # A bound that is a text is a date or a time; where there are none, it is a mistake.
        if key in _BOUNDS and column_types != _ORDERED:
            argument["types"] = [kind for kind in argument["types"] if kind != "string"]
    return {"arguments": arguments, "column_types": list(column_types)}


def _argument(found: Any) -> dict[str, Any]:
    """Return one argument: whether it is required, its JSON types, the choices and bounds that it has."""
    said: dict[str, Any] = {"required": bool(found.required)}
    parts = _parts(found.outer_type_)
    # Great Expectations takes a dict in place of every value, as a parameter of a suite; here are no suites.
    if len(parts) > 1:
        parts = [part for part in parts if part is not dict]
    said["types"] = sorted({_json_type(part) for part in parts})
    for part in parts:
        if typing.get_origin(part) is typing.Literal:
            said["choices"] = list(typing.get_args(part))
        limits = {"minimum": getattr(part, "ge", None), "maximum": getattr(part, "le", None)}
        said |= {key: limit for key, limit in limits.items() if limit is not None}
        inner = typing.get_args(part) if _json_type(part) == "array" else ()
        if inner and Any not in inner:
            said["items"] = sorted({_json_type(item) for each in inner for item in _parts(each)})
    return said


def _parts(annotation: Any) -> list[Any]:
    """Return the types of a union, without None; of another annotation itself."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _parts(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [p for inner in typing.get_args(annotation) for p in _parts(inner) if p is not type(None)]
    return [annotation]


def _json_type(part: Any) -> str:
    origin = typing.get_origin(part)
    if origin is typing.Literal or part is StrictStr:
        return "string"
    if isinstance(origin, type) and not issubclass(origin, dict):
        return "array"
    if isinstance(part, type):
        if issubclass(part, BaseModel):
            return "object"
        for known, name in _JSON_TYPES.items():
            if issubclass(part, known):
                return name
    raise TypeError(f"{part!r} has no JSON type; add it to data_checks/signatures.py")
