"""OpenAPI typed from the live contracts: each model has a path of its own, which changes with its version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from hotclub import answers
from hotclub.contract import FeatureSpec, ModelContract
from serving.served_model import LoadedVersion, ServedModel

_TYPES = {"number": "number", "boolean": "boolean", "category": "string"}
#: What Python's regular expressions have and JavaScript's, which JSON Schema means, have not: named groups, flags,
#: atomic groups, possessive quantifiers, and two of the anchors.
_PYTHON_ONLY = re.compile(r"(?<!\\)\(\?(?!:|=|!|<=|<!)|\\[AZ]|(?<!\\)[*+?}]\+")
PREDICT_PATH = "/v1/models/{name}/predict"


def feature_schema(feature: FeatureSpec, choices: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    """Return the JSON schema of one feature: type, bounds, unit, and what its values are called.

    Choices are no `enum`: a value that training has never seen is accepted, and counts as missing.

    Args:
        feature: which.
        choices: pairs of a category's value and its name for people.
    """
    kind = _TYPES[feature.type]
    schema: dict[str, Any] = {"type": [kind, "null"] if feature.nullable else kind}
    named = ", ".join(value if value == name else f"{value}: {name}" for value, name in choices)
    described = [feature.doc.rstrip("."), f"In {feature.unit}" if feature.unit else "", named]
    if feature.pattern is not None and _PYTHON_ONLY.search(feature.pattern):
        described.append(f"Matches Python's regular expression {feature.pattern}")
    if description := ". ".join(part for part in described if part):
        schema["description"] = description
    if feature.minimum is not None:
        schema["minimum"] = feature.minimum
    if feature.maximum is not None:
        schema["maximum"] = feature.maximum
    if feature.pattern is not None and not _PYTHON_ONLY.search(feature.pattern):
        schema["pattern"] = f"^(?:{feature.pattern})$"
    if feature.unit:
        schema["x-unit"] = feature.unit
    if choices:
        schema["x-choices"] = [{"value": value, "name": name} for value, name in choices]
    return schema


def instance_schema(contract: ModelContract) -> dict[str, Any]:
    """Return the JSON schema of one row of features."""
    return {
        "type": "object",
        "title": f"Features of {contract.name}",
        "properties": {
            f.name: feature_schema(f, contract.policy.choices.get(f.name, ())) for f in contract.features
        },
        "required": [f.name for f in contract.features if not f.nullable],
        "additionalProperties": False,
    }


def request_schema(contract: ModelContract, max_rows: int) -> dict[str, Any]:
    """Return the JSON schema of a predict request: instances or entities."""

    def form(name: str, items: dict[str, Any], description: str) -> dict[str, Any]:
        array = {
            "type": "array",
            "items": items,
            "minItems": 1,
            "maxItems": max_rows,
            "description": description,
        }
        return {
            "type": "object",
            "title": name,
            "properties": {name: array},
            "required": [name],
            "additionalProperties": False,
        }

    reference = {"$ref": f"#/components/schemas/{contract.name}_features"}
    key = {
        "type": ["string", "integer"],
        "description": f"{contract.schema.entity} ({contract.schema.entity_type})",
    }
    return {
        "oneOf": [
            form("instances", reference, "Rows of features."),
            form("entities", key, f"Keys; features are looked up in {contract.view}."),
        ]
    }


def response_schema(contract: ModelContract) -> dict[str, Any]:
    """Return the JSON schema of the answer."""
    properties: dict[str, Any] = {
        "model": {"const": contract.name},
        "version": {"type": "string", "description": "The registered version that answered."},
        "predictions": {"type": "array", "items": answers.json_schema(contract)},
        "engine": {"type": "string"},
        "unseen": {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "description": "Values per category feature that training had never seen; they count as missing.",
        },
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def build(app: FastAPI, served: Iterable[ServedModel], max_rows: int) -> dict[str, Any]:
    """Return the OpenAPI file for what is live now."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    generic = document["paths"].pop(PREDICT_PATH)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for served_model in served:
        if served_model.live is None:
            continue
        contract = served_model.live.contract
        schemas[f"{contract.name}_features"] = instance_schema(contract)
        path = PREDICT_PATH.replace("{name}", contract.name)
        document["paths"][path] = {"post": _operation(generic["post"], served_model.live, max_rows)}
    return document


def _operation(generic: dict[str, Any], live: LoadedVersion, max_rows: int) -> dict[str, Any]:
    contract = live.contract
    body = {"application/json": {"schema": request_schema(contract, max_rows)}}
    answer = {"application/json": {"schema": response_schema(contract)}}
    about = f"Version {live.version}, contract version {contract.version}."
    return {
        "tags": ["predict"],
        "summary": f"Predict {contract.name}",
        "operationId": f"predict_{contract.name}",
        "description": f"{contract.policy.doc}\n\n{about}".strip(),
        "requestBody": {"required": True, "content": body},
        "responses": {
            **{status: r for status, r in generic["responses"].items() if status != "200"},
            "200": {"description": "One prediction per row, in the order of the request.", "content": answer},
        },
    }
