"""Structured logs: one JSON object a line on stderr, quiet by default."""

from __future__ import annotations

import datetime as dt
import json
import logging


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time in UTC, level, logger, message, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure() -> None:
    """Send serving's own logs to stderr, unless the process has set up logging already."""
    logging.getLogger("serving").setLevel(logging.INFO)
    # A look-up without PostgreSQL answers 503 with the reason; the pool would repeat it every second.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    if not logging.getLogger().handlers and not logging.getLogger("serving").handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter())
        logging.getLogger("serving").addHandler(handler)
