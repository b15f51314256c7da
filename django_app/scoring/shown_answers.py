"""Stored scores as they are shown: with the class names of the contract version that they were made under."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from django_app.conf import hotclub_settings
from django_app.scoring.models import Batch, PredictionRequest
from django_app.scoring.selectors import class_facts
from hotclub import answers, package
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
        classes = _classes(work)
        text = answers.as_text(classes, score)
        labelled = answers.labelled(classes, score) if classes else None
    except ContractError as error:
        plain = answers.as_text((), score)
        problem = f"the class names of contract version {work.contract_version} are not known: {error}"
        return ShownAnswer(f"{plain} ({problem})", problem=problem)
    if labelled is None:
        return ShownAnswer(text)
    return ShownAnswer(text, labelled["label"], labelled["probabilities"])


def _classes(work: Batch | PredictionRequest) -> tuple[str, ...]:
    """Return the class names of the contract version that scored.

    Raises:
        ContractError: neither Django's contracts nor the package cache have it, or it cannot be answered by.
    """
    facts = class_facts(work)
    if facts is not None:
        return answers.names_of(work.model_name, facts["task"], facts["classes"])
    folder = hotclub_settings.cache / work.package_digest
    if not _DIGEST.fullmatch(work.package_digest) or not folder.is_dir():
        raise ContractError(
            f"the contract with the fingerprint {work.contract_fingerprint[:12]} is not known here, and the package is not "
            "in the cache; add the contract's file and run migrate"
        )
    try:
        read = package.read(
            folder, expect_model=work.model_name, expect_fingerprint=work.contract_fingerprint
        )
    except PackageError as error:
        raise ContractError(str(error)) from error
    return answers.class_names(read.contract)
