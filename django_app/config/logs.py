"""Logs as one line of key=value, so that people and machines read the same."""

from __future__ import annotations

import datetime as dt
import json
import logging

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class KeyValueFormatter(logging.Formatter):
    """``2013-11-01T05:00:00Z INFO django_app.ingest.services loaded delivery=... rows=310``.

    Whatever a caller passes in ``extra`` becomes a pair; values with spaces are quoted as JSON.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line; a traceback follows on lines of its own."""
        moment = dt.datetime.fromtimestamp(record.created, tz=dt.UTC).isoformat(timespec="seconds")
        pairs = [
            f"{key}={self._value(value)}" for key, value in record.__dict__.items() if key not in _STANDARD
        ]
        line = " ".join([moment, record.levelname, record.name, record.getMessage(), *pairs])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line

    @staticmethod
    def _value(value: object) -> str:
        text = str(value)
        return json.dumps(text) if not text or any(c.isspace() or c in '="' for c in text) else text
