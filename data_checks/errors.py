"""Failures of data_checks and the exit codes that go with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hotclub.errors import HotclubError

#: A wrong argument, setting, contract or check: running it again changes nothing.
EXIT_USAGE: Final = 2
#: The data was checked and a critical expectation failed.
EXIT_REFUSED: Final = 3


class CheckError(HotclubError):
    """A declared check that cannot be run, named with its arguments, so that the developer finds it."""

    def __init__(self, expectation: str, arguments: Mapping[str, Any], reason: str) -> None:
        listed = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        super().__init__(f"check {expectation}({listed}): {reason}")


class StagingError(HotclubError):
    """A staging table that is not there, or a setting without which staging cannot work."""


class SnapshotError(HotclubError):
    """A training snapshot that is no Parquet file."""
