"""Predictors of a worker process: loaded when first asked for, by digest, a few kept."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from django_app.scoring.models import Batch, PredictionRequest
from hotclub import names
from hotclub.cache import PackageCache
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.predictor import Predictor
from hotclub.registry import RegisteredVersion

#: Predictors kept in a process; each is some megabytes.
KEPT = 4


def predictor_for(work: Batch | PredictionRequest) -> Predictor:
    """Return the predictor of the version that a piece of work is tied to.

    Call it in the process that scores: an engine does not survive a fork. Where the package is in the cache,
    the model registry need not answer.

    Raises:
        PackageError: the package is not what was pinned.
        RegistryError: the package is not in the cache, and the registry does not answer.
    """
    return _load(work.model, work.model_version, work.package_digest, work.contract_fingerprint)


@lru_cache(maxsize=KEPT)
def _load(model: str, version: str, digest: str, fingerprint: str) -> Predictor:
    registry = MlflowRegistry(settings.HOTCLUB_MLFLOW_URL)
    try:
        pinned = RegisteredVersion(
            model=model,
            version=version,
            run_id="",
            source="",
            status="READY",
            description="",
            created_at_ms=0,
            tags={names.TAG_DIGEST: digest, names.TAG_FINGERPRINT: fingerprint},
            aliases=(),
        )
        return Predictor.load(PackageCache(settings.HOTCLUB_CACHE, registry).fetch(pinned))
    finally:
        registry.close()
