"""The registry app."""

from __future__ import annotations

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """What MLflow's model registry says of versions and aliases, mirrored."""

    name = "django_app.registry"
    label = "registry"
    verbose_name = "Model registry"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Answer which contract versions the registry's aliases use."""
        from django_app.contracts.signals import contracts_in_use  # noqa: PLC0415  # models are loaded by now, not before
        from django_app.registry.contract_usage import answer_contracts_in_use  # noqa: PLC0415  # as above

        contracts_in_use.connect(answer_contracts_in_use, dispatch_uid="hotclub.registry.contracts_in_use")
