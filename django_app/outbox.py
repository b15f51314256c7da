"""How accepted work reaches Celery: after commit, by the task's name, and without failing when the broker does."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def enqueue(task: str, *arguments: Any, queue: str) -> None:
    """Send a task to a queue once the transaction commits; at once outside of one.

    A broker that is down is logged and no more: the work is written in PostgreSQL, and a sweep finds it.

    Args:
        task: its full name. By name, because tasks import services and not the other way round.
        arguments: what JSON can hold.
        queue: one of `hotclub.names.QUEUES`.
    """
    transaction.on_commit(partial(_send, task, arguments, queue))


def _send(task: str, arguments: tuple[Any, ...], queue: str) -> None:
    try:
        current_app.send_task(task, args=arguments, queue=queue)
    except (OperationalError, OSError) as error:
        logger.warning(
            "broker does not answer; the sweep will enqueue it", extra={"task": task, "error": str(error)}
        )
