"""Finds every app's ``ml.py``, as Django's admin finds every ``admin.py``."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.module_loading import autodiscover_modules


class ContractsConfig(AppConfig):
    """The app that compiles declarations to contracts and builds views from contracts."""

    name = "django_app.contracts"
    label = "contracts"
    verbose_name = "Contracts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Load the declarations and keep the views in step with migrations."""
        from django_app.contracts import migrate_hooks, system_checks  # noqa: PLC0415  # models are loaded by now, not before

        autodiscover_modules("ml")
        register(system_checks.unregistered_declarations)
        register(system_checks.feature_views, Tags.database)
        pre_migrate.connect(migrate_hooks.before, sender=self, dispatch_uid="hotclub.contracts.before")
        post_migrate.connect(migrate_hooks.after, sender=self, dispatch_uid="hotclub.contracts.after")
