"""The form of answers: the one home of it, for the inference service, prediction requests, batches and OpenAPI.

Where a contract names no classes, an answer is the score: a number, or a list of numbers. Where it names them, an answer
is ``{"label": "Adelie", "probabilities": {"Adelie": 0.97, "Gentoo": 0.02, "Chinstrap": 0.01}}``. The label is the most
probable class, the first of them where two are equally probable. A binary model's score is the probability of its second
class, which is the label from 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, TypedDict

from hotclub.contract import ModelContract
from hotclub.errors import ContractError

Score = float | Sequence[float]
#: From this probability on, a binary model's label is its second class.
_THRESHOLD: Final = 0.5


class LabelledAnswer(TypedDict):
    """The answer of a model whose contract names classes."""

    label: str
    probabilities: dict[str, float]


Answer = float | list[float] | LabelledAnswer


def class_names(contract: ModelContract) -> tuple[str, ...]:
    """Return the names that answers of a contract have; empty where they are plain scores.

    Raises:
        ContractError: a binary model has names, and they are not two.
    """
    return names_of(contract.name, contract.schema.task, contract.schema.classes)


def names_of(model: str, task: str, classes: Sequence[str]) -> tuple[str, ...]:
    """Return the names that answers have, of the parts of a contract that say so.

    Raises:
        ContractError: a binary model has names, and they are not two.
    """
    if task == "regression":
        return ()
    if task == "binary" and len(classes) not in (0, 2):
        raise ContractError(f"{model}: a binary model has two classes or none, not {len(classes)}")
    return tuple(classes)


def require_fit(contract: ModelContract, width: int) -> None:
    """Refuse classes that are not as many as the scores of a row.

    Args:
        contract: whose classes.
        width: scores of a row; 1 for binary and regression models.

    Raises:
        ContractError: they are more or fewer.
    """
    classes = class_names(contract)
    expected = 1 if contract.schema.task == "binary" else len(classes)
    if classes and width != expected:
        raise ContractError(
            f"{contract.name}: the contract names {len(classes)} classes ({', '.join(classes)}), which takes "
            f"{expected} scores for a row, and a row has {width}"
        )


def labelled(classes: Sequence[str], score: Score) -> LabelledAnswer:
    """Return label and probabilities by class.

    Args:
        classes: the names in the order of their numbers.
        score: the probability of the second of two classes, or the probabilities of all.

    Raises:
        ContractError: the classes are not as many as the probabilities, or one of these is no finite number.
    """
    if not all(map(math.isfinite, [score] if isinstance(score, int | float) else score)):
        raise ContractError(f"{score} has no label: a probability is not a finite number")
    if isinstance(score, int | float):
        if len(classes) != 2:
            raise ContractError(
                f"one score is the probability of the second of two classes, not of {len(classes)}"
            )
        label = classes[1] if score >= _THRESHOLD else classes[0]
        return {"label": label, "probabilities": {classes[0]: 1 - score, classes[1]: score}}
    if len(classes) != len(score):
        raise ContractError(f"{len(score)} scores for {len(classes)} classes ({', '.join(classes)})")
    best = max(range(len(score)), key=score.__getitem__)
    return {"label": classes[best], "probabilities": dict(zip(classes, score, strict=True))}


def of_scores(contract: ModelContract, scores: Sequence[Any]) -> list[Answer]:
    """Return one answer for each row.

    Args:
        contract: of the version that scored.
        scores: one number for each row, or one list of numbers: `Prediction.scores` as lists.

    Raises:
        ContractError: the classes are not as many as the probabilities of a row.
    """
    classes = class_names(contract)
    return [labelled(classes, score) for score in scores] if classes else list(scores)


def as_text(classes: Sequence[str], score: Score) -> str:
    """Return an answer for people: ``Adelie (Adelie 0.9700, Gentoo 0.0200)``, or the numbers alone without classes.

    Raises:
        ContractError: the classes are not as many as the probabilities.
    """
    if not classes:
        return ", ".join(f"{number:.4f}" for number in ([score] if isinstance(score, int | float) else score))
    answer = labelled(classes, score)
    shares = ", ".join(f"{name} {share:.4f}" for name, share in answer["probabilities"].items())
    return f"{answer['label']} ({shares})"


def json_schema(contract: ModelContract) -> dict[str, Any]:
    """Return the JSON schema of one answer."""
    task, classes = contract.schema.task, class_names(contract)
    share: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}
    if not classes:
        if task == "binary":
            return {**share, "description": "Probability of 1."}
        if task == "multiclass":
            return {"type": "array", "items": share, "description": "Probabilities by class."}
        return {"type": "number"}
    rule = (
        f"{classes[1]} from a probability of {_THRESHOLD:g}, else {classes[0]}."
        if task == "binary"
        else "The most probable class."
    )
    return {
        "type": "object",
        "properties": {
            "label": {"type": "string", "enum": list(classes), "description": rule},
            "probabilities": {
                "type": "object",
                "properties": dict.fromkeys(classes, share),
                "required": list(classes),
                "additionalProperties": False,
            },
        },
        "required": ["label", "probabilities"],
    }
