"""One predict request: read, validate, look up, score."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request

from hotclub import answers
from hotclub.errors import FieldError, InvalidInputError, PackageError
from hotclub.feature_validation import validate_instances
from serving.exception_handlers import ProblemError
from serving.feature_lookup import FeatureLookup, LookupUnavailableError
from serving.served_model import LoadedVersion, ServedModel

#: Up to this many rows are scored on the event loop: a thread would cost more than they do.
_INLINE_ROWS: Final = 32
_FORMS: Final = ("instances", "entities")
_RETRY_AFTER_SECONDS: Final = "5"


@dataclass(frozen=True)
class Limits:
    """Of one request: rows, and bytes of its body."""

    rows: int
    bytes: int


def find_live(served: dict[str, ServedModel], name: str) -> LoadedVersion:
    """Return the version that answers for a model.

    Raises:
        ProblemError: 404 with the known names, or 503 with the reason why nothing is loaded.
    """
    served_model = served.get(name)
    if served_model is None:
        known = sorted(served)
        listed = ", ".join(known) or "none yet"
        raise ProblemError(404, f"There is no model {name!r}; known models: {listed}.", known=known)
    if served_model.live is None:
        reason = served_model.failure or "it is being loaded"
        headers = {"Retry-After": _RETRY_AFTER_SECONDS}
        raise ProblemError(503, f"{name} has no version that answers: {reason}", headers=headers, model=name)
    return served_model.live


async def read_body(request: Request, limits: Limits) -> tuple[str, list[Any]]:
    """Return the form (``instances`` or ``entities``) and its rows.

    Raises:
        ProblemError: 413, too many bytes or rows; 400, no JSON.
        InvalidInputError: not an object with exactly one of the two forms.
    """
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limits.bytes:
            raise ProblemError(413, f"The body may have at most {limits.bytes} bytes.")
        chunks.append(chunk)
    try:
        # json.loads would pass over bytes that are no character.
        content = b"".join(chunks).decode("utf-8-sig")
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, f"The body is not JSON: {error}") from error
    _require_unicode(content, body)
    form, rows = _form(body)
    if len(rows) > limits.rows:
        raise ProblemError(413, f"{form} may have at most {limits.rows} rows in a request, got {len(rows)}.")
    return form, rows


def _require_unicode(content: str, body: Any) -> None:
    """Refuse half of a surrogate pair, also in names: no answer could repeat it.

    Raises:
        ProblemError: 400.
    """
    # Only an escape can write one: a body without is not walked through.
    if "\\ud" not in content.lower():
        return
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ProblemError(
            400, "The body has half of a surrogate pair (\\ud800 to \\udfff), which is no character."
        ) from error


def _form(body: Any) -> tuple[str, list[Any]]:
    if not isinstance(body, dict):
        raise InvalidInputError.of("", 'must be an object: {"instances": [...]} or {"entities": [...]}')
    given = [name for name in _FORMS if name in body]
    errors = [
        FieldError(str(name), "is not known; send instances or entities")
        for name in body
        if name not in _FORMS
    ]
    if len(given) != 1:
        errors.append(FieldError("instances", "send either instances or entities, exactly one of them"))
    elif not isinstance(body[given[0]], list) or not body[given[0]]:
        errors.append(FieldError(given[0], "must be an array with at least one element"))
    if errors:
        raise InvalidInputError(errors)
    return given[0], body[given[0]]


async def answer(
    live: LoadedVersion, form: str, rows: list[Any], lookup: FeatureLookup | None
) -> tuple[dict[str, Any], dict[str, int]]:
    """Score rows with one version; return the response's body, and the nulls per feature.

    Raises:
        InvalidInputError: the contract of that version refuses the rows.
        ProblemError: 503, features cannot be looked up; 500, the version has no finite score for a row.
    """
    if form == "entities":
        if lookup is None:
            raise ProblemError(
                503, "Look-ups are off: HOTCLUB_SERVING_DATABASE_URL is not set; send instances."
            )
        try:
            rows = await lookup.rows(live.contract, rows)
        except LookupUnavailableError as error:
            raise ProblemError(
                503, f"{live.model_name}: {error}", headers={"Retry-After": _RETRY_AFTER_SECONDS}
            ) from error
    else:
        validate_instances(live.contract, rows)
    try:
        if len(rows) <= _INLINE_ROWS:
            prediction = live.predictor.predict_rows(rows)
        else:
            prediction = await asyncio.to_thread(live.predictor.predict_rows, rows)
    except PackageError as error:
        raise ProblemError(500, str(error)) from error
    body = {
        "model": live.model_name,
        "version": live.version,
        "predictions": answers.of_scores(live.contract, prediction.scores.tolist()),
        "engine": live.predictor.engine.name,
        "unseen": prediction.unseen,
    }
    return body, prediction.nulls
