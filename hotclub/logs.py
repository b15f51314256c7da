"""The one format of log lines: a JSON object a line, on stderr."""

from __future__ import annotations

import datetime as dt
import logging
import math
from typing import Final

from structlog.processors import JSONRenderer, format_exc_info
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, WrappedLogger

_FIRST: Final = ("time", "level", "logger", "message")
#: What structlog adds to the message and the caller's extra.
_STRUCTLOG: Final = frozenset({"event", "exception", "_record", "_from_structlog"})


class JsonFormatter(ProcessorFormatter):
    """A record as one line of JSON.

    Keys: ``time`` (UTC), ``level``, ``logger``, ``message``, then what the caller gave in ``extra``, and
    ``traceback`` where there is one. A value that JSON does not know becomes a string.
    """

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=[ExtraAdder(), format_exc_info],
            processors=[_arrange, JSONRenderer(default=str, ensure_ascii=False, skipkeys=True)],
        )


def _arrange(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Return the keys of the line in their order."""
    del logger, method
    record: logging.LogRecord = event["_record"]
    line: EventDict = {
        "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": event["event"],
    }
    for key, value in event.items():
        if key not in _STRUCTLOG and key not in _FIRST:
            # JSON has no NaN and no infinity.
            line[key] = str(value) if isinstance(value, float) and not math.isfinite(value) else value
    if "exception" in event:
        line["traceback"] = event["exception"]
    return line


def configure(logger_name: str) -> None:
    """Send what a logger says to stderr, from level info, unless the process has set up logging already."""
    logger = logging.getLogger(logger_name)
    logger.setLevel(logging.INFO)
    if not logging.getLogger().handlers and not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter())
        logger.addHandler(handler)
