"""What a declaration holds, as text for a message: short, and without asking a database for a queryset's rows."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import reprlib
import types
import uuid
import zoneinfo
from pathlib import PurePath
from typing import Any, Final

from django.db import models

_PLAIN: Final = (
    bool,
    int,
    float,
    complex,
    type(None),
    type(...),
    decimal.Decimal,
    dt.date,
    dt.time,
    dt.timedelta,
    uuid.UUID,
    enum.Enum,
    PurePath,
    zoneinfo.ZoneInfo,
    bytes,
)
_FUNCTIONS: Final = (types.FunctionType, types.MethodType, types.BuiltinFunctionType)


class _Shown(reprlib.Repr):
    """Shows containers by their first parts, and of unknown objects the class."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 80
        self.maxlevel = 3

    def repr_instance(self, x: Any, level: int) -> str:
        """Return a value that is none of Python's containers."""
        if isinstance(x, _PLAIN):
            return super().repr_instance(x, level)
        if isinstance(x, type):
            return f"the class {x.__qualname__}"
        if isinstance(x, _FUNCTIONS):
            return "a lambda" if x.__name__ == "<lambda>" else f"the function {x.__name__}"
        if isinstance(x, models.QuerySet | models.Manager):
            return f"a {type(x).__name__} of {x.model._meta.label}"
        return f"an object of {type(x).__qualname__}"


_SHOWN: Final = _Shown()


def shown(value: object) -> str:
    """Return a value for a message; never a queryset's rows, nor what an unknown class says of itself."""
    return _SHOWN.repr(value)
