"""How accepted work reaches Celery: after commit, and without failing when the broker does."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def enqueue(task: Any, *arguments: Any) -> None:
    """Send a task to its queue once the transaction commits; at once outside of one.

    A broker that is down is logged and no more: the work is written in PostgreSQL, and a sweep finds it.
    """
    transaction.on_commit(partial(_send, task, arguments))


def _send(task: Any, arguments: tuple[Any, ...]) -> None:
    try:
        task.apply_async(arguments)
    except (OperationalError, OSError) as error:
        logger.warning(
            "broker does not answer; the sweep will enqueue it",
            extra={"task": task.name, "error": str(error)},
        )
