"""What a worker and beat run: ``celery -A django_app.config.celery:app``."""

from __future__ import annotations

from celery import Celery
from kombu import Exchange, Queue

from django_app.config import select_settings
from hotclub import names

select_settings()
app = Celery("hotclub")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Each with an exchange of its own: by default all would share one, and a message to it would go to every queue.
app.conf.task_queues = [Queue(name, Exchange(name), routing_key=name) for name in names.QUEUES]
app.autodiscover_tasks()
# The default of every thread: a request in another thread than the one that imported this enqueues too.
app.set_default()
