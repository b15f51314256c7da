"""Celery tasks of the registry app; each calls one service."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone

from django_app.conf import hotclub_settings
from django_app.registry import services
from hotclub.errors import RegistryError
from hotclub.mlflow_rest import MlflowRegistry

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def versions_sync() -> None:
    """Mirror the model registry. When MLflow is down, each run logs that once, and the next run tries again."""
    registry = MlflowRegistry(hotclub_settings.mlflow_url)
    try:
        services.versions_sync(registry=registry, now=timezone.now())
    except RegistryError as error:
        logger.warning("registry sync: %s", error)
    finally:
        registry.close()
