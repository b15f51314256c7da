"""Problem answers in the OpenAPI file."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from hotclub.problem_json import MEDIA_TYPE


class FieldErrorOut(serializers.Serializer[Any]):
    """One thing wrong with one field."""

    field = serializers.CharField(help_text="dotted path, such as features.hour")
    message = serializers.CharField()


class ProblemOut(serializers.Serializer[Any]):
    """RFC 9457 problem details."""

    type = serializers.CharField(help_text="URI of the kind of problem; about:blank says no more than status")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField(required=False, help_text="the path of the request")
    errors = FieldErrorOut(many=True)  # type: ignore[assignment]  # a declared field; REST framework takes it out of the class


_MEANINGS = {
    400: "not JSON at all",
    401: "no or a wrong token",
    403: "not allowed",
    404: "there is no such object, or it is another tenant's",
    409: "not possible in the current state",
    422: "invalid fields, all of them in one answer",
    503: "the model registry does not answer",
}


def problems(*codes: int) -> dict[Any, OpenApiResponse]:
    """Return the `responses` of an operation that may answer with these problems."""
    return {(code, MEDIA_TYPE): OpenApiResponse(ProblemOut, description=_MEANINGS[code]) for code in codes}
