"""Predictors of a worker process: loaded when first asked for, by digest, a few kept."""

from __future__ import annotations

from functools import lru_cache

from django_app.conf import hotclub_settings
from django_app.scoring.models import Batch, PredictionRequest
from hotclub import names
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.model_registry import RegisteredVersion
from hotclub.package_cache import PackageCache
from hotclub.predictor import Predictor

#: Predictors cached in a process; each is some megabytes.
MAX_CACHED = 4


def predictor_for(work: Batch | PredictionRequest) -> Predictor:
    """Return the predictor of the version that a batch or request is tied to.

    Call it in the process that scores: an engine does not survive a fork. Where the package is in the cache,
    the model registry need not answer.

    Raises:
        PackageError: the package is not the one that the batch or request is tied to.
        RegistryError: the package is not in the cache, and the registry does not answer.
    """
    return _load(work.model_name, work.model_version, work.package_digest, work.contract_fingerprint)


@lru_cache(maxsize=MAX_CACHED)
def _load(model_name: str, version: str, digest: str, fingerprint: str) -> Predictor:
    registry = MlflowRegistry(hotclub_settings.mlflow_url)
    try:
        registered = RegisteredVersion(
            model_name=model_name,
            version=version,
            run_id="",
            source="",
            status="READY",
            description="",
            created_at_ms=0,
            tags={names.TAG_DIGEST: digest, names.TAG_FINGERPRINT: fingerprint},
            aliases=(),
        )
        return Predictor.load(PackageCache(hotclub_settings.cache, registry).fetch(registered))
    finally:
        registry.close()
