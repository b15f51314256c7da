"""Whose predictor a worker keeps."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from django_app.registry.selectors import ModelVersionRef
from django_app.scoring import predictors
from django_app.scoring.models import Batch
from hotclub.errors import PackageError, RegistryError

pytestmark = pytest.mark.django_db


def _work(ref: ModelVersionRef, **changes: str) -> Batch:
    return Batch(**{**ref.columns(), **changes})


def test_a_kept_predictor_is_that_of_the_version(ref: ModelVersionRef, settings: Any) -> None:
    """The same version is loaded once; one with another fingerprint or digest is not answered by it."""
    kept = predictors.predictor_for(_work(ref))
    assert predictors.predictor_for(_work(ref)) is kept
    for changes in (
        {"contract_fingerprint": "0" * 64}, {"package_digest": "cd" * 32}, {"model_name": "arrival_minutes"},
    ):  # fmt: skip
        # What is kept is not the answer, and MLflow has no such version: nothing is scored.
        with pytest.raises((PackageError, RegistryError)):
            predictors.predictor_for(_work(ref, **changes))


def test_a_kept_predictor_needs_no_file(ref: ModelVersionRef, settings: Any) -> None:
    """What is loaded scores on, whatever happens to the cache's folder."""
    kept = predictors.predictor_for(_work(ref))
    shutil.rmtree(Path(settings.HOTCLUB_CACHE))
    assert predictors.predictor_for(_work(ref)) is kept
