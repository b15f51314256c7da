"""The result of a command of data_checks or training, for the program that started it.

A person reads it as the last line of stdout. A program names a file in HOTCLUB_RESULT_FILE and reads that:
then nothing that a library prints can be mistaken for the result.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotclub import names


def give(result: Mapping[str, Any]) -> None:
    """Print a command's result as one line of JSON, and write it to the file that the environment names."""
    text = json.dumps(result, default=str)
    if path := os.environ.get(names.VARIABLE_RESULT_FILE):
        Path(path).write_text(text, encoding="utf-8")
    print(text, flush=True)  # noqa: T201  # commands print


def read(path: Path) -> dict[str, Any] | None:
    """Return the result that a command wrote, None where it wrote none."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) else None
