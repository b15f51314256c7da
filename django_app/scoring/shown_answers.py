"""Stored scores as they are shown: with the class names of the contract version that they were made under."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from django_app.conf import hotclub_settings
from django_app.contracts.selectors import contract_by_fingerprint
from django_app.scoring.models import Batch, PredictionRequest
from hotclub import answers, package
from hotclub.contract import ModelContract
from hotclub.errors import ContractError, PackageError

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """A score for people and callers.

    Attributes:
        text: everything in one line.
        label, probabilities: None where there are no classes.
        problem: why they are None although there is a score whose classes are not known; empty otherwise.
    """

    text: str
    label: str | None = None
    probabilities: dict[str, float] | None = None
    problem: str = ""


def shown_answer(work: Batch | PredictionRequest, score: answers.Score | None) -> ShownAnswer:
    """Return a score as it is shown.

    Args:
        work: the batch or request that it belongs to, which names the contract version.
        score: as it is stored, None where there is none yet.
    """
    if score is None:
        return ShownAnswer("-")
    try:
        classes = _classes(work.model_name, work.contract_fingerprint, work.package_digest)
        text = answers.as_text(classes, score)
        labelled = answers.labelled(classes, score) if classes else None
    except ContractError as error:
        plain = answers.as_text((), score)
        problem = f"the class names of contract version {work.contract_version} are not known: {error}"
        return ShownAnswer(f"{plain} ({problem})", problem=problem)
    if labelled is None:
        return ShownAnswer(text)
    return ShownAnswer(text, labelled["label"], labelled["probabilities"])


# Classes are part of what the fingerprint is over, so what was read once stays right. An error is not kept.
@lru_cache(maxsize=256)
def _classes(model_name: str, fingerprint: str, digest: str) -> tuple[str, ...]:
    """Return the class names of a contract version.

    Raises:
        ContractError: neither Django's contracts nor the package cache have it.
    """
    try:
        return answers.class_names(contract_by_fingerprint(model_name, fingerprint))
    except ContractError:
        contract = _of_cached_package(model_name, fingerprint, digest)
        if contract is None:
            raise
        return answers.class_names(contract)


def _of_cached_package(model_name: str, fingerprint: str, digest: str) -> ModelContract | None:
    """Return the contract in the package, where that is in this machine's cache."""
    folder = hotclub_settings.cache / digest
    if not _DIGEST.fullmatch(digest) or not folder.is_dir():
        return None
    try:
        return package.read(folder, expect_model=model_name, expect_fingerprint=fingerprint).contract
    except PackageError:
        return None
