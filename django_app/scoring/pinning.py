"""Which model version new work is tied to."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from django_app.registry.problems import missing_view
from django_app.scoring import selectors
from hotclub import names
from hotclub.contract import ModelContract
from hotclub.errors import ContractError, GateError, NotFoundError
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.registry import RegisteredVersion


class NoChampionError(Exception):
    """The model has no version that may be used; the message says what to do."""


@dataclass(frozen=True)
class Pin:
    """A model version and the contract it was trained under."""

    version: RegisteredVersion
    contract: ModelContract

    def fields(self) -> dict[str, object]:
        """Return the values of the columns that batches and prediction requests share."""
        return {
            "model": self.version.model,
            "model_version": self.version.version,
            "package_digest": self.version.digest,
            "contract_fingerprint": self.contract.fingerprint,
            "contract_version": self.contract.version,
        }


def champion_with_view(model: str) -> Pin:
    """Return the champion, whose rows can be read: what a batch needs.

    Raises:
        NoChampionError: as `champion`, or its feature view is missing.
        RegistryError: the model registry does not answer.
    """
    pin = champion(model)
    missing = missing_view(pin.contract)
    if missing:
        raise NoChampionError(missing)
    return pin


def champion(model: str) -> Pin:
    """Return the version that the alias champion points to now.

    Raises:
        NoChampionError: there is none, its gates did not pass, or its contract is not known here.
        RegistryError: the model registry does not answer.
    """
    registry = MlflowRegistry(settings.HOTCLUB_MLFLOW_URL)
    try:
        version = registry.version_by_alias(model, names.ALIAS_CHAMPION)
        version.require_gates()
        if not version.digest:
            raise NoChampionError(
                f"{model} version {version.version} has no package; was it registered by hand?"
            )
        return Pin(version, selectors.contract_by_fingerprint(model, version.contract_fingerprint))
    except NotFoundError as error:
        raise NoChampionError(
            f"{model} has no champion: train it, then set the alias {names.ALIAS_CHAMPION} on a version in MLflow"
        ) from error
    except (GateError, ContractError) as error:
        raise NoChampionError(str(error)) from error
    finally:
        registry.close()
