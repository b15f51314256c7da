"""Reads of the model registry: which version new work is tied to."""

from __future__ import annotations

from dataclasses import dataclass

from django_app.conf import hotclub_settings
from django_app.contracts.selectors import contract_by_fingerprint
from django_app.contracts.view_problems import missing_view
from hotclub import names
from hotclub.contract import ModelContract
from hotclub.errors import ConflictError, ContractError, GateError, RegistryNotFoundError
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.model_registry import RegisteredVersion


class NoChampionError(ConflictError):
    """The model has no version that may be used; the message says what to do."""

    problem_type = names.PROBLEM_NO_CHAMPION


@dataclass(frozen=True)
class ModelVersionRef:
    """A model version and the contract it was trained under: what new work is tied to, even when the alias moves later."""

    registered: RegisteredVersion
    contract: ModelContract

    def columns(self) -> dict[str, object]:
        """Return the values of the columns that batches and prediction requests share."""
        return {
            "model_name": self.registered.model_name,
            "model_version": self.registered.version,
            "package_digest": self.registered.digest,
            "contract_fingerprint": self.contract.fingerprint,
            "contract_version": self.contract.version,
        }


def champion_with_view(model_name: str) -> ModelVersionRef:
    """Return the champion, whose rows can be read: what a batch needs.

    Raises:
        NoChampionError: as `champion`, or its feature view is missing.
        RegistryError: the model registry does not answer.
    """
    found = champion(model_name)
    missing = missing_view(found.contract)
    if missing:
        raise NoChampionError(missing)
    return found


def champion(model_name: str) -> ModelVersionRef:
    """Return the version that the alias champion points to now, as MLflow says.

    Raises:
        NoChampionError: there is none, its gates did not pass, or its contract is not known here.
        RegistryError: the model registry does not answer.
    """
    registry = MlflowRegistry(hotclub_settings.mlflow_url)
    try:
        version = registry.version_by_alias(model_name, names.ALIAS_CHAMPION)
        version.require_gates()
        if not version.digest:
            raise NoChampionError(
                f"{model_name} version {version.version} has no package; was it registered by hand?"
            )
        return ModelVersionRef(version, contract_by_fingerprint(model_name, version.contract_fingerprint))
    except RegistryNotFoundError as error:
        raise NoChampionError(
            f"{model_name} has no champion: train it, then set the alias {names.ALIAS_CHAMPION} on a version in MLflow"
        ) from error
    except GateError as error:
        raise NoChampionError(f"{model_name} version {version.version}: {error}") from error
    except ContractError as error:
        raise NoChampionError(str(error)) from error
    finally:
        registry.close()
