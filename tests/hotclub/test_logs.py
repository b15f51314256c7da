"""The format of log lines: one JSON object a line, the same for every service."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from logging.config import dictConfig
from pathlib import Path
from typing import Any

import pytest

from hotclub import logs


@contextmanager
def _bare() -> Iterator[logging.Logger]:
    """A logger of ours, while the root logger has no handlers."""
    root, logger = logging.getLogger(), logging.getLogger("bare")
    handlers, root.handlers = root.handlers, []
    try:
        yield logger
    finally:
        root.handlers, logger.handlers = handlers, []


def _line(**attributes: Any) -> dict[str, Any]:
    record = logging.makeLogRecord({"name": "x.y", "levelname": "WARNING", "created": 0.0625, **attributes})
    text = logs.JsonFormatter().format(record)
    assert "\n" not in text
    read: dict[str, Any] = json.loads(text)
    return read


def test_keys_and_their_order() -> None:
    """Time in UTC with milliseconds, level, logger, message, then extra."""
    line = _line(msg="%s loaded", args=("a",), rows=3, why='a "b"')
    assert list(line) == ["time", "level", "logger", "message", "rows", "why"]
    assert line == {
        "time": "1970-01-01T00:00:00.062+00:00", "level": "warning", "logger": "x.y", "message": "a loaded",
        "rows": 3, "why": 'a "b"',
    }  # fmt: skip


def test_extra_values_that_json_does_not_know() -> None:
    """They become strings; a key of the format itself stays what it is."""
    line = _line(
        msg="m",
        path=Path("/a"),
        ratio=float("nan"),
        nested={"p": Path("/b"), (1,): 2},
        level="loud",
        name_="é",
    )
    assert (line["path"], line["ratio"], line["nested"], line["level"]) == (
        "/a",
        "nan",
        {"p": "/b"},
        "warning",
    )


def test_traceback_is_inside() -> None:
    """A traceback is a value of the line and its last one."""
    try:
        int("two\nlines")
    except ValueError:
        line = _line(msg="failed", exc_info=sys.exc_info(), rows=1)
    assert list(line)[-2:] == ["rows", "traceback"]
    assert line["traceback"].startswith("Traceback")
    assert "two" in line["traceback"]


def test_configure(capsys: pytest.CaptureFixture[str]) -> None:
    """One handler on stderr, however often it is asked for."""
    with _bare() as bare:
        logs.configure("bare")
        logs.configure("bare")
        bare.info("once", extra={"rows": 1})
    captured = capsys.readouterr()
    assert (json.loads(captured.err)["rows"], captured.out) == (1, "")


def test_configure_leaves_a_process_that_has_handlers() -> None:
    """Who has set up logging already keeps it."""
    with _bare() as bare:
        logging.getLogger().handlers = [logging.NullHandler()]
        logs.configure("bare")
        assert not bare.handlers


def test_django_and_its_workers_use_it() -> None:
    """Django's setting LOGGING, which Celery's worker leaves alone, makes this formatter."""
    from django.conf import settings

    with _bare():
        dictConfig({**settings.LOGGING, "loggers": {}})
        (handler,) = logging.getLogger().handlers
        assert isinstance(handler.formatter, logs.JsonFormatter)
    assert settings.CELERY_WORKER_HIJACK_ROOT_LOGGER is False
